import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AzureHook, isHookAuthorized, organisationIn, parseAzureHook } from '../../src/backends/azure/hooks.ts';
import { never } from '../contracts/backend.ts';
import { payloadOf } from '../standins/azure/hooks.ts';
import { azureStory } from './azure/bench.ts';

const told = (hook: AzureHook) => (hook.kind === 'build' ? [hook.id, hook.organisation, hook.eventType] : hook.kind);
const parse = (payload: unknown) => parseAzureHook(JSON.stringify(payload));

/** Abbreviated from learn.microsoft.com, "Service hooks events": malformed ids and all. */
const documented = {
  subscriptionId: '00000000-0000-0000-0000-000000000000',
  notificationId: 1,
  id: '4a5d99d6-1c75-4e53-91b9-ee80057d4ce3',
  eventType: 'build.complete',
  publisherId: 'tfs',
  message: { text: 'Build ConsumerAddressModule_20150407.2 succeeded' },
  resource: {
    uri: 'vstfs:///Build/Build/2',
    id: 2,
    buildNumber: 'ConsumerAddressModule_20150407.1',
    url: 'https://fabrikam-fiber-inc.visualstudio.com/DefaultCollection/71777fbc-1cf2-4bd1-9540-128c1c71f766/_apis/build/Builds/2',
    status: 'succeeded',
  },
  resourceVersion: '1.0',
  resourceContainers: { collection: { id: 'c12d0eb8-e382-443b-9f9c-c52cba5014c2' } },
  createdDate: '2016-09-19T13:03:27.2879096Z',
};

