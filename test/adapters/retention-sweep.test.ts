import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { World } from '../../src/effects/effect.ts';
import { RETENTION_CURSOR, type SweepCursor, sweepRetention } from '../../src/effects/retention.ts';
import { SourceError } from '../../src/sources/sources.ts';
import type { Page, RetentionStore, StoredOutput } from '../../src/store/store.ts';
import { later, NOW } from '../support/builders.ts';

const DAY = 86_400;

/** A house with so many old logs and some mirrors; what is done in it is written down. */
function aHouse({ logs = 0, mirrors = [] as string[], failing = '' } = {}) {
  const kept = Array.from({ length: logs }, (_, at) => `log-${String(at).padStart(4, '0')}`);
  const done: string[] = [];
  let now = NOW;
  let cursor: SweepCursor | undefined;
  const store: RetentionStore = {
    archives: async () => [],
    artifacts: async () => [],
    logs: async (_, { after = '', limit }: Page) =>
      kept
        .filter((id) => id > after)
        .slice(0, limit)
        .map(
          (id): StoredOutput => ({
            id,
            runId: 'run1',
            name: 'local / test',
            size: 10,
            isRunFinished: true,
            finishedAt: later(-100 * DAY),
            isNewestPass: false,
            verdict: 'failed',
            judgedBefore: 'failed',
            isLinked: false,
            isKept: false,
          }),
        ),
    payloads: async (_, { after = 'the first' }) => {
      done.push(`payloads from ${after}`);
      return { rows: [], next: after === 'the first' ? '7' : undefined };
    },
    named: async () => new Set(),
    countEffects: async () => 0,
    archivesRemoved: async () => undefined,
    artifactsRemoved: async () => undefined,
    logsRemoved: async (ids) => {
      for (const id of ids) kept.splice(kept.indexOf(id), 1);
    },
    removePayloads: async () => undefined,
    removeSessions: async () => undefined,
    removeEffects: async () => 0,
    mirrored: async ({ after = '', limit }) =>
      mirrors
        .filter((key) => key > after)
        .slice(0, limit)
        .map((key) => ({ key, name: `name of ${key}` })),
    neededCommits: async () => ['abc'],
  };
  const tidied = { kind: 'tidied', dropped: 0, before: 0, after: 0 } as const;
  const world = {
    now: () => now,
    archive: { remove: async () => true, removeLog: async () => undefined },
    store: { cursor: async (name: string) => (name === RETENTION_CURSOR ? cursor : undefined) },
    retention: { keep: { sources: DAY, logs: DAY, artifacts: DAY, events: DAY, valued: DAY, releases: [] }, store },
    sources: {
      tidy: async ({ key }: { key: string }, { keep }: { keep: string[] }) => {
        if (key === failing) throw new SourceError('full', 'the disk is full');
        done.push(`tidied ${key}, but for ${keep.join(' ')}`);
        return tidied;
      },
      tidySubmodules: async () => {
        done.push('tidied submodules');
        return tidied;
      },
    },
  } as unknown as World;
  return {
    kept,
    done,
    cursor: () => cursor,
    wait: (seconds: number) => {
      now = new Date(now.getTime() + seconds * 1_000);
    },
    /** One turn; true when another one is due. */
    turn: async (signal = new AbortController().signal): Promise<boolean> => {
      const performed = await sweepRetention(world, signal);
      assert.equal(performed.forget, true);
      // As the database keeps it.
      cursor = JSON.parse(JSON.stringify(performed.cursors![0]!.value));
      return performed.againMs !== undefined;
    },
  };
}

async function sweep(house: ReturnType<typeof aHouse>): Promise<number> {
  for (let turns = 1; ; turns += 1) {
    assert.ok(turns < 100, 'the sweep does not end');
    if (!(await house.turn())) return turns;
  }
}

test('a sweep does one page a turn, and goes on where it stood', async () => {
  const house = aHouse({ logs: 500 });
  assert.equal(await house.turn(), true);
  assert.deepEqual([house.kept.length, house.cursor()?.step, house.cursor()?.swept?.logs?.count], [300, 'logs', 200]);
  await sweep(house);
  assert.deepEqual(house.kept, []);
  const { step, last } = house.cursor()!;
  assert.equal(step, undefined);
  assert.deepEqual(last?.swept, { logs: { count: 500, bytes: 5_000 } });
});

test('mirrors are tidied once a day, one a turn, and what is needed is told', async () => {
  const house = aHouse({ mirrors: ['github:1', 'github:2'] });
  await sweep(house);
  const tidied = () => house.done.filter((each) => each.startsWith('tidied'));
  const all = ['tidied github:1, but for abc', 'tidied github:2, but for abc', 'tidied submodules'];
  assert.deepEqual(tidied(), all);
  house.wait(DAY - 1);
  assert.equal(await sweep(house), 1);
  assert.deepEqual(tidied(), all);
  house.wait(1);
  await sweep(house);
  assert.deepEqual(tidied(), [...all, ...all]);
});

test('payloads are looked at from where the last sweep stood, and once a day from the first one on', async () => {
  const house = aHouse();
  await sweep(house);
  house.wait(3_600);
  await sweep(house);
  house.wait(DAY);
  await sweep(house);
  assert.deepEqual(
    house.done.filter((each) => each.startsWith('payloads')),
    ['payloads from the first', 'payloads from 7', 'payloads from 7', 'payloads from the first', 'payloads from 7'],
  );
});

test('a mirror that cannot be tidied is told, and does not keep the others waiting', async () => {
  const house = aHouse({ mirrors: ['github:1', 'github:2'], failing: 'github:1' });
  await sweep(house);
  assert.ok(house.done.includes('tidied github:2, but for abc'));
  assert.deepEqual(house.cursor()?.last?.trouble, ['name of github:1: the disk is full']);
});

test('a stop is obeyed between two pages', async () => {
  const house = aHouse({ logs: 500 });
  await assert.rejects(house.turn(AbortSignal.abort()), { name: 'AbortError' });
  assert.equal(house.kept.length, 500);
});
