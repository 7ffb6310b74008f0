import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EVERYTHING } from '../../src/core/sight.ts';
import { createLive, type LiveOptions } from '../../src/site/live.ts';
import { createLiveBySight } from '../../src/site/live-by-sight.ts';
import type { Reader } from '../../src/site/reader.ts';
import { serveSite } from '../support/served-site.ts';
import { until } from '../support/until.ts';
import { aRun, memoryReader, siteOf } from './site-fakes.ts';

/** Runs as a store has them: each with the stamp of its last save. A save is seen at its commit, not at its stamp. */
function aStore() {
  const stamps = new Map<string, number>();
  const asked = { changes: 0 };
  let isAway = false;
  const look = () => {
    if (isAway) throw new Error('the store is away');
  };
  const reader: LiveOptions['reader'] = {
    async lastChange() {
      look();
      return stamps.size === 0 ? undefined : new Date(Math.max(...stamps.values()));
    },
    async changesSince(since, limit) {
      look();
      asked.changes += 1;
      return [...stamps]
        .map(([id, stamp]) => ({ id, changedAt: new Date(stamp) }))
        .filter(({ changedAt }) => changedAt > since)
        .sort((one, other) => one.changedAt.getTime() - other.changedAt.getTime())
        .slice(0, limit);
    },
    async runRows(ids) {
      look();
      return ids.map((id) => aRun({ id, title: `${id}@${stamps.get(id)}` }));
    },
  };
  return {
    reader,
    asked,
    save: (id: string, stamp: number) => void stamps.set(id, stamp),
    goAway: (away: boolean) => {
      isAway = away;
    },
  };
}

const START = 1_000_000;

function liveOf(store: ReturnType<typeof aStore>, t: TestContext, options: Partial<LiveOptions> = {}) {
  const faults: unknown[] = [];
  const live = createLive({
    reader: store.reader,
    render: (row) => row.title,
    onError: (error) => void faults.push(error),
    pollMs: 2,
    ...options,
  });
  const open = (since: number) => {
    const stream = live.open(new Date(since));
    assert.ok(stream, 'there is room');
    const heard = hear(stream);
    t.after(heard.leave);
    return heard;
  };
  return { live, open, faults };
}

interface Heard {
  text(): string;
  /** `a@5`: the rows that were told, in this order. */
  rows(): string[];
  /** What a browser gives as Last-Event-ID. */
  lastId(): number;
  isOver(): boolean;
  leave(): Promise<void>;
}

function hear(stream: ReadableStream<Uint8Array>): Heard {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let isOver = false;
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    isOver = true;
  })();
  return {
    text: () => text,
    rows: () => [...text.matchAll(/^event: run\nid: \d+\ndata: (.*)$/gm)].map(([, json]) => JSON.parse(json!).html),
    lastId: () => Number([...text.matchAll(/^id: (\d+)$/gm)].at(-1)![1]),
    isOver: () => isOver,
    async leave() {
      await reader.cancel();
      await reading;
    },
  };
}

test('what is saved is told to all who follow, each with the newest row', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open } = liveOf(store, t);
  const [one, other] = [open(START), open(START)];
  await until(() => one.rows().length === 1 && other.rows().length === 1);
  store.save('b', START + 10);
  await until(() => one.rows().includes(`b@${START + 10}`) && other.rows().includes(`b@${START + 10}`));
  store.save('a', START + 20);
  await until(() => one.rows().includes(`a@${START + 20}`));
  assert.equal(one.lastId(), START + 20);
});

test('a save is told once, however often the store is looked at', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open } = liveOf(store, t);
  const heard = open(START);
  await until(() => heard.rows().length > 0);
  store.save('b', START + 10);
  await until(() => heard.rows().includes(`b@${START + 10}`));
  const looked = store.asked.changes;
  await until(() => store.asked.changes > looked + 5);
  assert.equal(heard.rows().filter((row) => row.startsWith('b@')).length, 1);
});

test('who comes back hears what was saved meanwhile', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open, live } = liveOf(store, t);
  const first = open(START);
  await until(() => first.rows().length === 1);
  const known = first.lastId();
  await first.leave();
  assert.equal(live.readers(), 0);
  store.save('b', START + 10);
  store.save('c', START + 500_000);
  const again = open(known);
  await until(() => again.rows().length >= 2);
  assert.ok(again.rows().includes(`b@${START + 10}`));
  assert.ok(again.rows().includes(`c@${START + 500_000}`));
});