describe("Azure's hooks", { concurrency: 3 }, () => {
  azureStory('of every kind and version name the build that may have changed', async ({ azure }) => {
    const build = azure.queue().start().finish('failed');
    for (const [eventType, resourceVersion] of [
      ['build.complete', '1.0'],
      ['build.complete', '2.0'],
      ['ms.vss-pipelines.run-state-changed-event', '5.1-preview.1'],
    ] as const) {
      const payload = payloadOf(azure, build.build, { eventType, resourceVersion });
      assert.deepEqual(told(parse(payload)), [build.id, 'rcb-org', eventType]);
      const { resourceContainers, message, ...minimal } = payload;
      assert.ok(resourceContainers && message);
      assert.equal((parse(minimal) as { id?: string }).id, build.id, 'though it was shortened');
    }
  });

  azureStory('are doubled, reordered and lost; what they say does not hang on it', async ({ azure }) => {
    const received: AzureHook[] = [];
    let answer = 200;
    const server = createServer(async (request, response) => {
      const chunks = await request.toArray();
      const isKnown = isHookAuthorized(request.headers.authorization, 'hook-password');
      if (isKnown && answer === 200) received.push(parseAzureHook(Buffer.concat(chunks)));
      response.writeHead(isKnown ? answer : 401).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/azure`;
    try {
      const eventType = 'ms.vss-pipelines.run-state-changed-event';
      const subscribed = { url, password: 'hook-password', eventType, resourceVersion: '5.1-preview.1' } as const;
      const subscription = azure.hooks.subscribe(subscribed);
      azure.queue().start().finish('succeeded');
      const [started, ended] = azure.hooks.waiting.splice(0);
      assert.deepEqual(await azure.hooks.deliver([ended!, started!, ended!]), [200, 200, 200]);
      assert.equal(new Set(received.map((hook) => JSON.stringify(told(hook)))).size, 1);
      assert.equal(new Set(received.map((hook) => hook.kind === 'build' && hook.eventId)).size, 2, 'doubles are known');
      answer = 503;
      await azure.hooks.deliver([ended!]);
      assert.equal(subscription.status, 'enabled', 'it comes again');
      answer = 500;
      await azure.hooks.deliver([ended!]);
      assert.equal(subscription.status, 'onProbation');
      azure.queue().start();
      assert.equal(azure.hooks.waiting.length, 0, 'and everything new is lost');
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('subscriptions to hooks', () => {
  azureStory('are shown, created where they are missing, and left alone where something is wrong', async (bench) => {
    const [backend, { azure }] = [bench.open(), bench];
    const to = { url: 'https://rcb.example/hooks/azure', password: 'hook-password' };
    azure.hooks.subscribe({ ...to, url: 'https://other.example', eventType: 'build.complete', resourceVersion: '1.0' });
    const before = await backend.hooks(to.url, never);
    assert.deepEqual(
      before.map(({ ok, note }) => [ok, note]),
      Array(3).fill([false, 'not there']),
    );
    const made = await backend.ensureHooks(to, never);
    assert.deepEqual(
      made.map(({ ok }) => ok),
      [true, true, true],
    );
    azure.hooks.subscriptions[1]!.status = 'onProbation';
    const again = await backend.ensureHooks(to, never);
    assert.equal(azure.hooks.subscriptions.length, 4, 'nothing is made twice');
    assert.ok(
      azure.hooks.subscriptions.slice(1).every(({ url, password }) => url === to.url && password === to.password),
    );
    assert.deepEqual(
      again.map(({ ok }) => ok),
      [false, true, true],
    );
    assert.match(again[0]!.note, /on probation.*lost/);
    await assert.rejects(backend.ensureHooks({ ...to, url: 'ftp://rcb.example' }, never), /https:/);
  });
});

test('the documented sample is read, malformed as it is', () => {
  const hook = parse(documented);
  assert.deepEqual(told(hook), ['2', 'fabrikam-fiber-inc', 'build.complete']);
  assert.equal(hook.kind === 'build' && hook.occurredAt?.toISOString(), '2016-09-19T13:03:27.287Z');
  assert.equal(hook.kind === 'build' && hook.eventId, documented.id);
});

test('what is of no use, and what is not understood, is told apart', () => {
  assert.deepEqual(parse({ ...documented, eventType: 'workitem.updated' }), {
    kind: 'other',
    eventType: 'workitem.updated',
    eventId: documented.id,
  });
  for (const body of ['', '[]', 'null', '{"eventType":7}', '\uFEFF{', '{"eventType":""}']) {
    assert.equal(parseAzureHook(body).kind, 'unread', body);
  }
  for (const resource of [undefined, null, {}, { id: 0 }, { id: -1 }, { id: '1e3' }, { id: 2.5 }, { run: { id: 2 } }]) {
    assert.equal(parse({ ...documented, resource }).kind, 'unread', JSON.stringify(resource));
  }
  assert.equal(parse({ ...documented, eventType: 'constructor' }).kind, 'other');
  assert.deepEqual(told(parse({ ...documented, resource: { id: '17' }, createdDate: 'yesterday', id: 5 })), [
    '17',
    undefined,
    'build.complete',
  ]);
});

test('whatever comes is answered with a value, soon', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (value, text) => {
      assert.ok(parseAzureHook(JSON.stringify({ ...documented, resource: value })).kind);
      assert.ok(parseAzureHook(JSON.stringify({ ...documented, resourceContainers: value, id: text })).kind);
      assert.ok(parseAzureHook(text).kind);
    }),
    { numRuns: 300 },
  );
  const deep = '['.repeat(100_000);
  assert.equal(parseAzureHook(deep).kind, 'unread');
  const hook = parse({ ...documented, id: 'a\0b\ud800' });
  assert.equal(hook.kind === 'build' && hook.eventId, 'a\uFFFDb\uFFFD', 'PostgreSQL can store it');
});

test('the password is asked for, and nothing else', () => {
  const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;
  assert.equal(isHookAuthorized(basic('azure:päss:word'), 'päss:word'), true);
  assert.equal(isHookAuthorized(basic(':secret'), 'secret'), true);
  for (const given of [
    undefined,
    '',
    'Basic',
    basic('secret'),
    basic('u:secre'),
    basic('u:secrett'),
    'Bearer c2VjcmV0',
    basic('u:'),
  ]) {
    assert.equal(isHookAuthorized(given, 'secret'), false, given);
  }
  assert.equal(isHookAuthorized(basic('u:'), ''), false, 'no password is set: nobody is let in');
});

test('an organisation is the same by its old and its new address', () => {
  assert.equal(organisationIn('https://dev.azure.com/MoarVM/'), 'moarvm');
  assert.equal(organisationIn('https://MoarVM.visualstudio.com/DefaultCollection/x'), 'moarvm');
  assert.equal(organisationIn('no address'), undefined);
  assert.equal(organisationIn('https://dev.azure.com'), undefined);
});
