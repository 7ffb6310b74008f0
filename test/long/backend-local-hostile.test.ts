import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { BackendError, type BuildOrder } from '../../src/backends/backend.ts';
import { isolate, scratchRootOf } from '../../src/backends/local/isolation.ts';
import type { Isolation } from '../../src/backends/local/job.ts';
import type { LocalBackend, LocalOptions } from '../../src/backends/local/local.ts';
import { hasProcessesOf, identify, processesOf } from '../../src/backends/local/processes.ts';
import { Bench, shellOf } from '../adapters/backend-local-bench.ts';
import { backendContract, never, until } from '../contracts/backend.ts';

/**
 * Builds that mean harm, or do it by mistake, under every isolation. Each attack carries its own cap (a count, a size, a
 * `timeout`): a guard that fails must cost a test, not the machine.
 *
 * A plain process group does not stop a daemon that leaves the session and clears its environment (where there are no
 * control groups), nor a build from reading what the bot may read, from reaching its port, or from leaving files in /tmp.
 * That is why nobody from outside is tested there; those attacks are not run under it.
 */

const limits = { memoryBytes: 96 * 2 ** 20, processes: 60, diskBytes: 24 * 2 ** 20 };
/** For attacks on other limits. */
const roomy = { ...limits, diskBytes: 4 * 2 ** 30, memoryBytes: 2 ** 30 };
const fullLine = process.env['RCB_HOSTILE_FULL'] === '1';

/** Undefined: it works. In CI it has to. */
async function whyNot(sandbox: Isolation): Promise<string | undefined> {
  return await isolate({ sandbox, network: 'on', hidden: [] }).then(
    ({ untrusted }) => (untrusted ? undefined : 'it cannot cut off the network'),
    (error: Error) => error.message,
  );
}

interface Under {
  isolation: Isolation;
  bench: Bench;
  open(more?: Partial<LocalOptions>): Promise<LocalBackend>;
  order(script: string): Promise<BuildOrder>;
}

interface Expected {
  verdict: string;
  why: RegExp | undefined;
}

for (const isolation of ['bubblewrap', 'user', 'plain'] as const) {
  const missing = isolation === 'plain' ? undefined : await whyNot(isolation);
  const inCi = process.env['CI'] !== undefined;
  const sentence = `${isolation} has to work where the tests run (as root, with Debian's bubblewrap): ${missing}`;
  if (missing !== undefined && inCi) test(`hostile builds under ${isolation}`, () => assert.fail(sentence));
  else if (missing !== undefined) test(`hostile builds under ${isolation}`, { skip: sentence }, () => {});
  else attack(isolation);
}

