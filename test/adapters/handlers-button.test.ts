import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Press } from '../../src/core/button.ts';
import type { Event, EventOf } from '../../src/core/event.ts';
import type { HandlerContext } from '../../src/handlers/handler.ts';
import { handle } from '../../src/handlers/index.ts';
import type { Store } from '../../src/store/store.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const repository = { key: 'github:1', name: 'acme/tool', installation: 'github:9' };
const actor = { id: '5', login: 'lizmat' };
const subject = 'pull-request:github:1#7';
const pressed: EventOf<'button.pressed'> = {
  kind: 'button.pressed',
  subject,
  repository,
  runId: '01run',
  command: 're-test',
  actor,
};
const seen = (change: Partial<EventOf<'command.seen'>> = {}): EventOf<'command.seen'> => ({
  kind: 'command.seen',
  subject,
  repository,
  source: { kind: 'button', at: 'key', runId: '01run' },
  commands: ['re-test'],
  unknown: [],
  actor,
  permission: 'write',
  ...change,
});

/** Handle one event on a store that knows these; answers what follows, and the press as it was kept. */
async function handled(event: Event, known: Partial<Store> = {}) {
  const kept: Press[] = [];
  const store = {
    savePress: async (press: Press) => void kept.push(press),
    pullRequest: async () => undefined,
    branch: async () => undefined,
    ...known,
  } as Store;
  const serving = { owners: ['acme'], git: [], watch: [], policy: [], stacks: [], backends: [], privates: 'served' };
  const context = {
    store,
    serving,
    key: 'key',
    publicUrl: '',
    now: NOW,
    newId: () => 'new',
  } as unknown as HandlerContext;
  return { outcome: await handle(event, context), kept };
}

test('a press is kept as heard, and its person’s permission is asked', async () => {
  const { outcome, kept } = await handled(pressed);
  assert.deepEqual(kept, [{ key: 'key', runId: '01run', command: 're-test', actor, state: 'heard', at: NOW }]);
  assert.deepEqual(outcome, {
    effects: [
      {
        kind: 'command.inspect',
        subject,
        repository,
        source: { kind: 'button', at: 'key', runId: '01run' },
        commands: ['re-test'],
        unknown: [],
        actor,
      },
    ],
    events: [],
  });
});

for (const [what, change] of [
  ['whose account is served no more', { name: 'former/tool' }],
  ['that the App was taken away from', { installation: undefined }],
] as const) {
  test(`a press in a repository ${what} is refused, and nobody is asked`, async () => {
    const { outcome, kept } = await handled({ ...pressed, repository: { ...repository, ...change } });
    assert.deepEqual(outcome, { effects: [], events: [] });
    assert.equal(kept[0]?.state, 'refused');
    assert.match(kept[0]?.why ?? '', /not served any more/);
  });
}

test('a press of a change that nobody knows any more is refused with that', async () => {
  const { kept } = await handled(seen());
  assert.deepEqual(
    [kept[0]?.state, kept[0]?.why],
    ['refused', 'This change is not watched any more, so nothing was done.'],
  );
});

test('whom the repository has blocked is told so on the page, and nowhere else', async () => {
  const branch = { subject: 'branch:github:1:refs/heads/main', runId: '01run' };
  const run = { id: '01run', state: 'finished', change: { kind: 'commit' } };
  const known = { branch: async () => branch, run: async () => run } as unknown as Partial<Store>;
  const { outcome, kept } = await handled(seen({ permission: 'none' }), known);
  assert.deepEqual(outcome, { effects: [], events: [] });
  assert.deepEqual([kept[0]?.state, /has no access|have no access/.test(kept[0]?.why ?? '')], ['refused', true]);
});

test('GitHub’s own buttons have no page of ours for an answer', async () => {
  const { kept } = await handled(seen({ source: { kind: 'button', at: 'key' } }));
  assert.deepEqual(kept, []);
});
