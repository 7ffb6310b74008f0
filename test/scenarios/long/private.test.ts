import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { isArchiveKey } from '../../../src/core/archive-key.ts';
import { keyringOf } from '../../../src/core/secret-box.ts';
import { StandInAzure } from '../../standins/azure/index.ts';
import { playAgents } from '../../standins/azure/play.ts';
import { until } from '../../support/until.ts';
import { formOf, Visitor } from '../../support/visitor.ts';
import { REPO, script, startWorld, type World } from '../../support/world.ts';

/**
 * Private repositories are tested and shown to those who may read them, and what is told of public ones does not tell of
 * them. Most stories look into the database, where all is to be seen, and at what is posted on GitHub.
 */

const PATIENCE = 90_000;
const NO_LOGIN = { GITHUB_CLIENT_ID: '', GITHUB_CLIENT_SECRET: '', RCB_SESSION_KEY: '' };
const SESSION_KEY = 'a session key of this story, and of no other';

interface Posted {
  path: string;
  body: unknown;
}

/** The newest run of a commit, once it has ended. */
async function ended(world: World, sha: string, number = 1) {
  const { prisma } = world.database.database;
  const find = () =>
    prisma.run.findMany({ where: { sha }, include: { sources: true, builds: true }, orderBy: { id: 'desc' } });
  await until(async () => {
    const runs = await find();
    return runs.length >= number && runs[0]?.state === 'finished';
  }, PATIENCE).catch(async (cause) => {
    throw new Error(`the runs of ${sha} are ${inspect(await find())}`, { cause });
  });
  const run = (await find())[0]!;
  return { ...run, of: run.sources.map(({ repository }) => repository).sort() };
}

/** Its row, once it is there. */
async function serviceOf(world: World, name: string) {
  const { prisma } = world.database.database;
  await until(async () => (await prisma.repository.count({ where: { name } })) > 0, PATIENCE);
  return prisma.repository.findFirstOrThrow({ where: { name } });
}