function attack(isolation: Isolation): void {
  const untrusted = isolation !== 'plain';
  const story = (title: string, tell: (under: Under) => Promise<void>) =>
    test(title, { timeout: 40_000 }, async () => {
      const bench = await Bench.make();
      const open = (more: Partial<LocalOptions> = {}) => bench.open({ sandbox: isolation, limits, ...more });
      const order = (script: string) => bench.orderOf(`#!/bin/sh\n${script}`, { untrusted });
      try {
        await tell({ isolation, bench, open, order });
      } finally {
        await bench.close();
      }
    });

  /** Let it loose; then: that verdict, nothing left, and the next build as if nothing had been. */
  const survives = (title: string, script: string, expected: Expected, more: Partial<LocalOptions> = {}) =>
    story(title, async ({ bench, open, order }) => {
      const backend = await open({ timeoutS: 15, ...more });
      const { job, log, externalId } = await bench.run(backend, await order(script));
      assert.equal(job.verdict, expected.verdict, `${job.why}\n${log.slice(-2000)}`);
      if (expected.why) assert.match(job.why ?? '', expected.why);
      await leavesNothing(bench, backend, externalId);
      const next = await bench.run(backend, await order('echo fine'));
      assert.deepEqual([next.job.verdict, next.log], ['passed', 'fine\n']);
    });

  if (untrusted) {
    backendContract(`local under ${isolation}`, async () => {
      const bench = await Bench.make();
      const options = { sandbox: isolation, artifacts: { globs: ['out/**'], maxFiles: 10, maxBytes: 1 << 20 } };
      return {
        backend: await bench.open(options),
        orderThat: (script) => bench.orderOf(shellOf(script), { untrusted }),
        restart: () => bench.open(options),
        unknownId: 'local-00000000000000000000',
        close: () => bench.close(),
      };
    });
  }

  describe(`hostile builds under ${isolation}`, { concurrency: 3 }, () => {
    // 400 forks at most; each child ends by itself.
    const bomb = `exec timeout 12 perl -e 'for (1..400) { my $p = fork; if (defined $p && !$p) { sleep 6; exit }
      defined $p or select undef, undef, undef, 0.02 } sleep 3; exit 1'`;
    survives('a fork bomb', bomb, { verdict: 'error', why: /^killed: its limit of 60 processes was reached$/ });

    const daemon = `setsid sh -c 'trap "" HUP TERM; exec timeout 30 sleep 29' & env -i timeout 30 sleep 29 &`;
    survives('daemons that outlive their parent', `${daemon} exit 0`, { verdict: 'passed', why: undefined });

    if (untrusted) {
      const both =
        'setsid env -i sh -c "setsid timeout 30 sleep 29 & setsid timeout 30 sleep 29" >/dev/null 2>&1 & exit 0';
      survives('a daemon with a new session and no environment', both, { verdict: 'passed', why: undefined });
    }

    const tooMuchOutput = { verdict: 'error', why: /^printed more than 4 MiB, the log was cut there$/ };
    survives('endless output', 'timeout 10 yes', tooMuchOutput, { outputLimitBytes: 4 << 20, limits: roomy });
    const bytes = fullLine ? '2G' : '64M';
    const oneLine = `timeout 12 head -c ${bytes} /dev/zero | tr '\\0' x; sleep 5`;
    survives('a huge output in one line', oneLine, tooMuchOutput, { outputLimitBytes: 4 << 20, limits: roomy });

    const silent = { verdict: 'error', why: /^silent for 0.5 s$/ };
    survives('silence', 'exec timeout 30 sleep 29', silent, { silenceS: 0.5 });

    const hog = `exec timeout 10 perl -e 'my @a; for (1..40) { push @a, "x" x (10 << 20); select undef, undef, undef, 0.02 } sleep 5'`;
    survives('a memory hog', hog, { verdict: 'error', why: /^killed: used more than 96 MiB of memory$/ });
    const hogs = `for i in 1 2 3 4; do timeout 10 perl -e 'my $a = "x" x (40 << 20); sleep 8' & done; wait`;
    survives('several that hog it together', hogs, { verdict: 'error', why: /used more than 96 MiB of memory$/ });

    const tooMuchDisk = { verdict: 'error', why: /^killed: used more than 24 MiB of disk$/ };
    const filler = 'i=0; while [ $i -lt 30 ]; do head -c 10M /dev/zero >big$i || exit 1; i=$((i+1)); sleep 0.1; done';
    survives('a disk filler', filler, tooMuchDisk);
    if (untrusted) survives('one file that fills the disk', 'head -c 300M /dev/zero >big', tooMuchDisk);
    const unlinked =
      'exec 3>gone; rm gone; timeout 5 head -c 20M /dev/zero >&3; exec 4>also; rm also; timeout 5 head -c 20M /dev/zero >&4; timeout 9 sleep 8';
    survives('a disk filler without a name', unlinked, tooMuchDisk);

    const stubborn = `trap '' TERM INT HUP; (trap '' TERM; timeout 20 sh -c 'while :; do sleep 0.1; done') & while :; do sleep 0.1; echo on; done`;
    survives(
      'a process that ignores SIGTERM',
      stubborn,
      { verdict: 'error', why: /^took longer than 1 s$/ },
      { timeoutS: 1 },
    );

    story('a missing interpreter', async ({ bench, open }) => {
      const backend = await open();
      const order = await bench.orderOf('#!/no/such/raku\n', { untrusted });
      const { job } = await bench.run(backend, order);
      assert.deepEqual([job.verdict], ['failed']);
      assert.match(job.why ?? '', /^could not be started: .*\/no\/such\/raku/);
    });

    story('binary, malformed UTF-8 and ANSI output arrives as it is', async ({ bench, open, order }) => {
      const backend = await open();
      const printed = String.raw`\000\377\376\303\050\355\240\200\033[2J\033]0;owned\007\033[31mred\r\n`;
      const { job, externalId } = await bench.run(backend, await order(`printf '${printed}'; exit 0`));
      assert.equal(job.verdict, 'passed');
      const log = readFileSync(join(bench.dir, 'builds', externalId, 'log'));
      assert.equal(log.toString('latin1'), '\0\xff\xfe\xc3(\xed\xa0\x80\x1b[2J\x1b]0;owned\x07\x1b[31mred\r\n');
    });

    story('a tree deeper than a path can name is removed', async ({ bench, open, order }) => {
      const backend = await open();
      const perl = `perl -e 'for (1..120) { mkdir "d" x 40; chdir "d" x 40 or die } open F, ">f" or die'`;
      const { job, log, externalId } = await bench.run(backend, await order(perl));
      assert.equal(job.verdict, 'passed', log);
      await leavesNothing(bench, backend, externalId);
    });

    story('artifacts do not lead out of the tree, nor does the source', async ({ bench, open }) => {
      const outside = join(bench.root, 'outside');
      await mkdir(outside);
      await writeFile(join(outside, 'secret.txt'), 'very-secret');
      const backend = await open({ artifacts: { globs: ['**/*.txt'], maxFiles: 10, maxBytes: 1000 } });
      const entries = [
        {
          name: 'm/ci/run',
          mode: 0o755,
          body: `#!/bin/sh\nmkdir made; ln -s ${outside}/secret.txt made/a.txt; ln -s ${outside} dir; echo ok >made/b.txt`,
        },
        { name: 'm/out', type: 'symlink' as const, linkname: outside },
        { name: 'm/s.txt', type: 'symlink' as const, linkname: join(outside, 'secret.txt') },
      ];
      const { externalId, job, log } = await bench.run(backend, await bench.order(entries, { untrusted }));
      assert.equal(job.verdict, 'passed', log);
      assert.deepEqual(
        (await backend.listArtifacts(externalId, job, never)).map(({ name }) => name),
        ['made/b.txt'],
      );
      assert.equal(await text(await backend.readArtifact(externalId, job, 'made/b.txt', never)), 'ok\n');
      for (const name of ['made/a.txt', 'out/secret.txt', 's.txt', 'dir/secret.txt']) {
        await assert.rejects(backend.readArtifact(externalId, job, name, never), BackendError, name);
      }
      await leavesNothing(bench, backend, externalId);
      assert.equal(readFileSync(join(outside, 'secret.txt'), 'utf8'), 'very-secret');
    });

    if (!untrusted) {
      story('changes from outside are refused', async ({ bench, open }) => {
        const backend = await open();
        const order = await bench.orderOf('exit 0', { untrusted: true });
        await assert.rejects(backend.ensureStarted(order, never), /trusted repositories only.*comes from outside/);
      });
      return;
    }

    story("the bot's secrets, data and port are out of reach", async ({ bench, open, order }) => {
      const bot = await startBotServer();
      try {
        const secret = join(bench.root, 'archive', 'secret.txt');
        await writeFile(secret, 'very-secret', { mode: 0o644 });
        await chmod(bench.root, 0o700);
        const backend = await open({ environment: { OPERATOR_TOKEN: 'very-secret' } });
        const { job, log, externalId } = await bench.run(backend, await order(probing(secret, bot.port)));
        assert.equal(job.verdict, 'passed', log);
        assert.doesNotMatch(log, /very-secret|REACHED|READ /);
        assert.match(log, /^probed$/m);
        assert.equal(bot.requests(), 0);
        await leavesNothing(bench, backend, externalId);
      } finally {
        bot.close();
      }
    });

    story('a trusted build has the network when it is on, and not when it is off', async ({ bench, open }) => {
      const bot = await startBotServer();
      try {
        for (const network of ['on', 'off'] as const) {
          const backend = await open({ network });
          const { log } = await bench.run(backend, await bench.orderOf(`#!/bin/sh\n${reach(bot.port)}`));
          assert.equal(/REACHED/.test(log), network === 'on', `${network}: ${log}`);
        }
      } finally {
        bot.close();
      }
    });

    story('what it leaves in shared places is gone', async ({ bench, open, order }) => {
      const backend = await open();
      const name = `rcb-hostile-${process.pid}-${isolation}`;
      const places = ['/tmp', '/var/tmp', '/dev/shm'].map(
        (place) => `mkdir ${place}/${name} && echo x >${place}/${name}/f`,
      );
      const { job, log, externalId } = await bench.run(backend, await order(`${places.join('; ')}; echo left`));
      assert.equal(job.verdict, 'passed', log);
      await leavesNothing(bench, backend, externalId);
      for (const place of ['/tmp', '/var/tmp', '/dev/shm']) assert.ok(!existsSync(join(place, name)), place);
    });

    story('a killed supervisor takes its build with it', async ({ bench, open, order }) => {
      const backend = await open();
      const both = 'setsid env -i sh -c "timeout 30 sleep 29" >/dev/null 2>&1 & timeout 30 sleep 29';
      const { externalId } = await backend.ensureStarted(await order(both), never);
      await until('it runs', () => existsSync(join(bench.dir, 'builds', externalId, 'command.json')));
      process.kill(bench.pidOf(externalId, 'supervisor.json'), 'SIGKILL');
      await until('it is lost', async () => (await backend.observe(externalId, { waitMs: 0 }, never)).state === 'lost');
      await leavesNothing(bench, backend, externalId);
    });
  });
}

