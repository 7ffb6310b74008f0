import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { startDemo } from '../demo/demo.ts';
import { choosePorts } from '../demo/ports.ts';
import { until } from '../support/until.ts';
import type { RunJson } from '../support/world.ts';

/** `npm run demo` as a newcomer meets it: a process, its words, and what it leaves behind. */

const PROGRAM = join(import.meta.dirname, '..', 'demo', 'demo.ts');
/** What a real bot on the same machine may have set: none of it is the demo's business. */
const FOREIGN = {
  APP_ID: 'junk',
  GHE_HOST: 'github.invalid',
  DATABASE_URL: 'postgresql://db.invalid/rcb',
  HTTP_PROXY: '',
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`the demo says where everything is, and ${signal} leaves nothing of it`, { timeout: 240_000 }, async (t) => {
    const demo = startProcess();
    t.after(() => demo.child.kill('SIGKILL'));
    // Its words come one by one; these are the last of them.
    await until(() => /The bot's log +\/\S+\n/.test(demo.output()) || demo.hasEnded(), 60_000);
    const site = demo.find(/site +(http\S+)/);
    const play = demo.find(/Play page +(http\S+)/);
    const directory = dirname(dirname(demo.find(/log +(\/\S+)/)));
    assert.ok(existsSync(directory));

    const body = new URLSearchParams({ title: 'Runs at the end', kind: 'slow' });
    assert.equal((await fetch(new URL('/open', play), { method: 'POST', body })).status, 200);
    await until(async () => (await runningJobs(site)) > 0, 60_000);
    assert.ok(processesOf(directory).length >= 2, 'the build and its supervisor run');
    // As npm and a terminal do: the same signal twice.
    demo.child.kill(signal);
    demo.child.kill(signal);
    await until(() => demo.hasEnded(), 60_000);
    assert.equal(demo.child.exitCode, 0, demo.output());
    assert.match(demo.output(), /Everything has stopped/);
    assert.deepEqual(processesOf(directory), []);
    assert.equal(existsSync(directory), false);
  });
}

test('a port that is taken is said, and another one is found', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const chosen = await choosePorts({ site: port, github: 0, play: 0 });
  assert.deepEqual(chosen.notes, [`Port ${port} is taken, so RCB's site listens on ${chosen.site}.`]);
  assert.equal(new Set([port, chosen.site, chosen.github, chosen.play]).size, 4);
});

test('a data directory in use is refused in words, and left as it was', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'rcb-demo-test-'));
  t.after(() => rm(dataDir, { recursive: true }));
  await writeFile(join(dataDir, 'precious'), '');
  await assert.rejects(startDemo({ dataDir }), /which is not empty/);
  assert.deepEqual(readdirSync(dataDir), ['precious']);
});

function startProcess() {
  const env = { PATH: process.env['PATH'], PORT: '0', ...FOREIGN };
  const child: ChildProcess = spawn(process.execPath, [PROGRAM], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return {
    child,
    output: () => output,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    find(pattern: RegExp): string {
      const found = pattern.exec(output)?.[1];
      assert.ok(found, `the demo did not say ${pattern}:\n${output}`);
      return found;
    },
  };
}

async function runningJobs(site: string): Promise<number> {
  const { runs } = (await (await fetch(`${site}/api/runs`)).json()) as { runs: RunJson[] };
  return runs.filter((run) => run.builds[0]?.jobs[0]?.state === 'running').length;
}

/** Whose arguments or environment name the directory. */
function processesOf(directory: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => ['cmdline', 'environ'].some((file) => readProc(pid, file).includes(directory)));
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(join('/proc', pid, file), 'utf8');
  } catch {
    return ''; // It ended meanwhile.
  }
}
