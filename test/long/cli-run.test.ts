import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Clone, root, runProgram } from '../support/plain-world.ts';
import { until } from '../support/until.ts';

const cli = join(root, 'src', 'cli.ts');

/** A repository with a working tree, and a directory in which the command makes its temporary ones. */
async function repository(t: TestContext, scripts: Record<string, string>) {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-cli-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const [tmp, path] = [join(dir, 'tmp'), join(dir, 'project')];
  await mkdir(tmp);
  await mkdir(path);
  const clone = new Clone(path);
  await clone.git('init', '-q', '--initial-branch=main');
  const sha = await clone.commit(scripts);
  const env = { TMPDIR: tmp, HOME: '/nonexistent' };
  const run = (...args: string[]) => runProgram(process.execPath, [cli, 'run', ...args], { cwd: path, env });
  return { dir, tmp, path, clone, sha, env, run };
}

test('a commit that passes: its output as it is, the verdict beside it, nothing left', {
  timeout: 60_000,
}, async (t) => {
  const { run, tmp, sha } = await repository(t, {
    'ci/run': "printf '\\033[1mraw\\033[0m\\n'; echo no newline at end | tr -d '\\n'",
  });
  const { code, stdout, stderr } = await run();
  assert.equal(stdout, '\x1b[1mraw\x1b[0m\nno newline at end');
  assert.match(stderr, new RegExp(`^rcb: project ${sha.slice(0, 10)} passed in \\d+\\.\\d s\n$`));
  assert.equal(code, 0);
  assert.deepEqual(await readdir(tmp), []);
});

test('a commit that fails ends with 1 and says why', { timeout: 60_000 }, async (t) => {
  const { run } = await repository(t, { '.ci': 'echo before; exit 5' });
  const { code, stdout, stderr } = await run('.');
  assert.equal(stdout, 'before\n');
  assert.match(stderr, /failed: .ci failed \(exit status 5\)/);
  assert.equal(code, 1);
});

test('what cannot be tested ends with 2', { timeout: 60_000 }, async (t) => {
  const { run, dir } = await repository(t, { readme: 'nothing to run' });
  const nothing = await run();
  assert.deepEqual([nothing.code, nothing.stdout], [2, '']);
  assert.match(nothing.stderr, /nothing to run/);
  const unknown = await run('--ref', 'nope');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no commit nope/);
  const elsewhere = await run(join(dir, 'tmp'));
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.stderr, /no git repository/);
  const option = await run('--ref', '--output=/tmp/x');
  assert.equal(option.code, 2);
});

test('the commit is tested and not the working tree, which is said', { timeout: 60_000 }, async (t) => {
  const { run, path, clone, sha } = await repository(t, { 'ci/run': 'echo committed' });
  await writeFile(join(path, 'ci/run'), '#!/bin/sh\necho changed\n');
  const dirty = await run();
  assert.equal(dirty.stdout, 'committed\n');
  assert.match(dirty.stderr, /what is committed is tested/);
  await clone.commit({ 'ci/run': 'echo newer' });
  assert.equal((await run('--ref', sha)).stdout, 'committed\n');
  assert.equal((await run('--command', 'echo "$RCB_SHA" "$CI"')).stdout.split(' ')[1], 'true\n');
});

test('a shallow clone and a bare repository will do', { timeout: 60_000 }, async (t) => {
  const { dir, clone, path, env } = await repository(t, { 'ci/run': 'echo shallow' });
  await clone.commit({}, 'more history');
  await clone.git('clone', '-q', '--depth', '1', `file://${path}`, join(dir, 'shallow'));
  await clone.git('clone', '-q', '--bare', path, join(dir, 'bare.git'));
  for (const each of ['shallow', 'bare.git']) {
    const { stdout, code } = await runProgram(process.execPath, [cli, 'run', join(dir, each)], { cwd: dir, env });
    assert.deepEqual([stdout, code], ['shallow\n', 0]);
  }
});

test('the settings of a local backend in rcb.yaml count', { timeout: 60_000 }, async (t) => {
  const { run, path } = await repository(t, { 'ci/run': 'echo not this' });
  await writeFile(join(path, 'rcb.yaml'), 'backends: [{ name: x, kind: local, command: "echo from rcb.yaml" }]\n');
  assert.equal((await run()).stdout, 'from rcb.yaml\n');
  await writeFile(join(path, 'rcb.yaml'), 'backends: 7\n');
  const wrong = await run();
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /rcb\.yaml/);
});

test('Ctrl-C ends the test, and leaves no file', { timeout: 60_000 }, async (t) => {
  const { tmp, path, env } = await repository(t, { 'ci/run': 'echo $$; exec sleep 60' });
  const child = spawn(process.execPath, [cli, 'run'], { cwd: path, env: { ...env, PATH: process.env['PATH'] ?? '' } });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await until(() => /^\d+\n/.test(output), 30_000);
  child.kill('SIGINT');
  assert.equal(await ended, 130);
  assert.deepEqual(await readdir(tmp), []);
});
