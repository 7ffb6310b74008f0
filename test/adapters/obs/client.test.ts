import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { BackendError } from '../../../src/backends/backend.ts';
import { basicAuth, type ObsAuth, signatureAuth, sshKeygen } from '../../../src/backends/obs/auth.ts';
import { ObsClient, type ObsError } from '../../../src/backends/obs/client.ts';
import { openHttp } from '../../../src/backends/obs/http.ts';
import { Pace } from '../../../src/backends/obs/pace.ts';
import { systemTime } from '../../../src/backends/obs/time.ts';
import { jobsAtEnd, never } from '../../contracts/backend.ts';
import type { ObsStandInOptions } from '../../standins/obs/index.ts';
import { ObsBench, PROJECT } from './bench.ts';

const run = promisify(execFile);

const story = (title: string, tell: (bench: ObsBench) => Promise<void>, options: Partial<ObsStandInOptions> = {}) =>
  test(title, { timeout: 40_000 }, async () => {
    const bench = await ObsBench.make(options);
    bench.obs.addProject(PROJECT, '');
    try {
      await tell(bench);
    } finally {
      await bench.close();
    }
  });

const clientOf = (bench: ObsBench, more: { auth?: ObsAuth; pace?: Pace } = {}) => {
  const options = bench.options();
  return new ObsClient({ ...options, fetch: options.http.fetch, ...more });
};
const meta = { path: ['source', PROJECT, '_meta'], signal: never };

const refused = async (asked: Promise<unknown>): Promise<ObsError> => {
  try {
    await asked;
  } catch (error) {
    return error as ObsError;
  }
  throw new Error('it was not refused');
};

/** A clock that is where it was set, and sleeps by moving on. */
function stillTime() {
  let ms = 0;
  const slept: number[] = [];
  return {
    slept,
    pass: (more: number) => {
      ms += more;
    },
    now: () => new Date(ms),
    monotonicMs: () => ms,
    sleep: async (more: number) => {
      slept.push(more);
      ms += more;
    },
  };
}

describe('who asks', { concurrency: 3 }, () => {
  story('a password is sent in UTF-8; a wrong one is a matter of configuration', async (bench) => {
    assert.match(await clientOf(bench).text(meta), /^<project name="home:rcb">/);
    const error = await refused(clientOf(bench, { auth: basicAuth('rcb', 'wrong') }).text(meta));
    assert.deepEqual(
      [error.kind, error.retry, error.status, error.code],
      ['misconfigured', false, 401, 'authentication_required'],
    );
    assert.match(
      error.message,
      /answered 401 authentication_required \(Authentication required\).*are OBS_USER \(rcb\)/,
    );
    assert.doesNotMatch(error.message, /wrong/);
  });

  story(
    "a proxy's page is told as one",
    async (bench) => {
      const error = await refused(clientOf(bench, { auth: basicAuth('rcb', 'wrong') }).text(meta));
      assert.match(error.message, /answered 401 \(a web page, not an answer of OBS\)/);
    },
    { pages: true },
  );

  test('a signature by ssh-keygen is one that ssh-keygen accepts, and a session saves the next', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rcb-obs-key-'));
    const key = join(directory, 'key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    let checked = 0;
    const check = async (header: string) => {
      checked += 1;
      const [, created, signature] =
        /^Signature keyId="rcb",algorithm="ssh",headers="\(created\)",created=(\d+),signature="([^"]+)"$/.exec(
          header,
        ) ?? [];
      const file = join(directory, 'signature');
      await writeFile(file, `-----BEGIN SSH SIGNATURE-----\n${signature}\n-----END SSH SIGNATURE-----\n`);
      const options = ['-Y', 'check-novalidate', '-n', 'Use your developer account', '-s', file];
      return await new Promise<boolean>((resolve) => {
        const verifying = execFile('ssh-keygen', options, (error) => resolve(error === null));
        // What is no signature it refuses before it has read the text.
        verifying.stdin!.on('error', () => {}).end(`(created): ${created}`);
      });
    };
    const bench = await ObsBench.make({ signature: check, sessions: true });
    try {
      bench.obs.addProject(PROJECT, '');
      const client = clientOf(bench, { auth: signatureAuth('rcb', sshKeygen(key), systemTime) });
      await client.text(meta);
      await client.text(meta);
      assert.equal(checked, 1, 'the second one has the session');
      assert.equal(bench.obs.requests.at(-1)?.headers.authorization, undefined);
      bench.obs.endSessions();
      await client.text(meta);
      assert.equal(checked, 2);
      const stranger = clientOf(bench, { auth: signatureAuth('rcb', async () => 'bm9uc2Vuc2U=', systemTime) });
      assert.equal((await refused(stranger.text(meta))).status, 401);
      const keyless = clientOf(bench, { auth: signatureAuth('rcb', sshKeygen(join(directory, 'none')), systemTime) });
      assert.match((await refused(keyless.text(meta))).message, /ssh-keygen could not sign/);
    } finally {
      await bench.close();
      await rm(directory, { recursive: true });
    }
  });

  story('credentials do not follow to another place', async (bench) => {
    bench.obs.fail({ path: /_meta/, status: 302, headers: { location: 'http://127.0.0.1:1/' } });
    const error = await refused(clientOf(bench).text(meta));
    assert.match(error.message, /answered 302 .*the url in rcb\.yaml has to be the API itself/);
  });
});

