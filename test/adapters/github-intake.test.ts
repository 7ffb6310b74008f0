import assert from 'node:assert/strict';
import { test } from 'node:test';
import { receiveDelivery } from '../../src/forge/github/intake.ts';
import type { Told } from '../../src/queue/queue.ts';

const body = JSON.stringify({
  ref: 'refs/heads/main',
  after: 'a'.repeat(40),
  repository: { id: 7, full_name: 'acme/tool', private: false, default_branch: 'main' },
  installation: { id: 1 },
});

async function keyOf(isServed: boolean): Promise<string> {
  const told: Told[] = [];
  await receiveDelivery(
    { id: 'd-1', name: 'push', body },
    {
      queue: {
        push: async (each) => {
          told.push(...each);
          return each.map(({ event }) => ({ key: event.key, known: false }));
        },
      },
      store: { branch: async () => undefined, pullRequest: async () => undefined },
      archive: { put: async () => assert.fail('nothing is too large here') },
      isServed: () => isServed,
      isAway: () => false,
      now: () => new Date(0),
    },
  );
  return told[0]!.event.key;
}

test('what is told of a served repository is keyed by the fact', async () => {
  assert.equal(await keyOf(true), `branch:github:7:refs/heads/main:0:${'a'.repeat(40)}`);
});

test('what is told of one that is not served spends no key of a fact: it is news when it is served', async () => {
  assert.equal(await keyOf(false), 'delivery:d-1');
});
