import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backOffMs } from '../../src/core/back-off.ts';
import { type Effect, laneOf, runOf, targetOf } from '../../src/core/effect.ts';
import { type Event, subjectOf, toJson } from '../../src/core/event.ts';
import { messages } from '../../src/core/messages.ts';
import { aRepository, NOW } from '../support/builders.ts';

const repository = aRepository();
const subjects: [Event, string][] = [
  [{ kind: 'branch.hinted', repository, ref: 'refs/heads/main', sha: null }, 'branch:github:1:refs/heads/main'],
  [{ kind: 'pull-request.hinted', repository, number: 7 } as Event, 'pull-request:github:1#7'],
  [{ kind: 'comment.told', repository, comment: { number: 7 } } as Event, 'pull-request:github:1#7'],
  [{ kind: 'check.rerequested', repository } as Event, 'repository:github:1'],
  [{ kind: 'repository.told', repository } as Event, 'repository:github:1'],
  [{ kind: 'repository.noted', repository, facts: { state: 'watched' } }, 'repository:github:1'],
  [{ kind: 'installation.told', installation: { key: 'github:9' } } as Event, 'installation:github:9'],
  [{ kind: 'hook.noted', hook: 'star' }, 'hook:star'],
  [{ kind: 'hook.unread', hook: 'push', why: 'w' }, 'hook:push'],
  [{ kind: 'branch.seen', subject: 'branch:github:1:refs/heads/main' } as Event, 'branch:github:1:refs/heads/main'],
  [{ kind: 'change.unreadable', subject: 's', repository, why: 'w' }, 's'],
  [{ kind: 'run.ended', runId: 'r', by: 'cancelled', why: 'w' }, 'run:r'],
  [{ kind: 'check.refused', runId: 'r', checkId: 'c', why: 'w' }, 'run:r'],
];
for (const [event, subject] of subjects) {
  test(`${event.kind} is ordered by ${subject}`, () => assert.equal(subjectOf(event), subject));
}

test('pull requests of one number in two repositories are two subjects', () => {
  const of = (key: string) => ({ kind: 'pull-request.hinted', repository: { key, name: 'a/b' }, number: 850 }) as Event;
  assert.notEqual(subjectOf(of('github:1')), subjectOf(of('github:2')));
});

const build = { runId: 'r', buildId: 'b', externalId: 'x' };
const effects: [Effect, string, string][] = [
  [{ kind: 'sources.resolve', runId: 'r' }, 'run:r', 'run:r'],
  [{ kind: 'source.pack', runId: 'r', sourceId: 's', repositoryKey: 'github:1' }, 'source:s', 'mirror:github:1'],
  [{ kind: 'sources.resolve', runId: 'r', catchUp: true }, 'run:r', 'catch-up'],
  [{ kind: 'build.start', ...build, backend: 'local' }, 'build:b', 'start:local'],
  [{ kind: 'build.follow', ...build }, 'build:b', 'build:b'],
  [{ kind: 'check.report', runId: 'r', checkId: 'c', installation: 'github:9' }, 'check:c', 'write:github:9'],
];
for (const [effect, target, lane] of effects) {
  test(`${effect.kind} aims at ${target}, in the lane ${lane}`, () => {
    assert.deepEqual([targetOf(effect), laneOf(effect), runOf(effect)], [target, lane, 'r']);
  });
}

test('a cancel does not wait for a follow of the same build', () => {
  const lanes = (['build.cancel', 'build.follow'] as const).map((kind) => laneOf({ kind, ...build }));
  assert.notEqual(lanes[0], lanes[1]);
});

test('a retry and the release of what it needs are never under way together', () => {
  const lanes = (['build.retry', 'build.release'] as const).map((kind) => laneOf({ kind, ...build }));
  assert.equal(lanes[0], lanes[1]);
});

test('every effect that can fail has words for people', () => {
  for (const [{ kind }] of effects) assert.ok(messages.effects[kind], kind);
});

test('a value as its row holds it: times are text, what is undefined is absent', () => {
  assert.deepEqual(toJson({ at: NOW, none: undefined, list: [{ at: NOW }] }), {
    at: '2026-11-21T12:00:00.000Z',
    list: [{ at: '2026-11-21T12:00:00.000Z' }],
  });
});

const waits: [number, number][] = [
  [0, 1_000],
  [1, 1_000],
  [2, 2_000],
  [5, 16_000],
  [9, 256_000],
  [10, 300_000],
  [1_000_000, 300_000],
];
for (const [tries, plain] of waits) {
  test(`after ${tries} tries the wait is about ${plain} ms, a quarter more or less`, () => {
    assert.equal(backOffMs(tries, 0.5), plain);
    assert.equal(backOffMs(tries, 0), plain * 0.75);
    assert.ok(backOffMs(tries, 0.999_999) <= plain * 1.25);
  });
}