describe('a stack of public and private repositories', { timeout: 400_000 }, () => {
  let world: World;
  const posted: Posted[] = [];
  const [OPEN, SECRET, HUSH] = ['acme/open', 'acme/secret', 'acme/hush'] as const;
  const open = (repo: string, head: string, files: Record<string, string> = { [head]: '1' }) =>
    world.github.openPullRequest({ repo, head, files });

  before(async () => {
    world = await startWorld({
      absent: true,
      validate: true,
      onRequest: (method, path, body) => {
        if (method !== 'GET' && method !== 'HEAD') posted.push({ path, body });
      },
    });
    const { github } = world;
    const alone = script('[ -e with ] || { test ! -e ../secret && test ! -e t; }');
    await github.createRepository(HUSH, { private: true, files: { 'basic.t': 'ok 1;\n' } });
    await github.createRepository(SECRET, {
      private: true,
      files: { 'ci/run': script('set -e', 'test -e ../open/ci/run', 'test -e ../open/t/basic.t'), code: 'hush hush\n' },
    });
    await github.tag(SECRET, '2026.01', { message: 'Release' });
    await github.createRepository(OPEN, { files: { 'ci/run': alone, PIN: '2026.01\n' } });
    github.setPermission(OPEN, 'maintainer', 'write');
    world.options.yaml = [
      'stack:',
      `  - { repository: ${SECRET} }`,
      `  - { repository: ${OPEN}, pins: { ${SECRET}: PIN }, trees: { t: ${HUSH} } }`,
      'poll: { github: 1 }',
      'limits: { writeSpacing: 0, catchUpRunsPerMinute: 600 }',
      'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60, private: true }]',
    ].join('\n');
    await world.startBot();
  });
  after(() => world.stop());

  async function loggedIn(login: string): Promise<Visitor> {
    const visitor = new Visitor(world.rcb.publicUrl);
    world.github.signIn(login);
    await visitor.open('/login?return=/runs');
    return visitor;
  }

  /** A head that moved just now would leave it unclear which one is meant. */
  const aged = async (headSha: string) => {
    const heads = [{ sha: headSha, seenAt: '2026-01-01T00:00:00Z' }];
    await world.database.database.prisma.pullRequest.updateMany({ where: { headSha }, data: { heads } });
  };
  /** What everybody reads there. */
  const toldOn = (repo: string) => posted.filter(({ path }) => path.startsWith(`/repos/${repo}/`));
  const tellsNothing = () => {
    const told = toldOn(OPEN);
    assert.ok(told.some(({ path }) => path.endsWith('/check-runs')));
    for (const { body } of told)
      assert.doesNotMatch(JSON.stringify(body ?? ''), /acme\/(?:secret|hush)|\b(?:secret|hush)\b/i);
  };

  test('a private pull request is tested with the whole stack, fetched with its installation’s token', async () => {
    const pull = await open(SECRET, 'first');
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, run.of], ['passed', [OPEN, SECRET]], run.why ?? '');
    assert.equal((await world.check(pull.headSha, 'rcb', 'completed', SECRET)).conclusion, 'success');
    assert.equal((await world.check(pull.headSha, 'local / ci/run', 'completed', SECRET)).conclusion, 'success');
    for (const repo of [SECRET, HUSH]) {
      const fetched = world.github.requests.filter(
        ({ caller, path, method }) => caller === 'git' && method === 'POST' && path === `/${repo}.git/git-upload-pack`,
      );
      assert.ok(fetched.length > 0, repo);
      assert.ok(
        fetched.every(({ status }) => status === 200),
        'GitHub refuses whoever has no token',
      );
    }
  });

  test('its pages are for those who may read all that it was tested with, and for as long as they may', async () => {
    const { github } = world;
    const pull = await open(SECRET, 'looked-at');
    const run = await ended(world, pull.headSha);
    const paths = [`/runs/${run.id}`, `/api/runs/${run.id}`, `/archive/${run.sources[0]!.archiveSha256}`];
    const answers = async (visitor: Visitor) =>
      (await Promise.all(paths.map((path) => visitor.open(path)))).map(({ status }) => status);
    github.setPermission(SECRET, 'crew', 'write');
    assert.deepEqual(await answers(new Visitor(world.rcb.publicUrl)), [404, 404, 404]);
    assert.deepEqual(await answers(await loggedIn('passer-by')), [404, 404, 404]);
    const crew = await loggedIn('crew');
    assert.deepEqual(await answers(crew), [200, 200, 200]);
    assert.match((await crew.open('/runs')).text, /looked-at/);
    const page = await crew.open(`/runs/${run.id}`);
    const pressed = await crew.submit(page, formOf(page, 'Re-test'));
    assert.match(pressed.text, /pressed Re-test/);
    const again = await ended(world, pull.headSha, 2);
    assert.deepEqual([again.trigger, again.verdict], ['button', 'passed']);
    await world.quiet(PATIENCE);
    github.setPermission(SECRET, 'crew', 'none');
    assert.deepEqual(await answers(await loggedIn('crew')), [404, 404, 404]);
  });

  test('a push to the public one is tested without the private ones, and tells nothing of them', async () => {
    const sha = (await world.github.sha(OPEN, 'main'))!;
    const run = await ended(world, sha);
    assert.deepEqual([run.verdict, run.of], ['passed', [OPEN]], run.why ?? '');
    assert.equal((await world.check(sha, 'rcb', 'completed', OPEN)).conclusion, 'success');
    tellsNothing();
  });

  test('pull requests of one branch name: the private one takes the public one, and not the other way round', async () => {
    const { prisma } = world.database.database;
    const hidden = await open(SECRET, 'fix-gc');
    const seen = await open(OPEN, 'fix-gc');
    await until(async () => {
      const run = await ended(world, hidden.headSha);
      return run.sources.some(({ sha }) => sha === seen.headSha);
    }, PATIENCE);
    assert.equal((await ended(world, hidden.headSha)).verdict, 'passed');
    assert.deepEqual((await ended(world, seen.headSha)).of, [OPEN]);
    await world.quiet(PATIENCE);
    await aged(seen.headSha);
    await world.github.comment(OPEN, seen.number, '{rcb: why} {merge on success}', { by: 'maintainer' });
    await until(() => world.github.pull(OPEN, seen.number).merged, PATIENCE).catch((cause) => {
      throw new Error(JSON.stringify(world.github.comments(OPEN, seen.number).map(({ body }) => body)), { cause });
    });
    await world.github.commit(SECRET, 'fix-gc', { files: { more: '1' } });
    await world.quiet(PATIENCE);
    assert.equal(
      await prisma.run.count({ where: { sha: seen.headSha } }),
      1,
      'what is private moves nothing that is public',
    );
    assert.ok(world.github.comments(OPEN, seen.number).length > 1, 'it was answered');
    tellsNothing();
  });

  test('what was tested with private ones, and is public now, is tested again without them', async () => {
    await world.github.setPrivate(OPEN, true);
    await until(async () => (await serviceOf(world, OPEN)).private, PATIENCE);
    const pull = await open(OPEN, 'was-private', { with: 'the others' });
    const first = await ended(world, pull.headSha);
    assert.deepEqual([first.verdict, first.of], ['passed', [OPEN, SECRET]], first.why ?? '');
    await world.check(pull.headSha, 'rcb', 'completed', OPEN);
    await world.quiet(PATIENCE);
    posted.length = 0;
    await world.github.setPrivate(OPEN, false);
    await until(async () => !(await serviceOf(world, OPEN)).private, PATIENCE);
    await world.github.comment(OPEN, pull.number, '{re-test}', { by: 'maintainer' });
    const again = await ended(world, pull.headSha, 2);
    assert.deepEqual(again.of, [OPEN]);
    await world.quiet(PATIENCE);
    assert.match(world.github.comments(OPEN, pull.number).at(-1)?.body ?? '', /they are chosen anew/);
    tellsNothing();
  });

  test('nobody waits, in public, for a private partner that it was tested with', async () => {
    await world.github.setPrivate(OPEN, true);
    await until(async () => (await serviceOf(world, OPEN)).private, PATIENCE);
    const partner = await open(SECRET, 'both');
    await ended(world, partner.headSha);
    const pull = await open(OPEN, 'both', { with: 'others' });
    const run = await ended(world, pull.headSha);
    assert.ok(run.sources.some(({ sha }) => sha === partner.headSha));
    await world.check(pull.headSha, 'rcb', 'completed', OPEN);
    await world.quiet(PATIENCE);
    posted.length = 0;
    await world.github.setPrivate(OPEN, false);
    await until(async () => !(await serviceOf(world, OPEN)).private, PATIENCE);
    await aged(pull.headSha);
    await world.github.comment(OPEN, pull.number, '{merge on success}', { by: 'maintainer' });
    await until(() => world.github.pull(OPEN, pull.number).merged, PATIENCE);
    await world.github.comment(OPEN, pull.number, '{rcb: why}', { by: 'maintainer' });
    await world.quiet(PATIENCE);
    assert.ok(toldOn(OPEN).length > 0);
    tellsNothing();
  });

  test('all of it was said as GitHub wants it', () => assert.deepEqual(world.github.invalidRequests, []));
});