/** Everything a build could look for secrets in. `READ` and `REACHED` must not be printed. */
function probing(secret: string, port: number): string {
  return `env; for p in 1 $PPID $(ls /proc | grep '^[0-9]'); do
      [ "$p" = $$ ] || tr '\\0' '\\n' </proc/$p/environ 2>/dev/null; cat /proc/$p/root${secret} 2>/dev/null
    done
    cat ${secret} && echo READ it; ls ${join(secret, '..')} && echo READ list
    cat /proc/*/cwd/order.json /proc/*/cwd/../order.json 2>/dev/null && echo READ order
    cat /etc/shadow && echo READ shadow; ls /root && echo READ root
    touch /usr/rcb-hostile /etc/rcb-hostile && echo READ written
    ${reach(port)}
    echo probed; exit 0`;
}

function reach(port: number): string {
  return `timeout 5 perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:${port}", Timeout => 3) or exit 1; print $s "GET / HTTP/1.0\\r\\n\\r\\n"; print <$s>; print "REACHED\\n"'`;
}

async function startBotServer() {
  let requests = 0;
  const server: Server = createServer((_request, response) => {
    requests++;
    response.end('very-secret');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, requests: () => requests, close: () => server.close() };
}

/** No process by its mark, its user or its group, and no file once it is released. */
async function leavesNothing(bench: Bench, backend: LocalBackend, externalId: string): Promise<void> {
  const file = join(bench.dir, 'builds', externalId, 'supervisor.json');
  const { uid, cgroups, pid } = JSON.parse(readFileSync(file, 'utf8'));
  await until('its supervisor is gone', () => identify(pid) === undefined);
  const isLost = (await backend.observe(externalId, { waitMs: 0 }, never)).state === 'lost';
  if (isLost) await backend.release(externalId); // Ends what is left first.
  assert.deepEqual(processesOf({ environmentEntry: bench.markOf(externalId) }), []);
  if (uid !== undefined) assert.equal(hasProcessesOf(uid), false, `processes of ${uid}`);
  await backend.release(externalId);
  assert.deepEqual(
    (cgroups as string[]).filter((directory) => existsSync(directory)),
    [],
  );
  assert.deepEqual(await readdir(join(bench.dir, 'builds')), []);
  assert.deepEqual(await readdir(join(bench.dir, 'trash')), []);
  assert.deepEqual(listed(scratchRootOf(bench.dir)), []);
}

function listed(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
