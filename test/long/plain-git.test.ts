import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { postReceive } from '../../src/cli/post-receive.ts';
import { ensureSecret } from '../../src/forge/git/secret.ts';
import { SIGNATURE_HEADER, signatureOf } from '../../src/forge/git/wire.ts';
import { createGitRepository } from '../support/git-repository.ts';
import { type PlainWorld, startPlainWorld } from '../support/plain-world.ts';
import { proveLog } from '../support/prove-log.ts';
import { until } from '../support/until.ts';
import { REPO, startWorld } from '../support/world.ts';

/** Pushes to a plain git repository on this machine; there is no GitHub anywhere. */
describe('a plain git repository with a hook', () => {
  let world: PlainWorld;
  before(async () => {
    world = await startPlainWorld();
    await world.installHook();
  });
  after(() => world.stop());

  test('a push is tested, and shown', async () => {
    const clone = await world.clone('ada');
    const sha = await clone.commit({ 'ci/run': 'echo pushed and tested' });
    assert.match(await clone.push(), /remote: RCB: the push is tested: http/);
    const run = await world.run(sha);
    assert.deepEqual(
      [run.repository, run.change.kind, run.change.ref, run.verdict, run.trigger],
      ['repository', 'commit', 'refs/heads/main', 'passed', 'push'],
    );
    const log = await (await fetch(run.builds[0]!.jobs[0]!.logUrl!)).text();
    assert.equal(log, 'pushed and tested\n');
    const page = await (await fetch(`${world.rcb.publicUrl}/runs/${run.id}`)).text();
    assert.match(page, new RegExp(sha.slice(0, 7)));
    const told = (await world.facts('refs/heads/main')).find(({ kind }) => kind === 'branch.hinted');
    assert.ok(told?.hookAt);
    assert.equal(told.pollAt, undefined);
  });

  test('any executable is a test: its exit status decides', async () => {
    const clone = await world.clone('exec');
    await clone.git('checkout', '-q', '-b', 'snake');
    const program = `#!${process.execPath}\nconsole.log(6 * 7);\nprocess.exit(9);\n`;
    await clone.git('rm', '-rq', '--ignore-unmatch', 'ci');
    const sha = await clone.commit({ '.ci': program });
    await clone.push();
    const run = await world.run(sha);
    assert.equal(run.verdict, 'failed');
    assert.equal(run.builds[0]!.jobs[0]!.name, 'local / .ci');
  });

  test('a force-push supersedes the run before it, and going back is a third fact', async () => {
    const clone = await world.clone('force');
    await clone.git('checkout', '-q', '-b', 'moving');
    const first = await clone.commit({ 'ci/run': 'sleep 30' }, 'one');
    await clone.push();
    await world.run(first, 'building');
    await clone.git('reset', '-q', '--hard', 'HEAD~1');
    const second = await clone.commit({ 'ci/run': 'echo quick' }, 'two');
    await clone.push('--force', 'origin', 'HEAD');
    assert.equal((await world.run(first)).verdict, 'superseded');
    assert.equal((await world.run(second)).verdict, 'passed');
    await clone.push('--force', 'origin', `${first}:refs/heads/moving`);
    await until(async () => (await world.runs(first)).length === 2);
    await clone.push('origin', ':refs/heads/moving');
    assert.equal((await world.run(first)).verdict, 'cancelled');
  });

  test('branches with odd names are tested under their names', async () => {
    const clone = await world.clone('odd');
    const sha = await clone.commit({ 'ci/run': 'echo odd' }, 'odd');
    const name = 'fix/ünï%2F#1&x=y';
    await clone.push('origin', `HEAD:refs/heads/${name}`);
    const run = await world.run(sha);
    assert.deepEqual([run.change.ref, run.verdict], [`refs/heads/${name}`, 'passed']);
  });

  test('a push of tags tests nothing', async () => {
    const clone = await world.clone('tags');
    await clone.git('tag', 'v1');
    assert.doesNotMatch(await clone.push('origin', 'v1'), /RCB/);
    await world.quiet();
    const { prisma } = world.database.database;
    assert.equal(await prisma.event.count({ where: { kind: 'hook.noted' } }), 1);
  });

  test('a telling with a wrong signature is refused, and one without sense', async () => {
    const url = `${world.rcb.publicUrl}/hooks/git`;
    assert.equal((await fetch(url)).status, 405);
    assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401);
    const secret = await ensureSecret(join(world.env['RCB_DATA_DIR']!, 'git-hook-secret'));
    const tell = async (body: string) => {
      const headers = { [SIGNATURE_HEADER]: signatureOf(body, secret) };
      const response = await fetch(url, { method: 'POST', body, headers });
      return `${response.status} ${await response.text()}`;
    };
    assert.match(await tell('{"path":'), /^400 It is not JSON/);
    assert.match(await tell('{"path":"relative","updates":[]}'), /^400 .*path/);
    assert.match(
      await tell('{"path":"/srv/git/other.git","updates":[]}'),
      /^404 RCB does not watch \/srv\/git\/other\.git/,
    );
    assert.match(await tell(`"${'x'.repeat(1_100_000)}"`), /^413 /);
    const { prisma } = world.database.database;
    const before = await prisma.event.count();
    const odd = {
      path: world.repository.path,
      updates: [{ ref: 'refs/heads/a..b', old: 'a'.repeat(40), new: 'b'.repeat(40) }],
    };
    assert.match(await tell(JSON.stringify(odd)), /^202 .*is not tested: its name is too long or malformed/);
    assert.equal(await prisma.event.count(), before);
  });
});

