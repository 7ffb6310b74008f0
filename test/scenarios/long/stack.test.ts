import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../support/until.ts';
import { type RunJson, script, startWorld, type World } from '../../support/world.ts';

/** Three repositories that pin one another, as Raku's do, each tested with the right commits of the others. */
describe('a stack', () => {
  let world: World;
  const [RAKUDO, NQP, MOAR, ROAST] = ['acme/rakudo', 'acme/nqp', 'acme/MoarVM', 'acme/roast'] as const;
  /** What Raku's own build checks: the versions against the pins, MANIFEST against the tree, submodules, the spec. */
  const check = (name: string, ...more: string[]) =>
    script(
      'set -e',
      'test -s VERSION && test -s MANIFEST',
      'find . -type f -o -type l | sed "s,^\\./,," | sort > "$TMPDIR/there"',
      'sort MANIFEST | diff - "$TMPDIR/there"',
      `for each in rakudo nqp MoarVM; do test -d ../$each; done`,
      `echo ${name} $(cat VERSION) of $(cat ../rakudo/VERSION) $(cat ../nqp/VERSION) $(cat ../MoarVM/VERSION)`,
      'pin=$(cat ../nqp/tools/templates/MOAR_REVISION); version=$(cat ../MoarVM/VERSION)',
      'printf "%s\\n%s\\n" "$pin" "$version" | sort -V -C || { echo "MoarVM $version is older than $pin"; exit 1; }',
      ...more,
    );

  before(async () => {
    world = await startWorld({ absent: true });
    const { github } = world;
    const submodule = await github.createRepository('acme/libuv', { files: { 'src/uv.c': 'int uv;\n' } });
    assert.ok(submodule.id);
    const uv = (await github.sha('acme/libuv', 'main'))!;
    await github.createRepository(MOAR, {
      files: {
        VERSION: '2026.01\n',
        'ci/run': check('MoarVM', 'grep -q uv 3rdparty/libuv/src/uv.c'),
        '.gitmodules': '[submodule "3rdparty/libuv"]\n\tpath = 3rdparty/libuv\n\turl = ../libuv.git\n',
        '3rdparty/libuv': { content: uv, mode: '160000' },
      },
    });
    await github.tag(MOAR, '2026.01', { message: 'Release' });
    const second = await github.commit(MOAR, 'main', { files: { 'src/moar.c': 'int moar;\n' } });
    const pin = `2026.01-1-g${second.slice(0, 9)}`;
    await github.createRepository(NQP, {
      files: { VERSION: '2026.01\n', 'ci/run': check('nqp'), 'tools/templates/MOAR_REVISION': `${pin}\n` },
    });
    await github.tag(NQP, '2026.01', { message: 'Release' });
    await github.createRepository(ROAST, { files: { 'S01/basic.t': 'ok 1;\n' } });
    await github.createRepository(RAKUDO, {
      files: {
        VERSION: '2026.01\n',
        '.hidden': 'not in the archive\n',
        'tools/templates/NQP_REVISION': '2026.01\n',
        'ci/run': check('rakudo', 'test ! -e .hidden', 'grep -q ok t/spec/S01/basic.t'),
      },
    });
    await github.tag(RAKUDO, '2026.01', { message: 'Release' });
    world.options.yaml = [
      'stack:',
      `  - { repository: ${RAKUDO}, release: { omit: [".*"], manifest: true, version: describe }, pins: { ${NQP}: tools/templates/NQP_REVISION }, trees: { t/spec: ${ROAST} } }`,
      `  - { repository: ${NQP}, release: { manifest: true, version: describe }, pins: { ${MOAR}: tools/templates/MOAR_REVISION } }`,
      `  - { repository: ${MOAR}, release: { manifest: true, version: describe } }`,
      `submodules: { allow: ["${github.origin}/"] }`,
      'limits: { writeSpacing: 0, catchUpRunsPerMinute: 600 }',
      'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60 }]',
    ].join('\n');
    await world.startBot();
  });
  after(() => world.stop());

  const PATIENCE = 90_000;
  const shaOf = async (repo: string, ref = 'main') => (await world.github.sha(repo, ref))!;
  const manifest = (run: RunJson) => Object.fromEntries(run.sources.map(({ repository, why }) => [repository, why]));
  const commits = (run: RunJson) => Object.fromEntries(run.sources.map(({ repository, sha }) => [repository, sha]));
  const logOf = async (run: RunJson) => {
    const { logUrl } = run.builds[0]!.jobs[0]!;
    return world.text(new URL(logUrl!).pathname);
  };

  test('a commit of rakudo is tested with the nqp that it pins, and the MoarVM that this one pins', async () => {
    const run = await world.run(await shaOf(RAKUDO), 'finished', PATIENCE);
    assert.equal(run.verdict, 'passed', await logOf(run).catch(() => run.why));
    assert.deepEqual(manifest(run), {
      [RAKUDO]: 'head of main',
      [NQP]: 'pinned by rakudo 2026.01',
      [MOAR]: `pinned by nqp ${(await world.github.file(NQP, 'main', 'tools/templates/MOAR_REVISION')).trim()}`,
    });
    assert.match(await logOf(run), /rakudo 2026\.01 of 2026\.01 2026\.01 2026\.01-1-g/);
  });

  test('a commit of MoarVM is tested with the default branches of those that are built with it', async () => {
    const run = await world.run(await shaOf(MOAR), 'finished', PATIENCE);
    assert.equal(run.verdict, 'passed', await logOf(run).catch(() => run.why));
    assert.deepEqual(manifest(run), { [RAKUDO]: 'head of main', [NQP]: 'head of main', [MOAR]: 'head of main' });
  });

  test('pull requests of one branch name are tested together, though opened one after the other', async () => {
    const pins = { 'tools/templates/NQP_REVISION': '2026.01\n' };
    const first = await world.github.openPullRequest({ repo: RAKUDO, head: 'fix-gc', files: { a: '1', ...pins } });
    const second = await world.github.openPullRequest({ repo: NQP, head: 'fix-gc', files: { b: '1' } });
    await until(async () => {
      const runs = await world.runs(`?sha=${first.headSha}`);
      return runs.some((run) => run.state === 'finished' && commits(run)[NQP] === second.headSha);
    }, PATIENCE);
    const run = (await world.runs(`?sha=${first.headSha}`))[0]!;
    assert.equal(manifest(run)[NQP], `pull request #${second.number} has the same branch name`);
    const other = await world.run(second.headSha, 'finished', PATIENCE);
    assert.equal(commits(other)[RAKUDO], first.headSha);
    await world.quiet(PATIENCE);
    const partnered = (await world.runs(`?sha=${second.headSha}`)).length;
    assert.equal(partnered, 1, 'who was opened last has its partner from the start');
  });

  test('a partner that moves makes the other be tested again, once, and one that is closed too', async () => {
    const [rakudo] = (await world.runs(`?repository=${RAKUDO}`)).filter(({ change }) => change.number);
    const count = async () => (await world.runs(`?sha=${rakudo!.change.sha}`)).length;
    const before = await count();
    const moved = await world.github.commit(NQP, 'fix-gc', { files: { b: '2' } });
    await until(
      async () =>
        (await count()) === before + 1 && commits((await world.runs(`?sha=${rakudo!.change.sha}`))[0]!)[NQP] === moved,
      PATIENCE,
    );
    await world.quiet(PATIENCE);
    const [again] = await world.runs(`?sha=${rakudo!.change.sha}`);
    assert.deepEqual([again!.trigger, again!.verdict], ['partner', 'passed']);
    await world.github.close(NQP, 1);
    await until(async () => (await count()) === before + 2, PATIENCE);
    await world.quiet(PATIENCE);
    const [alone] = await world.runs(`?sha=${rakudo!.change.sha}`);
    assert.equal(manifest(alone!)[NQP], 'pinned by rakudo 2026.01');
    assert.equal(await count(), before + 2);
  });

  test('a pull request is tested as it would land: merged with its base', async () => {
    const pull = await world.github.openPullRequest({ repo: NQP, head: 'lands', files: { c: '1' } });
    const base = await world.github.commit(NQP, 'main', { files: { d: '1' } });
    const next = await world.github.commit(NQP, 'lands', { files: { c: '2' } });
    const run = await world.run(next, 'finished', PATIENCE);
    assert.equal(run.verdict, 'passed', run.why);
    const source = run.sources.find(({ repository }) => repository === NQP)!;
    assert.deepEqual([source.sha, (source as { base?: string }).base], [next, base]);
    const summary = (await world.check(next, 'rcb', 'completed', NQP)).output.summary!;
    assert.match(summary, new RegExp(`merged with ${base}`));
    assert.ok(pull.number);
  });

  test('a conflict with the base is said on the check', async () => {
    const pull = await world.github.openPullRequest({ repo: NQP, head: 'conflicts', files: { e: 'mine\n' } });
    await world.run(pull.headSha, 'finished', PATIENCE);
    await world.github.commit(NQP, 'main', { files: { e: 'theirs\n' } });
    const next = await world.github.commit(NQP, 'conflicts', { files: { e: 'mine again\n' } });
    const run = await world.run(next, 'finished', PATIENCE);
    assert.equal(run.verdict, 'error');
    assert.match(run.why!, /does not merge with main at [0-9a-f]{10}: conflicts in e\./);
    assert.equal((await world.check(next, 'rcb', 'completed', NQP)).conclusion, 'failure');
  });

  test('a malformed pin ends the run with the reason and what the file says; so does one that names no commit', async () => {
    const file = 'tools/templates/NQP_REVISION';
    const broken = await world.github.openPullRequest({
      repo: RAKUDO,
      head: 'broken-pin',
      files: { [file]: '<<<<<<< HEAD\n2026.01\n=======\n' },
    });
    const run = await world.run(broken.headSha, 'finished', PATIENCE);
    assert.equal(run.verdict, 'error');
    assert.match(run.why!, /^malformed pin: .*conflict/);
    assert.match((await world.check(broken.headSha, 'rcb', 'completed', RAKUDO)).output.summary!, /<<<<<<< HEAD/);
    const missing = await world.github.openPullRequest({
      repo: RAKUDO,
      head: 'no-such-pin',
      files: { [file]: '2026.01-7-gdeadbeef1\n' },
    });
    assert.match((await world.run(missing.headSha, 'finished', PATIENCE)).why!, /^pinned revision not found: /);
  });

  test('a stranger’s pull request of the same name is not pulled into the run, and that is said', async () => {
    const fork = await world.github.fork(MOAR, 'stranger');
    await world.github.openPullRequest({
      repo: MOAR,
      headRepo: fork,
      head: 'tempting',
      author: 'stranger',
      files: { x: '1' },
    });
    await world.github.settled();
    await until(
      async () => (await world.database.database.prisma.pullRequest.count({ where: { headRef: 'tempting' } })) === 1,
    );
    const own = await world.github.openPullRequest({ repo: NQP, head: 'tempting', files: { y: '1' } });
    const run = await world.run(own.headSha, 'finished', PATIENCE);
    assert.match(manifest(run)[MOAR]!, /^pinned by nqp/);
    const { output } = await world.check(own.headSha, 'rcb', 'completed', NQP);
    assert.match(output.summary!, /its author stranger may not write there/);
  });

  test('pull requests that were tested together are merged in the order in which they are built', async () => {
    world.github.setPermission(RAKUDO, 'maintainer', 'write');
    world.github.setPermission(NQP, 'maintainer', 'write');
    const { prisma } = world.database.database;
    const nqp = await world.github.openPullRequest({ repo: NQP, head: 'both-land', files: { m: '1' } });
    await until(async () => (await prisma.pullRequest.count({ where: { headRef: 'both-land' } })) === 1, PATIENCE);
    const rakudo = await world.github.openPullRequest({ repo: RAKUDO, head: 'both-land', files: { n: '1' } });
    for (const pull of [nqp, rakudo]) {
      await until(async () => (await prisma.pullRequest.count({ where: { headSha: pull.headSha } })) === 1, PATIENCE);
      const heads = [{ sha: pull.headSha, seenAt: '2026-01-01T00:00:00Z' }];
      await prisma.pullRequest.updateMany({ where: { headSha: pull.headSha }, data: { heads } });
    }
    await world.quiet(PATIENCE);
    await world.github.comment(RAKUDO, rakudo.number, '{merge on success}', { by: 'maintainer' });
    const wish = () => prisma.mergeRequest.findFirst({ where: { headSha: rakudo.headSha } });
    await until(async () => ((await wish())?.decision as { because?: string } | null)?.because === 'partner', PATIENCE);
    assert.equal(world.github.pull(RAKUDO, rakudo.number).merged, false);
    await world.github.comment(NQP, nqp.number, '{merge on success}', { by: 'maintainer' });
    await until(async () => world.github.pull(RAKUDO, rakudo.number).merged, PATIENCE);
    assert.equal(world.github.pull(NQP, nqp.number).merged, true);
    await until(
      async () =>
        world.github
          .comments(RAKUDO, rakudo.number)
          .some(({ body }) => /The pin that names the merged commit/.test(body)),
      PATIENCE,
    );
  });

  test('rakudo#N and nqp#N are open at once, and a command is about the one that it stands in', async () => {
    const next = (repo: string) => world.github.openIssue(repo, { title: 'a number' }).number;
    const last = { [RAKUDO]: next(RAKUDO), [NQP]: next(NQP) };
    while (last[RAKUDO]! < last[NQP]!) last[RAKUDO] = next(RAKUDO);
    while (last[NQP]! < last[RAKUDO]!) last[NQP] = next(NQP);
    const opening = [RAKUDO, NQP].map((repo) =>
      world.github.openPullRequest({ repo, head: `apart-${repo.length}`, files: { o: repo } }),
    );
    const both = await Promise.all(opening);
    assert.equal(both[0]!.number, both[1]!.number);
    const [first, second] = both as [(typeof both)[0], (typeof both)[0]];
    await world.run(first.headSha, 'finished', PATIENCE);
    await world.run(second.headSha, 'finished', PATIENCE);
    await world.github.comment(RAKUDO, first.number, '{re-test}', { by: 'maintainer' });
    const runs = () => world.runs(`?sha=${first.headSha}`);
    await until(async () => (await runs()).length === 2 && (await runs())[0]!.state === 'finished', PATIENCE);
    const [again, before] = await runs();
    const commits = ({ sources }: RunJson) => sources.map(({ repository, sha }) => ({ repository, sha }));
    assert.deepEqual([again!.verdict, commits(again!)], [before!.verdict, commits(before!)]);
    assert.equal(again!.sources.length, 3);
    assert.equal((await world.runs(`?sha=${second.headSha}`)).length, 1);
  });
});