describe('refusals and manners', { concurrency: 3 }, () => {
  for (const [status, body, kind, words] of [
    [
      404,
      '<status code="unknown_project"><summary>Project not found: x</summary></status>',
      'refused',
      'unknown_project (Project not found: x)',
    ],
    [
      400,
      '<status code="400" origin="backend"><summary>service in progress</summary></status>',
      'busy',
      '400 (service in progress)',
    ],
    [403, '<status code="permission_denied"/>', 'refused', 'may not do that there'],
    [500, '<html>oops</html>', 'unreachable', 'a web page'],
    [502, '', 'unreachable', '502'],
  ] as const) {
    story(`${status} ${kind}`, async (bench) => {
      bench.obs.fail({ path: /_meta/, status, body });
      const error = await refused(clientOf(bench).text(meta));
      assert.equal(error.kind, kind);
      assert.ok(error.message.includes(words), error.message);
    });
  }

  for (const status of [429, 503]) {
    story(`${status} lets the whole host rest, as long as it asked for`, async (bench) => {
      const time = stillTime();
      const client = clientOf(bench, { pace: new Pace(10, time, () => 0.5) });
      bench.obs.fail({ path: /_meta/, status, headers: { 'retry-after': '30' }, body: '<html/>' });
      const error = await refused(client.text(meta));
      assert.deepEqual([error.kind, error.retryAfterMs], ['busy', 30_000]);
      const asked = bench.obs.requests.length;
      const again = (await refused(client.text(meta))) as BackendError;
      assert.deepEqual([again.kind, again.retry, again.retryAfterMs], ['busy', true, 30_000]);
      assert.equal(bench.obs.requests.length, asked, 'it was not asked');
      time.pass(30_000);
      await client.text(meta);
    });
  }

  test('requests of one host are spaced, after a few together', async () => {
    const time = stillTime();
    const pace = new Pace(4, time, () => 0.5);
    for (let count = 0; count < 25; count += 1) await pace.turn(never);
    assert.equal(time.monotonicMs(), 5_000);
    assert.ok(Math.max(...time.slept) <= 250);
  });

  test('a rest without a time grows, and is forgotten with the first answer', () => {
    const pace = new Pace(4, stillTime(), () => 0.5);
    assert.deepEqual(
      [1, 2, 3].map(() => pace.refused(undefined)),
      [2_000, 4_000, 8_000],
    );
    pace.answered();
    assert.equal(pace.refused(undefined), 2_000);
    assert.equal(pace.refused(10 ** 9), 15 * 60_000);
  });

  story(
    'a server that commits only with sha256 gets it',
    async (bench) => {
      const backend = bench.open();
      const { externalId } = await backend.ensureStarted(bench.orderOf({ ends: 'passes' }), never);
      assert.equal((await jobsAtEnd(backend, externalId))[0]?.verdict, 'passed');
    },
    { wantsSha256: true },
  );

  story('names are escaped, and none leads elsewhere', async (bench) => {
    const error = await refused(clientOf(bench).text({ path: ['source', 'a+b%c#d?e', 'f/g'], signal: never }));
    assert.equal(error.status, 404);
    assert.equal(bench.obs.requests.at(-1)?.path, '/source/a+b%c#d?e/f/g');
    for (const part of ['', '.', '..']) {
      assert.equal((await refused(clientOf(bench).text({ path: ['source', part], signal: never }))).kind, 'refused');
    }
  });

  story('an answer is no larger than it may be', async (bench) => {
    const error = await refused(clientOf(bench).text({ ...meta, maxBytes: 10 }));
    assert.match(error.message, /larger than 10 bytes/);
  });

  test('a server that says nothing, or breaks off, is unreachable', async () => {
    const server = createServer((req, res) => {
      if (!req.url!.includes('half')) return;
      res.writeHead(200, { 'content-length': 100 });
      res.write('half');
      setImmediate(() => res.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const http = openHttp();
    const { fetch } = http;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const pace = new Pace(1_000, systemTime, () => 0.5);
      const client = new ObsClient({ url, auth: basicAuth('u', 'p'), fetch, pace });
      const silent = await refused(client.text({ path: ['x'], deadlineMs: 50, signal: never }));
      assert.deepEqual([silent.kind, silent.retry], ['unreachable', true]);
      assert.match(silent.message, /did not answer GET \/x in time/);
      const broken = await client.stream({ path: ['half'], signal: never });
      assert.equal((await refused(text(broken))).kind, 'unreachable');
      const stop = new AbortController();
      const waiting = refused(client.text({ path: ['x'], signal: stop.signal }));
      stop.abort();
      assert.equal((await waiting).kind, 'busy');
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    const pace = new Pace(1_000, systemTime, () => 0.5);
    const gone = new ObsClient({ url, auth: basicAuth('u', 'p'), fetch, pace });
    assert.equal((await refused(gone.text(meta))).kind, 'unreachable');
    await http.close();
  });

  story('it says how it is, and does not ask each time', async (bench) => {
    const backend = bench.open();
    assert.match((await backend.health()).note, /^127\.0\.0\.1:\d+ as rcb, projects below home:rcb$/);
    await backend.health();
    assert.equal(bench.obs.requests.length, 1);
    const stranger = await bench.open({ auth: basicAuth('rcb', 'wrong') }).health();
    assert.equal(stranger.ok, false);
    assert.match(stranger.note, /answered 401/);
  });
});
