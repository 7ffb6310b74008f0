import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { BackendError } from '../../src/backends/backend.ts';
import { openLocalBackend } from '../../src/backends/local/local.ts';
import { identify, processesOf } from '../../src/backends/local/processes.ts';
import { Bench, type Entry, eventOf, shellOf, tarball } from '../adapters/backend-local-bench.ts';
import {
  backendContract,
  jobsAtEnd,
  jobsOf,
  logOf,
  never,
  observeEnd,
  observeUntil,
  until,
} from '../contracts/backend.ts';

/** What a process has open whose name begins so. */
function openFilesOf(pid: number, prefix: string): string[] {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  return links.filter((link) => link.startsWith(prefix));
}

function isGone(pid: number): boolean {
  return identify(pid) === undefined;
}

backendContract('local', async () => {
  const bench = await Bench.make();
  const artifacts = { globs: ['out/**'], maxFiles: 10, maxBytes: 1 << 20 };
  return {
    backend: await bench.open({ artifacts }),
    orderThat: (script) => bench.orderOf(shellOf(script)),
    restart: () => bench.open({ artifacts }),
    unknownId: 'local-00000000000000000000',
    close: () => bench.close(),
  };
});

describe('the local backend', { concurrency: 3 }, () => {
  const story = (title: string, tell: (bench: Bench) => Promise<void>) =>
    test(title, { timeout: 40_000 }, async () => {
      const bench = await Bench.make();
      try {
        await tell(bench);
      } finally {
        await bench.close();
      }
    });

  story('an archive that does not answer keeps no slot once the build is cancelled', async (bench) => {
    const backend = await bench.open({ archive: { get: () => new Promise(() => {}) }, command: 'ci/run' });
    const { externalId } = await backend.ensureStarted(await bench.orderOf('exit 0'), never);
    await until('it is being unpacked', async () => (await backend.health()).note.includes('1 in use'));
    await backend.ensureCancelled(externalId, never);
    assert.equal((await jobsAtEnd(backend, externalId))[0]?.verdict, 'cancelled');
    assert.match((await backend.health()).note, /0 in use/);
  });

  story('a failed job tells its exit status, and the signal it died of', async (bench) => {
    const backend = await bench.open();
    assert.equal((await bench.run(backend, await bench.orderOf('exit 7'))).job.why, 'exit status 7');
    const { job } = await bench.run(backend, await bench.orderOf('#!/bin/sh\nkill -SEGV $$'));
    assert.deepEqual([job.verdict, job.why, job.name], ['failed', 'killed by SIGSEGV', 'ci/run']);
  });

  story('silence ends a build as timed out', async (bench) => {
    const backend = await bench.open({ silenceS: 0.3 });
    const { job, log } = await bench.run(backend, await bench.orderOf('echo then nothing; sleep 60'));
    assert.deepEqual([job.verdict, job.timedOut, job.why], ['error', true, 'silent for 0.3 s']);
    assert.equal(log, 'then nothing\n');
  });

  story('a build that prints for too long is ended, though it ignores SIGTERM', async (bench) => {
    const backend = await bench.open({ timeoutS: 0.5 });
    const order = await bench.orderOf(`trap '' TERM\nwhile :; do echo on; sleep 0.05; done`);
    const { job, externalId } = await bench.run(backend, order);
    assert.deepEqual([job.verdict, job.timedOut, job.why], ['error', true, 'took longer than 0.5 s']);
    assert.deepEqual(processesOf({ environmentEntry: bench.markOf(externalId) }), []);
  });

  story('a build gets SIGTERM first, and time to tidy up', async (bench) => {
    const backend = await bench.open({ silenceS: 0.3, killGraceMs: 10_000 });
    const order = await bench.orderOf(`trap 'echo tidied; exit 1' TERM\nwhile :; do sleep 0.05; done`);
    assert.match((await bench.run(backend, order)).log, /^tidied$/m);
  });

  story('output is cut at the limit, and its flood ends the build', async (bench) => {
    const backend = await bench.open({ outputLimitBytes: 64 * 1024 });
    const { job, log } = await bench.run(backend, await bench.orderOf('yes | head -c 200M; sleep 60'));
    assert.deepEqual([job.verdict, job.timedOut], ['error', undefined]);
    assert.match(job.why ?? '', /printed more than 64 KiB/);
    assert.equal(log.length, 64 * 1024);
    const short = await bench.run(backend, await bench.orderOf('yes | head -c 100000'));
    assert.equal(short.job.verdict, 'error', 'too much, though it ended before anybody looked');
  });

  story('nothing outlives a build: not in the background, not as a daemon that holds its output', async (bench) => {
    const backend = await bench.open();
    const order = await bench.orderOf(`sleep 61 & echo $!; setsid sleep 62 & echo $!; exit 0`);
    const { job, log, externalId } = await bench.run(backend, order);
    assert.equal(job.verdict, 'passed');
    assert.equal(log.trim().split('\n').length, 2);
    assert.ok(log.trim().split('\n').map(Number).every(isGone));
    assert.deepEqual(processesOf({ environmentEntry: bench.markOf(externalId) }), []);
    const disguised = await bench.run(backend, await bench.orderOf('env -i sleep 63 & echo $!'));
    assert.ok(isGone(Number(disguised.log)), 'known by its session, without the environment');
    await until('the supervisor is gone', () => isGone(bench.pidOf(externalId, 'supervisor.json')));
  });

  story('one slot takes three builds one by one, in the order they came', async (bench) => {
    const backend = await bench.open({ slots: 1 });
    const trace = join(bench.root, 'trace');
    const orders = await Promise.all(
      ['a', 'b', 'c'].map((name) => bench.orderOf(`echo +${name} >>${trace}; sleep 0.2; echo -${name} >>${trace}`)),
    );
    const ids: string[] = [];
    for (const order of orders) ids.push((await backend.ensureStarted(order, never)).externalId);
    assert.equal((await backend.observe(ids[2]!, { waitMs: 0 }, never)).state, 'queued');
    for (const id of ids) await jobsAtEnd(backend, id);
    assert.equal(readFileSync(trace, 'utf8'), '+a\n-a\n+b\n-b\n+c\n-c\n');
  });

  story('a queued build can be cancelled, and never runs', async (bench) => {
    const backend = await bench.open({ slots: 1, command: 'ci/run' });
    const first = await backend.ensureStarted(await bench.orderOf('sleep 60'), never);
    const trace = join(bench.root, 'trace');
    const second = await backend.ensureStarted(await bench.orderOf(`touch ${trace}`), never);
    await observeUntil(backend, first.externalId, (seen) => seen.state === 'running');
    assert.match((await backend.health()).note, /^1 slots, 1 in use, 1 waiting; plain process group/);
    await backend.ensureCancelled(second.externalId, never);
    const [job] = await jobsAtEnd(backend, second.externalId);
    assert.deepEqual([job?.name, job?.verdict, existsSync(trace)], ['ci/run', 'cancelled', false]);
  });

  story('a build survives kill -9 of the bot; so does its place in the queue', async (bench) => {
    const go = join(bench.root, 'go');
    const waits = await bench.orderOf(`echo begun; while [ ! -e ${go} ]; do sleep 0.05; done; echo done`);
    const next = await bench.orderOf('echo next');
    const bot = await bench.startBot([waits, next], { slots: 1 });
    const before = await bench.open({ slots: 0 });
    const { externalId } = await before.ensureStarted(waits, never);
    await observeUntil(before, externalId, (seen) => seen.state === 'running');
    const supervisor = bench.pidOf(externalId, 'supervisor.json');
    assert.doesNotMatch(readFileSync(`/proc/${supervisor}/environ`, 'utf8'), /very-secret/);
    assert.deepEqual(openFilesOf(supervisor, 'socket:'), []);
    const dead = eventOf(bot, 'exit');
    process.kill(-bot.pid!, 'SIGKILL'); // Its whole group, as a terminal's Ctrl-C would.
    await dead;

    const backend = await bench.open({ slots: 1 });
    const queued = await backend.ensureStarted(next, never);
    assert.equal((await backend.observe(queued.externalId, { waitMs: 0 }, never)).state, 'queued');
    assert.equal((await backend.observe(externalId, { waitMs: 0 }, never)).state, 'running');
    await writeFile(go, '');
    const [job] = await jobsAtEnd(backend, externalId);
    assert.equal(job?.verdict, 'passed');
    assert.equal(await logOf(backend, externalId, job), 'begun\ndone\n');
    assert.equal((await jobsAtEnd(backend, queued.externalId))[0]?.verdict, 'passed');
  });

  story('a bot that dies while it unpacks is replaced', async (bench) => {
    const order = await bench.orderOf('echo once');
    const backend = await bench.open({ slots: 0 });
    const { externalId } = await backend.ensureStarted(order, never);
    const claim = { pid: 1, startTime: 'long ago', bootId: 'of another boot' };
    await writeFile(join(bench.dir, 'builds', externalId, 'claim-1.json'), JSON.stringify(claim));
    const next = await bench.open({ slots: 1 });
    const [job] = await jobsAtEnd(next, externalId);
    assert.equal(await logOf(next, externalId, job!), 'once\n');
  });

  story('two bots on one directory start a build once', async (bench) => {
    const backends = await Promise.all([bench.open(), bench.open()]);
    const orders = await Promise.all([1, 2, 3].map((n) => bench.orderOf(`echo ${n} >>${bench.root}/trace`)));
    const started = await Promise.all(orders.flatMap((order) => backends.map((b) => b.ensureStarted(order, never))));
    for (const { externalId } of started) await jobsAtEnd(backends[0]!, externalId);
    assert.deepEqual(readFileSync(`${bench.root}/trace`, 'utf8').trim().split('\n').sort(), ['1', '2', '3']);
  });

  story('a build whose supervisor was killed is lost, and its processes are ended', async (bench) => {
    const backend = await bench.open();
    const { externalId } = await backend.ensureStarted(await bench.orderOf('echo $$; sleep 60; true'), never);
    await until('it runs', () => existsSync(join(bench.dir, 'builds', externalId, 'command.json')));
    const [supervisor, command] = [bench.pidOf(externalId, 'supervisor.json'), bench.pidOf(externalId, 'command.json')];
    process.kill(supervisor, 'SIGKILL');
    const seen = await observeEnd(backend, externalId);
    assert.ok(seen.state === 'lost' && seen.why.includes('supervisor died'));
    await backend.release(externalId);
    assert.ok(isGone(command));
    assert.equal((await backend.observe(externalId, { waitMs: 0 }, never)).state, 'lost');
  });

  story('a supervisor that is told to stop ends its build in order, and says so', async (bench) => {
    const backend = await bench.open();
    const { externalId } = await backend.ensureStarted(await bench.orderOf('sleep 60'), never);
    await until('it runs', () => existsSync(join(bench.dir, 'builds', externalId, 'command.json')));
    process.kill(bench.pidOf(externalId, 'supervisor.json'), 'SIGTERM');
    const [job] = await jobsAtEnd(backend, externalId);
    assert.equal(job?.verdict, 'error');
    assert.match(job.why ?? '', /stopped from outside: .* SIGTERM/);
    assert.deepEqual(processesOf({ environmentEntry: bench.markOf(externalId) }), []);
  });

  story('a build sees its own environment, and nothing of the bot', async (bench) => {
    const library = await bench.source('raku/lib-x', [{ name: 'lib-x-2/present.txt', body: 'here' }], false);
    const order = await bench.orderOf('env; cat "$RCB_SOURCE_LIB_X/present.txt"; ls ..');
    const whole = { ...order, sources: [library, ...order.sources] };
    await bench.startBot([whole]);
    const backend = await bench.open({ slots: 0 });
    const { externalId } = await backend.ensureStarted(whole, never);
    const [job] = await jobsAtEnd(backend, externalId);
    const log = await logOf(backend, externalId, job!);
    for (const line of [
      'CI=true',
      'RCB=true',
      'RCB_REPOSITORY=raku/main',
      'RCB_SHA=c0ffee',
      `RCB_RUN=${order.runId}`,
    ]) {
      assert.ok(log.split('\n').includes(line), line);
    }
    assert.match(log, /here/);
    assert.match(log, /lib-x\nmain\n$/);
    assert.doesNotMatch(log, /very-secret/);
    const names = log.split('\n').flatMap((line) => /^([A-Za-z_]\w*)=/.exec(line)?.[1] ?? []);
    const usual = ['PATH', 'LANG', 'TERM', 'SHELL', 'HOME', 'TMPDIR', 'CI', 'PWD', 'OLDPWD', '_', 'SHLVL'];
    assert.deepEqual(
      names.filter((name) => !usual.includes(name) && !name.startsWith('RCB')),
      [],
    );
  });

  story('repositories of one name become owner-name', async (bench) => {
    const other = await bench.source('moar/main', [{ name: 'x/file', body: '' }], false);
    const order = await bench.orderOf('ls ..; echo $RCB_SOURCE_RAKU_MAIN');
    const backend = await bench.open();
    const { log } = await bench.run(backend, { ...order, sources: [...order.sources, other] });
    assert.match(log, /^moar-main\nraku-main\n.*\/raku-main\n$/);
  });

  const outside = { name: 'outside.txt', body: 'overwritten' };
  const malicious: [string, Entry[], RegExp][] = [
    ['climbs out', [{ name: 'top/../../outside.txt', body: 'x' }], /leads out of the archive/],
    ['is absolute', [{ name: '/tmp/outside.txt', body: 'x' }], /not a relative path/],
    [
      'writes through a symbolic link',
      [
        { name: 'top/link', type: 'symlink', linkname: '../../../../..' },
        { name: 'top/link/outside.txt', body: 'x' },
      ],
      /goes through 'link', which is a symlink/,
    ],
    ['links to a file outside', [{ name: 'top/a', type: 'link', linkname: '../../etc/passwd' }], /leads out/],
    ['holds a device', [{ name: 'top/null', type: 'character-device', devmajor: 1, devminor: 3 }], /character-device/],
    ['holds two trees', [{ name: 'one/a' }, { name: 'two/b' }], /no single directory/],
    ['holds a file twice', [{ name: 'top/a' }, { name: 'top/a' }], /twice/],
    ['holds too much', [{ name: 'top/a', body: 'x'.repeat(200_000) }], /unpacks to more than 100000 bytes/],
    ['holds too many', Array.from({ length: 60 }, (_, n) => ({ name: `top/${n}` })), /more than 50 files/],
  ];
  story('an archive that is no plain tree is refused, and nothing is written outside', async (bench) => {
    const backend = await bench.open({ sourceLimits: { maxFiles: 50, maxBytes: 100_000 } });
    for (const [title, entries, why] of malicious) {
      const { externalId } = await backend.ensureStarted(await bench.order(entries), never);
      const seen = await observeEnd(backend, externalId);
      assert.ok(seen.state === 'finished' && seen.jobs.length === 0, title);
      assert.match(seen.why ?? '', why, title);
      assert.match(seen.why ?? '', /source archive of raku\/main at c0ffee could not be unpacked/);
    }
    const everything = await readdir(bench.root, { recursive: true });
    assert.deepEqual(
      everything.filter((name) => name.endsWith(outside.name)),
      [],
    );
  });

  story('an archive with other bytes than ordered is refused; so is one that is no archive', async (bench) => {
    const backend = await bench.open();
    for (const bytes of [
      await tarball([{ name: 'top/ci/run', mode: 0o755, body: 'exit 0' }]),
      Buffer.from('garbage'),
    ]) {
      const order = await bench.orderOf('exit 0');
      await writeFile(join(bench.archiveDir, order.sources[0]!.sha256), bytes);
      const { externalId } = await backend.ensureStarted(order, never);
      const seen = await observeEnd(backend, externalId);
      assert.ok(seen.state === 'finished' && 'verdict' in seen && seen.verdict === 'error', JSON.stringify(seen));
    }
  });

  story('executable bits, links and times are unpacked', async (bench) => {
    const mtime = new Date('2020-02-02T02:02:02Z');
    const order = await bench.order([
      { name: 'm/', type: 'directory' },
      { name: 'm/tool', mode: 0o775, body: 'echo tool', mtime },
      { name: 'm/alias', type: 'symlink', linkname: 'tool' },
      { name: 'm/hard', type: 'link', linkname: 'm/tool' },
      { name: 'm/plain', mode: 0o666, body: 'x' },
    ]);
    const backend = await bench.open({ command: './alias; stat -c %a tool plain; stat -c %Y hard; readlink alias' });
    const { log, job } = await bench.run(backend, order);
    assert.equal(log, `tool\n755\n644\n${mtime.getTime() / 1000}\ntool\n`);
    assert.ok(job.name.length <= 60);
  });

  story('artifacts: files only, never through a link, at most so many and so large', async (bench) => {
    const backend = await bench.open({ artifacts: { globs: ['out/**/*.txt'], maxFiles: 2, maxBytes: 100 } });
    const order = await bench.orderOf(`mkdir out; cd out; echo secret >../x.txt
      ln -s ../x.txt link.txt; ln -s .. linked; mkfifo pipe.txt; echo no >no.log
      head -c 101 /dev/zero >big.txt; echo a >a.txt; : >b.txt; echo c >c.txt`);
    const { externalId, job } = await bench.run(backend, order);
    assert.deepEqual(await backend.listArtifacts(externalId, job, never), [
      { name: 'out/a.txt', size: 2 },
      { name: 'out/b.txt', size: 0 },
    ]);
    assert.equal(await text(await backend.readArtifact(externalId, job, 'out/a.txt', never)), 'a\n');
    assert.equal(await text(await backend.readArtifact(externalId, job, 'out/b.txt', never)), '');
    for (const name of ['out/link.txt', 'out/linked/x.txt', 'out/pipe.txt', 'out/big.txt', 'out/no.log', 'x.txt']) {
      await assert.rejects(backend.readArtifact(externalId, job, name, never), BackendError, name);
    }
  });

  story('nothing to run is a finished build without jobs', async (bench) => {
    const backend = await bench.open();
    const order = await bench.order([{ name: 'm/ci/run', mode: 0o644, body: 'exit 0' }]);
    const seen = await observeEnd(backend, (await backend.ensureStarted(order, never)).externalId);
    assert.deepEqual([seen.state, jobsOf(seen)], ['finished', []]);
    assert.match(seen.why ?? '', /^nothing to run: raku\/main has no executable .*ci\/run is there but not executable/);
  });

  story('.ci/run comes before ci/run before .ci', async (bench) => {
    const backend = await bench.open();
    const [dotted, plain] = ['.ci/run', 'ci/run'].map((name) => ({
      name: `m/${name}`,
      mode: 0o755,
      body: `echo ${name}`,
    }));
    assert.equal((await bench.run(backend, await bench.order([plain!, dotted!]))).log, '.ci/run\n');
    const file = { name: 'm/.ci', mode: 0o755, body: 'echo .ci' };
    assert.equal((await bench.run(backend, await bench.order([plain!, file]))).log, 'ci/run\n');
    assert.equal((await bench.run(backend, await bench.order([file]))).log, '.ci\n');
  });

  story('a configured command that cannot be started fails in words', async (bench) => {
    const entries: Entry[] = [
      { name: 'm/plain', mode: 0o644, body: 'exit 0' },
      { name: 'm/strange', mode: 0o755, body: '#!/no/such/raku -I.\n' },
    ];
    const cases: [string, RegExp][] = [
      ['./missing', /^could not be started: there is no \.\/missing in the source archive of raku\/main$/],
      ['./plain', /^could not be started: \.\/plain is not executable/],
      ['./strange', /^could not be started: .*\/no\/such\/raku .*not on this machine/],
      ['no-such-tool --now', /^exit status 127 \(command not found\)$/],
    ];
    for (const [command, why] of cases) {
      const backend = await bench.open({ command });
      const { job } = await bench.run(backend, await bench.order(entries));
      assert.equal(job.verdict, 'failed');
      assert.match(job.why ?? '', why);
      await backend.close();
    }
  });

  story('what cannot be served is refused in words', async (bench) => {
    const backend = await bench.open();
    const order = await bench.orderOf('exit 0');
    const refused = (message: RegExp) => (error: unknown) =>
      error instanceof BackendError && error.kind === 'refused' && message.test(error.message);
    await assert.rejects(
      backend.ensureStarted({ ...order, untrusted: true }, never),
      refused(/trusted repositories only/),
    );
    const strange = { ...order, sources: [{ ...order.sources[0]!, repository: '../..' }] };
    await assert.rejects(backend.ensureStarted(strange, never), refused(/strange name/));
    await assert.rejects(openLocalBackend(bench.options({ dir: 'relative' })), /not an absolute path/);
    assert.equal((await backend.observe('../../etc', { waitMs: 0 }, never)).state, 'lost');
  });

  story('release removes the tree, waits for the end, and is remembered for 30 days', async (bench) => {
    let now = new Date('2026-01-01T00:00:00Z');
    const clock = { now: () => now };
    const backend = await bench.open({ clock });
    const order = await bench.orderOf('mkdir -p ro/deep; chmod 555 ro; read line </dev/null; echo over');
    const hanging = await backend.ensureStarted(await bench.orderOf('sleep 60'), never);
    await assert.rejects(backend.release(hanging.externalId), (error) => error instanceof BackendError && error.retry);
    const { externalId } = await bench.run(backend, order);
    await backend.release(externalId);
    assert.equal(existsSync(join(bench.dir, 'builds', externalId)), false);
    assert.deepEqual(await readdir(join(bench.dir, 'trash')), []);
    assert.equal((await backend.ensureStarted(order, never)).externalId, externalId);
    assert.equal((await backend.observe(externalId, { waitMs: 0 }, never)).state, 'finished');
    now = new Date('2026-02-01T00:00:01Z');
    const later = await bench.open({ clock });
    assert.equal((await later.observe(externalId, { waitMs: 0 }, never)).state, 'lost');
  });
});