test('a save that is seen late, because its commit was, is told all the same', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open } = liveOf(store, t);
  const follower = open(START);
  await until(() => follower.rows().length === 1);
  store.save('b', START + 20_000);
  await until(() => follower.rows().includes(`b@${START + 20_000}`));
  store.save('late', START + 1_000);
  await until(() => follower.rows().includes(`late@${START + 1_000}`));
  // And to who comes back with the id of what was stamped later.
  const back = open(START + 20_000);
  await until(() => back.rows().includes(`late@${START + 1_000}`));
});

test('nothing is lost between any two saves, though the reader leaves at any time', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open } = liveOf(store, t);
  const heardOf = new Set<string>();
  let known = START;
  for (let round = 1; round <= 20; round++) {
    const heard = open(known);
    store.save(`in-${round}`, START + round * 10_000);
    await until(() => heard.rows().length > 0);
    for (const row of heard.rows()) heardOf.add(row.split('@')[0]!);
    known = heard.lastId();
    await heard.leave();
    store.save(`out-${round}`, START + round * 10_000 + 5_000);
  }
  const last = open(known);
  await until(() => last.rows().some((row) => row.startsWith('out-20@')));
  for (const row of last.rows()) heardOf.add(row.split('@')[0]!);
  for (let round = 1; round <= 20; round++) {
    assert.ok(heardOf.has(`in-${round}`), `in-${round}`);
    assert.ok(heardOf.has(`out-${round}`), `out-${round}`);
  }
});

test('who missed too much is told to read the page again, and follows from there', async (t) => {
  const store = aStore();
  for (let index = 0; index < 300; index++) store.save(`old-${index}`, START + index * 1000);
  const { open } = liveOf(store, t);
  const heard = open(0);
  await until(() => heard.text().includes('event: reset'));
  assert.equal(heard.lastId(), START + 299_000);
  assert.deepEqual(heard.rows(), []);
  store.save('new', START + 400_000);
  await until(() => heard.rows().includes(`new@${START + 400_000}`));
});

test('a flood of saves is a word to read the page again, too, and what follows it is told', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open } = liveOf(store, t);
  const heard = open(START);
  await until(() => heard.rows().length === 1);
  for (let index = 0; index < 1_500; index++) store.save(`flood-${index}`, START + 1 + index);
  await until(() => heard.text().includes('event: reset'));
  store.save('page', START + 900_000);
  await until(() => heard.lastId() === START + 900_000);
  store.save('calm', START + 900_001);
  await until(() => heard.rows().includes(`calm@${START + 900_001}`));
});

test('nobody follows, nobody looks: and of many who do, one look is for all', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open, live } = liveOf(store, t);
  assert.equal(store.asked.changes, 0);
  const many = Array.from({ length: 30 }, () => open(START));
  await until(() => many.every((heard) => heard.rows().length > 0));
  // Each caught up by itself; from here on it is one question each time.
  const begun = store.asked.changes;
  store.save('b', START + 5);
  await until(() => many.every((heard) => heard.rows().length > 1));
  assert.ok(store.asked.changes - begun < 30, `${store.asked.changes - begun} looks`);
  for (const heard of many) await heard.leave();
  assert.equal(live.readers(), 0);
});

test('the store goes away and comes back: it is said once, and nothing is lost', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open, faults } = liveOf(store, t);
  const heard = open(START);
  await until(() => heard.rows().length === 1);
  store.goAway(true);
  await until(() => faults.length > 0);
  store.save('b', START + 10);
  store.goAway(false);
  await until(() => heard.rows().includes(`b@${START + 10}`));
  assert.equal(faults.length, 1);
  assert.equal(heard.isOver(), false);
});

test('only so many may follow; who leaves makes room', async (t) => {
  const store = aStore();
  const { open, live } = liveOf(store, t, { maxReaders: 2 });
  const [one] = [open(0), open(0)];
  assert.equal(live.open(new Date(0)), undefined);
  await one!.leave();
  open(0);
});