describe('logging in is switched on and off', { timeout: 400_000 }, () => {
  let world: World;
  const SECRET = 'acme/secret';
  const slow = { 'ci/run': script('[ ! -e slow ] || sleep 300') };
  before(async () => {
    world = await startWorld({
      absent: true,
      env: NO_LOGIN,
      yaml: [
        'poll: { github: 1 }',
        'limits: { writeSpacing: 0, catchUpRunsPerMinute: 600 }',
        'backends: [{ name: local, kind: local, slots: 2, timeout: 400, silence: 400, private: true }]',
      ].join('\n'),
    });
    await world.github.createRepository(SECRET, { private: true, files: slow });
    world.github.setPermission(SECRET, 'maintainer', 'write');
    await world.startBot();
  });
  after(() => world.stop());

  const restart = async (env: Record<string, string>) => {
    await world.stopBot();
    world.options.env = env;
    await world.startBot();
  };
  let pull: { headSha: string; number: number };

  test('off: it is refused, with what has to be set, and nobody is heard there', async () => {
    pull = await world.github.openPullRequest({ repo: SECRET, head: 'early', files: { a: '1' } });
    await world.quiet();
    await world.github.comment(SECRET, pull.number, '{re-test}', { by: 'maintainer' });
    await world.quiet();
    const { state, why } = await serviceOf(world, SECRET);
    assert.equal(state, 'refused');
    assert.match(why ?? '', /log in.*GITHUB_CLIENT_ID/);
    assert.equal(await world.database.database.prisma.run.count({ where: { sha: pull.headSha } }), 0);
    assert.deepEqual(world.github.checkRuns(SECRET, pull.headSha), []);
    assert.deepEqual(world.github.comments(SECRET, pull.number)[0]?.reactedBy, []);
  });

  test('on: the next look at the installations has it watched, and what is open is tested', async () => {
    await restart({});
    assert.equal((await ended(world, pull.headSha)).verdict, 'passed');
    assert.equal((await world.check(pull.headSha, 'rcb', 'completed', SECRET)).conclusion, 'success');
    const { state, why } = await serviceOf(world, SECRET);
    assert.deepEqual([state, why, (await serviceOf(world, SECRET)).private], ['watched', null, true]);
  });

  test('off again: what is being tested is cancelled, and its check says why', async () => {
    const late = await world.github.openPullRequest({ repo: SECRET, head: 'late', files: { slow: '1' } });
    const { prisma } = world.database.database;
    const isBuilding = async () => (await prisma.run.findFirst({ where: { sha: late.headSha } }))?.state === 'building';
    await until(isBuilding, PATIENCE);
    await restart(NO_LOGIN);
    assert.equal((await ended(world, late.headSha)).verdict, 'cancelled');
    const check = await world.check(late.headSha, 'rcb', 'completed', SECRET);
    assert.equal(check.conclusion, 'cancelled');
    assert.match(JSON.stringify(check.output), /not served any more.*log in/);
    assert.equal((await serviceOf(world, SECRET)).state, 'refused');
  });
});