describe('a pusher who waits', () => {
  let world: PlainWorld;
  before(async () => {
    world = await startPlainWorld({ backend: ', sandbox: plain' });
    await world.installHook('--wait', '40s');
  });
  after(() => world.stop());

  test('sees the page, the log and the verdict on his terminal', async () => {
    const clone = await world.clone('ada');
    const sha = await clone.commit({ 'ci/run': "echo one; sleep 1; printf '\\033[31mtwo\\033[0m\\n'; exit 4" });
    const seen = await clone.push();
    const run = await world.run(sha);
    assert.match(seen, new RegExp(`remote: RCB: main ${sha.slice(0, 10)} is tested: .*/runs/${run.id}`));
    assert.match(seen, /remote: {3}one\s*\nremote: {3}two/);
    assert.match(seen, new RegExp(`remote: RCB: main: failed in \\d+ s.*/runs/${run.id}`));
  });

  test('sees both attempts of a job that a known flapper failed', async () => {
    const clone = await world.clone('flapper');
    await clone.git('checkout', '-q', '-b', 'flapping');
    const sha = await clone.commit({
      '.rcb/flappers.yml': '- name: t/flap.t',
      first: `cat <<'END'\n${proveLog({ failed: { 't/flap.t': [2] } }).join('\n')}\nEND\nexit 1`,
      second: `echo it was not the code; exit 0`,
      'ci/run': `if mkdir ${join(world.database.dataDir, 'attempted')} 2>/dev/null; then ./first; else ./second; fi`,
    });
    const seen = await clone.push('origin', 'flapping');
    assert.match(seen, /Result: FAIL.*RCB: local \/ ci\/run: attempt 2.*it was not the code/s);
    assert.match(seen, /RCB: flapping: passed in \d+ s \(Passed on the second attempt; flapper: t\/flap\.t\)/);
    assert.equal((await world.run(sha)).builds[0]?.jobs[0]?.attempt, 2);
  });

  test('sees the verdict of each of several branches', async () => {
    const clone = await world.clone('several');
    await clone.commit({ 'ci/run': 'echo fine' }, 'fine');
    await clone.git('branch', 'a');
    await clone.commit({ 'ci/run': 'exit 1' }, 'bad');
    await clone.git('branch', 'b');
    const seen = await clone.push('origin', 'a', 'b');
    assert.match(seen, /RCB: a: passed in/);
    assert.match(seen, /RCB: b: failed in/);
  });
});

