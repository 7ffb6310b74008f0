import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Reader } from '../../src/site/reader.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { sha } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { ago, NOW } from './site-fakes.ts';
import { addStack, DIGEST, MANIFEST, PULL, STACK } from './site-stack.ts';

// What the store wrote, read for the page of a run.
let stored: TestDatabase;
let reader: Reader;
before(async () => {
  stored = await testDatabase();
  await addStack(stored.database.prisma, NOW);
  reader = createPrismaReader(stored.database.prisma, { now: () => NOW });
});
after(() => stored.close());

test('a manifest is read as it was written: what it was merged with, trees, partners, notes', async () => {
  const run = (await reader.run(STACK.again))!;
  assert.deepEqual(run.manifest, MANIFEST);
  const { id: _, ...source } = run.sources[0]!;
  assert.deepEqual(source, {
    repository: 'rakudo/rakudo',
    sha: sha('a'),
    ref: 'refs/pull/812/head',
    base: sha('b'),
    pullRequest: 812,
    merged: { sha: sha('c'), tree: sha('e') },
    version: '2026.10-41-gaaaaaaaaa',
    changed: true,
    why: 'head of pull request #812',
    archive: { sha256: DIGEST, size: 6_104_233, tarSha256: 'd2'.repeat(32) },
  });
  const unmerged = run.sources.find(({ repository }) => repository === 'MoarVM/MoarVM')!;
  assert.deepEqual([unmerged.merged, unmerged.pullRequest, unmerged.version], [undefined, undefined, undefined]);
});

test('a re-test and what it repeats know one another', async () => {
  const [first, again] = [(await reader.run(STACK.first))!, (await reader.run(STACK.again))!];
  assert.deepEqual([first.previous, again.next], [undefined, undefined]);
  assert.deepEqual([first.next?.id, first.next?.trigger, first.next?.verdict], [STACK.again, 'command', 'passed']);
  assert.deepEqual([again.previous?.id, again.previous?.verdict], [STACK.first, 'failed']);
});

test('the wishes to merge a pull request come newest first, with the last decision', async () => {
  const wishes = await reader.mergeWishes(PULL, 10);
  assert.deepEqual(
    wishes.map(({ id, state, requester, commentId }) => [id, state, requester, commentId]),
    [
      ['wish2', 'open', 'lizmat', '998877'],
      ['wish1', 'refused', 'lizmat', 'description'],
    ],
  );
  assert.deepEqual(wishes[0]!.decision, { kind: 'wait', because: 'partner', lookAgainMs: 1, names: ['Raku/nqp#97'] });
  assert.deepEqual(await reader.mergeWishes('pull-request:github:1#1', 10), []);
});

test('a timeline has what led to its run, and ends where the next one begins', async () => {
  const kindsOf = async (id: string, limit = 200) => {
    const { rows, isCut } = await reader.timeline({ id, subject: PULL }, limit);
    return { kinds: rows.map(({ kind }) => kind), isCut };
  };
  assert.deepEqual(await kindsOf(STACK.first), {
    kinds: ['pull-request.hinted', 'pull-request.seen', 'run.requested', 'build.observed', 'command.seen'],
    isCut: false,
  });
  const again = await kindsOf(STACK.again);
  assert.deepEqual(again.kinds.slice(0, 3), ['command.seen', 'run.requested', 'sources.resolved']);
  assert.equal(again.kinds.at(-1), 'merge.called');
  assert.deepEqual(await kindsOf(STACK.again, 2), { kinds: ['effect.failed', 'merge.called'], isCut: true });
});

test('what was answered to those who asked is in the timeline of the run that came of it', async () => {
  const { prisma } = stored.database;
  const effect = (
    id: string,
    age: number,
    rest: { kind: string; target: string; lane?: string; payload?: object },
  ) => ({
    ...{ id, state: 'done', lane: 'write:github:9', payload: {}, ...rest },
    ...{ dueAt: ago(age), createdAt: ago(age), doneAt: ago(age) },
  });
  const react = { kind: 'comment.react', target: 'reaction:github:1:998800', payload: { content: 'rocket' } };
  const answer = (key: string, number = 812) => ({
    ...{ kind: 'comment.answer', target: `answer:github:1#${number}:${key}`, payload: { text: key } },
  });
  await prisma.effect.createMany({
    data: [
      effect('react', 3690, react),
      effect('answer', 3400, answer('why')),
      effect('parked', 3300, { ...answer('late'), payload: { text: 'x'.repeat(100) } }),
      effect('other-pull', 3300, answer('other', 8120)),
      effect('other-comment', 3300, { ...react, target: 'reaction:github:1:1' }),
      effect('other-lane', 3300, { ...answer('lane'), lane: 'write:github:10' }),
      effect('too-late', -300_000, answer('too late')),
      effect('too-early', 7_400, answer('too early')),
    ],
  });
  const answers = async (id: string, limit = 200) =>
    (await reader.timeline({ id, subject: PULL }, limit)).rows.filter(({ isEffect }) => isEffect).map(({ key }) => key);
  assert.deepEqual(await answers(STACK.again), ['react', 'answer', 'parked']);
  assert.deepEqual(await answers(STACK.first), ['react'], 'it was the newest run when it was asked');
  const cut = await reader.timeline({ id: STACK.again, subject: PULL }, 4);
  assert.deepEqual([cut.rows.length, cut.isCut], [4, true]);
  assert.deepEqual(await reader.timeline({ id: 'none', subject: 'branch:none' }, 5), { rows: [], isCut: false });
});

test('an event that is too long for a line is told by its kind alone', async () => {
  const { prisma } = stored.database;
  const at = new Date(NOW.getTime() - 100_000);
  // What does not compress is as long in the row as it is.
  const noise = Array.from({ length: 4_000 }, (_, i) => Math.sin(i).toString(36).slice(2)).join('');
  const row = { subject: 'run:01long', kind: 'run.noted', state: 'done', dueAt: at, createdAt: at };
  await prisma.event.createMany({
    data: [
      { ...row, id: 'long', key: 'long', payload: { kind: 'run.noted', runId: '01long', notes: [noise] } },
      { ...row, id: 'short', key: 'short', payload: { kind: 'run.noted', runId: '01long', notes: ['short'] } },
    ],
  });
  const { rows } = await reader.timeline({ id: '01long', subject: 'branch:none' }, 10);
  assert.deepEqual(
    rows.map(({ key, payload }) => [key, payload !== undefined]),
    [
      ['long', false],
      ['short', true],
    ],
  );
});
