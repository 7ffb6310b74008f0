import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { isShort, Rest, restAskedFor } from '../../src/backends/azure/throttle.ts';
import { BackendError } from '../../src/backends/backend.ts';
import { jobsOf, logOf, never } from '../contracts/backend.ts';
import { type AzureBench, atEnd, azureStory, seen } from './azure/bench.ts';

const now = new Date('2026-11-21T12:00:00Z');

const refusedAs = (kind: BackendError['kind'], words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BackendError, String(error));
  assert.deepEqual([error.kind, words.test(error.message)], [kind, true], error.message);
  return true;
};

/** A place that answers as it is told, and counts who asked with credentials. */
async function elsewhere(tell: (url: string, seenBy: string[]) => Promise<void>): Promise<void> {
  const authorizations: string[] = [];
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization ?? 'none');
    response.writeHead(200, { 'content-type': 'text/plain' }).end('from elsewhere');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await tell(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, authorizations);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('what an answer says about limits', () => {
  const reset = String(now.getTime() / 1000 + 90);
  for (const [status, headers, ms] of [
    [200, {}, 0],
    [200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }, 0],
    [200, { 'retry-after': '12' }, 12_000],
    [429, { 'retry-after': '0.5' }, 500],
    [503, { 'retry-after': 'Sat, 21 Nov 2026 12:00:20 GMT' }, 20_000],
    [429, { 'retry-after': 'soon', 'x-ratelimit-reset': reset }, 90_000],
    [429, {}, 60_000],
    [200, { 'retry-after': '99999999' }, 15 * 60_000],
    [200, { 'retry-after': '-5' }, 0],
  ] as const) {
    assert.equal(restAskedFor(status, headers, now), ms, JSON.stringify([status, headers]));
  }
  assert.equal(isShort({ 'x-ratelimit-limit': '200', 'x-ratelimit-remaining': '20' }), true);
  assert.equal(isShort({ 'x-ratelimit-limit': '200', 'x-ratelimit-remaining': '150' }), false);
  assert.equal(isShort({}), undefined);
});

test('a pause is spread, never shortened by a later answer, and long ones are not waited for', async () => {
  const rest = new Rest({ now: () => now }, () => 0.5);
  rest.note(200, { 'retry-after': '100' });
  assert.equal(rest.leftMs, 110_000);
  rest.note(200, { 'retry-after': '1' });
  assert.equal(rest.leftMs, 110_000);
  assert.equal(await rest.over(40_000, never), false);
});