test('who does not take what it is told is let go, and may come again', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { live } = liveOf(store, t, { render: () => 'x'.repeat(1_000_000) });
  const stream = live.open(new Date(START))!;
  let stamp = START;
  await until(() => {
    store.save('a', ++stamp);
    return live.readers() === 0;
  });
  await stream.cancel();
});

test('a stream ends after its life, and who comes back with what he heard last misses nothing', async (t) => {
  const store = aStore();
  store.save('a', START);
  const { open, live } = liveOf(store, t, { lifeMs: 30 });
  const rows: string[] = [];
  let known = START;
  for (let stamp = START + 10; !rows.includes(`b@${START + 20}`); stamp += 10) {
    store.save('b', Math.min(stamp, START + 20));
    const heard = open(known);
    await until(() => heard.isOver());
    rows.push(...heard.rows());
    if (heard.rows().length > 0) known = heard.lastId();
  }
  assert.ok(rows.includes(`a@${START}`));
  assert.equal(live.readers(), 0);
});

test('who sees less has a stream of his own; all of them together are counted', async () => {
  const store = aStore();
  store.save('a', START);
  const hidden = { hidden: [{ key: 'github:7', name: 'acme/secret' }] };
  const bySight = createLiveBySight({
    readers: { seenBy: ({ hidden: { length } }) => (length === 0 ? store.reader : aStore().reader) as Reader },
    render: (row) => row.title,
    onError: () => {},
    pollMs: 2,
    maxReaders: 2,
  });
  const [all, less] = [EVERYTHING, hidden].map((sight) => hear(bySight.open(sight, new Date(START))!));
  await until(() => all!.rows().length === 1);
  assert.deepEqual(less!.rows(), []);
  assert.equal(bySight.open(EVERYTHING, new Date(0)), undefined);
  await less!.leave();
  const third = hear(bySight.open(EVERYTHING, new Date(START))!);
  await until(() => third.rows().length === 1);
  await Promise.all([all!.leave(), third.leave()]);
});

test('a silent stream says from time to time that it is there', async (t) => {
  const { open } = liveOf(aStore(), t, { heartbeatMs: 2 });
  const heard = open(0);
  await until(() => heard.text().includes(': still here'));
  assert.match(heard.text(), /^retry: \d+\n\n/);
});

async function served(store: ReturnType<typeof aStore>, t: TestContext, maxReaders?: number) {
  const reader = { ...memoryReader([]), ...store.reader };
  const world = siteOf(reader, { live: { pollMs: 2, maxReaders } });
  const { url, stop } = await serveSite(world.site);
  t.after(stop);
  return `${url}/api/live`;
}

test('over HTTP it is an event stream; the id of the last event counts for more than the address', async (t) => {
  const store = aStore();
  store.save('<b>', START);
  store.save('c', START + 500_000);
  const url = await served(store, t);
  const leave = new AbortController();
  t.after(() => leave.abort());
  const response = await fetch(`${url}?since=0`, {
    headers: { 'Last-Event-ID': String(START + 499_000) },
    signal: leave.signal,
  });
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (!text.includes('event: run')) text += decoder.decode((await reader.read()).value, { stream: true });
  const rows = [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!));
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['c'],
  );
  assert.match(rows[0].html, /<li class="run" data-run="c">/);
});

test('a connection that is cut makes room for the next; before that it is told to come later', async (t) => {
  const store = aStore();
  const url = await served(store, t, 1);
  const leave = new AbortController();
  const first = await fetch(url, { signal: leave.signal });
  assert.equal(first.status, 200);
  const refused = await fetch(url);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '60');
  assert.match(((await refused.json()) as { error: string }).error, /Too many readers/);
  leave.abort();
  const next = new AbortController();
  t.after(() => next.abort());
  await until(async () => {
    const response = await fetch(url, { signal: next.signal });
    if (response.status !== 200) await response.body?.cancel();
    return response.status === 200;
  });
});

test('what is no id is refused in words', async () => {
  const world = siteOf(memoryReader([]));
  const response = await world.get('/api/live?since=yesterday');
  assert.equal(response.status, 400);
  assert.match(((await response.json()) as { error: string }).error, /since must be the id of an event/);
});