describe('a plain git repository without hooks', () => {
  let world: PlainWorld;
  before(async () => {
    world = await startPlainWorld({ poll: 1 });
  });
  after(() => world.stop());

  test('a push whose hook was lost is found by polling, and the ledger says so', async () => {
    const clone = await world.clone('ada');
    await world.polls(1);
    const sha = await clone.commit({ 'ci/run': 'echo found' });
    await clone.push();
    assert.equal((await world.run(sha)).verdict, 'passed');
    const told = (await world.facts('refs/heads/main')).find(({ kind }) => kind === 'branch.hinted');
    assert.ok(told?.pollAt);
    assert.equal(told.hookAt, undefined);
  });

  test('a push that hook and poll tell is tested once, and the ledger has both', async () => {
    await world.installHook();
    const clone = await world.clone('both');
    const sha = await clone.commit({ 'ci/run': 'echo both' });
    await clone.push();
    assert.equal((await world.run(sha)).verdict, 'passed');
    await until(async () => {
      const told = (await world.facts('refs/heads/main')).filter(({ kind }) => kind === 'branch.hinted');
      return Boolean(told[0]?.hookAt && told[0].pollAt);
    });
    await world.polls();
    assert.equal((await world.runs(sha)).length, 1);
  });

  test('a branch that is deleted behind our back ends its run', async () => {
    const clone = await world.clone('behind');
    const sha = await clone.commit({ 'ci/run': 'sleep 30' });
    await clone.push('origin', 'HEAD:refs/heads/short');
    await world.run(sha, 'building');
    await world.repository.deleteRef('refs/heads/short');
    assert.equal((await world.run(sha)).verdict, 'cancelled');
  });

  test('a push while the bot is down says so, succeeds, and is tested when it is back', async () => {
    await world.rcb.stop(500);
    const clone = await world.clone('down');
    const sha = await clone.commit({ 'ci/run': 'echo late' });
    assert.match(await clone.push(), /remote: RCB: it does not answer at .*nobody listens there.*polling/);
    await world.startBot();
    assert.equal((await world.run(sha)).verdict, 'passed');
  });

  test('ticks are few, in no ledger, and polls leave no rows', async () => {
    await world.polls(3);
    const { prisma } = world.database.database;
    assert.ok((await prisma.event.count({ where: { kind: 'tick' } })) <= 8);
    const { facts } = await world.json<{ facts: { key: string }[] }>('/api/ledger?limit=200');
    assert.deepEqual(
      facts.filter(({ key }) => key.startsWith('tick:')),
      [],
    );
    assert.ok((await prisma.effect.count({ where: { kind: 'poll.repository' } })) <= 1);
  });

  test('a repository that goes is said to be gone, and watched again when it is back', async () => {
    const { prisma } = world.database.database;
    const { path } = world.repository;
    await rename(path, `${path}.away`);
    await until(async () => (await prisma.repository.findFirstOrThrow()).state === 'removed');
    await rename(`${path}.away`, path);
    await until(async () => (await prisma.repository.findFirstOrThrow()).state === 'watched');
  });
});

test('at the first look only the default branch is tested; the others are, when they move or are pushed', async () => {
  const world = await startPlainWorld({ poll: 1, isDown: true });
  try {
    const ci = { 'ci/run': { executable: '#!/bin/sh\n' } };
    const main = await world.repository.commit(ci);
    const old: string[] = [];
    for (const name of ['a', 'b/c', 'd']) {
      old.push(await world.repository.commit({ ...ci, name }, { ref: `refs/heads/${name}` }));
    }
    await world.startBot();
    assert.equal((await world.run(main)).verdict, 'passed');
    await world.polls();
    for (const sha of old) assert.deepEqual(await world.runs(sha), []);
    const moved = await world.repository.commit({ ...ci, name: 'moved' }, { ref: 'refs/heads/a' });
    assert.equal((await world.run(moved)).verdict, 'passed');
    const { prisma } = world.database.database;
    assert.equal(await prisma.branch.count(), 4);
    assert.equal(await prisma.run.count(), 2);

    const said: string[] = [];
    await postReceive({
      input: Readable.from([`${'0'.repeat(40)} ${old[2]} refs/heads/d\n`]),
      directory: world.repository.path,
      url: world.rcb.publicUrl,
      secretFile: join(world.env['RCB_DATA_DIR']!, 'git-hook-secret'),
      say: (line) => void said.push(line),
    });
    assert.match(said.join(), /the push is tested/);
    assert.equal((await world.run(old[2]!)).verdict, 'passed');
  } finally {
    await world.stop();
  }
});

test('plain repositories and a GitHub App are served by one bot', async () => {
  const repository = await createGitRepository();
  const world = await startWorld({ yaml: `git: [ ${JSON.stringify(repository.path)} ]\npoll: { git: 1 }` });
  try {
    const plain = await repository.commit({ 'ci/run': { executable: '#!/bin/sh\n' } });
    assert.equal((await world.run(plain)).verdict, 'passed');
    const sha = await world.github.commit(REPO, 'main', { files: { a: '1' } });
    assert.equal((await world.check(sha, 'rcb')).conclusion, 'success');
    assert.equal((await fetch(`${world.rcb.publicUrl}/hooks/git`, { method: 'POST', body: '{}' })).status, 401);
  } finally {
    await world.stop();
    await repository.remove();
  }
});