describe('back-ends of others', { timeout: 240_000 }, () => {
  let world: World;
  let azure: StandInAzure;
  const [SHY, TRUSTED] = ['acme/shy', 'acme/trusted'] as const;
  before(async () => {
    azure = await StandInAzure.start();
    const pipeline = `kind: azure, url: "${azure.url}", project: raku, pipeline: 7, credentialHosts: ["localhost:*"]`;
    world = await startWorld({
      yaml: [
        'limits: { writeSpacing: 0 }',
        'poll: { azure: 1 }',
        'backends:',
        `  - { name: azure, ${pipeline}, repositories: [${SHY}, ${REPO}] }`,
        `  - { name: ours, ${pipeline}, repositories: [${TRUSTED}], private: true }`,
      ].join('\n'),
      env: { AZURE_DEVOPS_TOKEN: 'a-pat-that-is-good', RCB_SESSION_KEY: SESSION_KEY },
    });
    for (const name of [SHY, TRUSTED]) await world.github.createRepository(name, { private: true });
  });
  after(async () => {
    await world.stop();
    await azure.close();
  });

  const open = (repo: string, head: string) => world.github.openPullRequest({ repo, head, files: { [head]: '1' } });
  const ordersOf = (runId: string) =>
    azure.builds.filter(({ templateParameters }) => templateParameters['rcbRun'] === runId);

  test('one that may not see private code gets no build, and the check says so', async () => {
    const pull = await open(SHY, 'hidden');
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, run.builds.length, ordersOf(run.id)], [null, 0, []]);
    const check = await world.check(pull.headSha, 'rcb', 'completed', SHY);
    assert.equal(check.conclusion, 'neutral');
    assert.match(JSON.stringify(check.output), /the code is private, and azure, .*may not see private code/);
  });

  test('one that may gets addresses that are signed, for these bytes and for some days', async () => {
    const sendHome = playAgents(azure, { stepMs: 20 });
    const pull = await open(TRUSTED, 'shown');
    const run = await ended(world, pull.headSha);
    sendHome();
    assert.equal(run.verdict, 'passed');
    const url = new URL(ordersOf(run.id)[0]!.templateParameters['trustedUrl']!);
    const sha256 = run.sources[0]!.archiveSha256!;
    assert.equal(url.pathname, `/archive/${sha256}`);
    const { until: end, key } = Object.fromEntries(url.searchParams);
    const ring = keyringOf([SESSION_KEY]);
    const at = (days: number) => new Date(Date.now() + days * 24 * 3_600_000);
    assert.ok(isArchiveKey(sha256, { until: end, key }, ring, at(6)));
    assert.ok(!isArchiveKey(sha256, { until: end, key }, ring, at(8)));
    const given = await fetch(url);
    assert.deepEqual([given.status, given.headers.get('cache-control')], [200, 'private, no-cache']);
    const bytes = Buffer.from(await given.arrayBuffer());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
    for (const query of ['', `?until=${end}`, `?until=${Number(end) + 1}&key=${key}`, `?until=${end}&key=${key}x`])
      assert.equal((await fetch(`${url.origin}${url.pathname}${query}`)).status, 404, query);
  });

  test('what is public has the address that it always had', async () => {
    const sendHome = playAgents(azure, { stepMs: 20 });
    const pull = await open(REPO, 'public');
    const run = await ended(world, pull.headSha);
    sendHome();
    const { archiveSha256 } = run.sources[0]!;
    assert.equal(ordersOf(run.id)[0]!.templateParameters['toolUrl'], `${world.rcb.publicUrl}/archive/${archiveSha256}`);
  });
});