describe('talking to Azure', { concurrency: 3 }, () => {
  azureStory('keeps the result of a 200 with Retry-After, and is silent for that long', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    bench.azure.faults.add({ path: /builds\/\d+\?/, does: 'headers', headers: { 'retry-after': '0.3' } });
    const before = performance.now();
    backend.expectNews(build.id);
    assert.equal((await backend.observe(build.id, { waitMs: 0 }, never)).state, 'running');
    assert.ok(performance.now() - before >= 300);
    assert.equal(seen(bench, /builds\/\d+\?/).length, 1, 'the result counted');
  });

  azureStory('tells the queue of a long pause, and does not ask meanwhile', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    const tooMuch = { does: 'status', status: 429, headers: { 'retry-after': '120' } } as const;
    bench.azure.faults.add({ ...tooMuch, body: { message: 'TF400733: The request has been canceled' } });
    const isPaused = (error: unknown) =>
      error instanceof BackendError && error.kind === 'busy' && error.retryAfterMs! > 100_000;
    await assert.rejects(backend.observe(build.id, { waitMs: 0 }, never), isPaused);
    const requests = bench.azure.requests.length;
    await assert.rejects(backend.observe(build.id, { waitMs: 0 }, never), isPaused);
    assert.equal(bench.azure.requests.length, requests);
    assert.match((await backend.health()).note, /fewer requests/);
    const other = bench.open({ name: 'other' });
    assert.equal((await other.observe(build.id, { waitMs: 0 }, never)).state, 'running', 'nobody else is stalled');
  });

  azureStory('gives up an answer that does not come, and one that is not wanted any more', async (bench) => {
    const patient = bench.open();
    const build = await bench.started(patient);
    bench.azure.faults.add({ does: 'hang' });
    await assert.rejects(
      bench.open({ timeoutMs: 100 }).observe(build.id, { waitMs: 0 }, never),
      refusedAs('unreachable', /no answer within 0\.1 s/),
    );
    bench.azure.faults.add({ does: 'hang' });
    const stop = new AbortController();
    const asking = patient.observe(build.id, { waitMs: 0 }, stop.signal);
    stop.abort();
    await assert.rejects(asking, (error) => error instanceof BackendError && error.retry);
  });

  azureStory('waits no longer for the rest of an answer than for its beginning', async (bench) => {
    const backend = bench.open({ timeoutMs: 1_000 });
    const build = await bench.started(bench.open());
    build.job('Linux').print('one', 'two').finish('succeeded');
    build.finish('succeeded');
    bench.azure.faults.add({ does: 'stall' });
    await assert.rejects(backend.observe(build.id, { waitMs: 0 }, never), refusedAs('unreachable', /within 1 s|RESET/));
    const [job] = jobsOf(await atEnd(backend, build.id));
    bench.azure.faults.add({ path: /logs\/1/, does: 'stall' });
    await assert.rejects(logOf(backend, build.id, job!), refusedAs('unreachable', /could not read log 1/));
    assert.match(await logOf(backend, build.id, job!), / two\n$/);
  });

  azureStory('reads nothing that is not understood', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    for (const body of [{ id: 'seven' }, [1, 2], 'text', { id: -1 }]) {
      bench.azure.faults.add({ does: 'status', status: 200, body });
      await assert.rejects(backend.observe(build.id, { waitMs: 0 }, never), refusedAs('unparsable', /not understood/));
    }
  });

  azureStory('follows a log to another host without credentials', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').print('at home').finish('succeeded');
    build.finish('succeeded');
    const jobs = jobsOf(await atEnd(backend, build.id));
    await elsewhere(async (url, authorizations) => {
      bench.azure.faults.add({
        path: /logs\/1/,
        does: 'status',
        status: 302,
        headers: { location: `${url}/blob?sig=s3cr3t` },
      });
      assert.equal(await logOf(backend, build.id, jobs[0]!), 'from elsewhere\n');
      assert.deepEqual(authorizations, ['none']);
    });
    for (const location of ['ftp://x/', 'http://user:pass@x/', 'file:///etc/passwd']) {
      bench.azure.faults.add({ path: /logs\/1/, does: 'status', status: 302, headers: { location } });
      await assert.rejects(
        logOf(bench.open(), build.id, jobs[0]!),
        refusedAs('misconfigured', /not followed/),
        location,
      );
    }
    bench.azure.faults.add({ path: /logs\/1/, times: 9, does: 'status', status: 302, headers: { location: 'logs/1' } });
    await assert.rejects(logOf(bench.open(), build.id, jobs[0]!), refusedAs('misconfigured', /again and again/));
  });

  azureStory('does not follow an answer that is redirected, least of all an order', async (bench) => {
    await elsewhere(async (url, authorizations) => {
      bench.azure.faults.add({ method: 'POST', does: 'status', status: 307, headers: { location: url } });
      const started = bench.open().ensureStarted(bench.order(), never);
      await assert.rejects(started, refusedAs('misconfigured', /127\.0\.0\.1:\d+, which is not followed/));
      assert.deepEqual(authorizations, []);
    });
  });

  azureStory('shows no secret, though Azure repeats it', async (bench) => {
    const backend = bench.open();
    const pair = 'a-pat-that-is-good';
    for (const status of [400, 403, 500]) {
      bench.azure.faults.add({ method: 'POST', does: 'status', status, body: { message: `token ${pair} is\nbad` } });
      await assert.rejects(backend.ensureStarted(bench.order(), never), (error: Error) => {
        assert.match(error.message, /token \*\*\* is bad/);
        return true;
      });
    }
  });

  azureStory('says how the pipeline is', async (bench) => {
    assert.deepEqual(await bench.open().health(), { ok: true, note: 'pipeline rcb (7) of raku' });
    bench.azure.project.definitions[0]!.queueStatus = 'paused';
    assert.deepEqual(await bench.open().health(), { ok: false, note: 'the pipeline is paused on Azure' });
    assert.match((await bench.open({ pipeline: 9 }).health()).note, /no pipeline 9/);
    let ms = 0;
    const backend = bench.open({ clock: { now: () => new Date(now.getTime() + ms) } });
    bench.azure.tokens.clear();
    assert.match((await backend.health()).note, /AZURE_DEVOPS_TOKEN/);
    bench.azure.tokens.add('a-pat-that-is-good');
    assert.match((await backend.health()).note, /AZURE_DEVOPS_TOKEN/, 'a page that is looked at often asks little');
    ms += 11_000;
    assert.match((await backend.health()).note, /paused/);
  });
});

describe('a service principal', { concurrency: 3 }, () => {
  const credentials = (bench: AzureBench, clientSecret = 'entra-secret') => ({
    kind: 'entra' as const,
    tenant: 'contoso',
    clientId: 'client',
    clientSecret,
    authority: `${bench.azure.url}/entra`,
  });

  azureStory('asks for one token, and for another before it ends or when it is refused', async (bench) => {
    bench.azure.clients.set('entra-secret', 0);
    let ms = 0;
    const clock = { now: () => new Date(now.getTime() + ms) };
    const backend = bench.open({ credentials: credentials(bench), clock });
    const given = () => bench.azure.clients.get('entra-secret');
    await Promise.all([1, 2, 3].map(() => backend.ensureStarted(bench.order(), never)));
    assert.equal(given(), 1);
    ms += 54 * 60_000;
    await backend.ensureStarted(bench.order(), never);
    assert.equal(given(), 1);
    ms += 2 * 60_000;
    await backend.ensureStarted(bench.order(), never);
    assert.equal(given(), 2);
    ms += 60_000;
    bench.azure.tokens.clear();
    await backend.ensureStarted(bench.order(), never);
    assert.equal(given(), 3, 'revoked: asked again, and the request repeated');
  });

  azureStory('that Entra does not know says so, without its secret, and is tried again', async (bench) => {
    const backend = bench.open({ credentials: credentials(bench, 'wrong-secret') });
    await assert.rejects(backend.ensureStarted(bench.order(), never), (error: BackendError) => {
      assert.match(error.message, /Entra gave no token \(invalid_client\)/);
      assert.doesNotMatch(error.message, /wrong-secret/);
      assert.equal(error.retry, true);
      return true;
    });
  });

  azureStory('that Azure does not know is not asked for again and again', async (bench) => {
    bench.azure.clients.set('entra-secret', 0);
    bench.azure.faults.add({ path: /^\/raku/, times: 99, does: 'sign-in' });
    const backend = bench.open({ credentials: credentials(bench) });
    await assert.rejects(
      backend.ensureStarted(bench.order(), never),
      refusedAs('misconfigured', /refused the credentials/),
    );
    assert.equal(bench.azure.clients.get('entra-secret'), 1);
  });
});
