import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkContent, jobsOf } from '../../src/core/check.ts';
import { toJson } from '../../src/core/event.ts';
import { messages } from '../../src/core/messages.ts';
import type { Run, RunState } from '../../src/core/model.ts';
import { advance, type RunContext, startRun } from '../../src/core/run.ts';
import { type RunRows, rowsOf, runOf } from '../../src/store/run-rows.ts';
import { aPull, aRequest, later, type RunEventToSend, sha } from '../support/builders.ts';

/**
 * Whatever a run is told, in whatever order, how often, of builds and attempts that it never had: some things hold.
 * Ids are drawn from small sets, so that most events hit something.
 */

const words = fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom('', 'a|b', '\n```', '\u001b[31m', '💥'.repeat(500)));
const progress = fc.constantFrom('queued', 'running', 'finished');
const verdict = fc.constantFrom('passed', 'failed', 'error', 'cancelled');
// `newId` counts: the source is id1, the check id2 and the builds come next.
const buildId = fc.constantFrom('id3', 'id4', 'id5', 'unknown');
const attempt = fc.integer({ min: 0, max: 3 });
const time = fc.integer({ min: 0, max: 100 }).map((seconds) => later(seconds).toISOString());
const jobName = fc.constantFrom('one', 'two', '', '__proto__');

const job = fc.record(
  {
    name: jobName,
    attempt: fc.integer({ min: 1, max: 3 }),
    state: progress,
    verdict,
    why: words,
    timedOut: fc.boolean(),
    startedAt: time,
    finishedAt: time,
  },
  { requiredKeys: ['name', 'attempt', 'state'] },
);

const kept = fc.record({
  externalName: jobName,
  number: attempt,
  log: fc.constantFrom(undefined, { bytes: 9, lines: 2 }, { bytes: 9, lines: 2, sha256: 'ee' }),
  artifacts: fc.constantFrom([], [{ name: 'core', size: 3, sha256: 'dd' }]),
});

const observation = fc.oneof(
  fc.record({ state: fc.constant('lost' as const), why: words }),
  fc.record(
    { state: progress, digest: fc.constant('d'), why: words, jobs: fc.array(job, { maxLength: 3 }) },
    { requiredKeys: ['state', 'digest', 'jobs'] },
  ),
);

const checkId = fc.constantFrom('id2', 'id5', 'id6', 'id7', 'unknown');
const anyEvent: fc.Arbitrary<RunEventToSend> = fc.oneof(
  fc.record({ kind: fc.constant('sources.resolved' as const), title: words }),
  fc.record({
    kind: fc.constant('source.packed' as const),
    sourceId: fc.constantFrom('id1', 'id1', 'unknown'),
    archive: fc.constant({ sha256: 'aa', size: 5, tarSha256: 'bb' }),
  }),
  fc.record({ kind: fc.constant('sources.failed' as const), why: words }),
  fc.record({ kind: fc.constant('build.started' as const), buildId, attempt, externalId: words, url: words }),
  fc.record({
    kind: fc.constant('build.refused' as const),
    buildId,
    attempt,
    verdict: fc.constantFrom('error', 'cancelled'),
    why: words,
  }),
  fc.record({
    kind: fc.constant('build.observed' as const),
    buildId,
    attempt,
    observation,
    kept: fc.array(kept, { maxLength: 2 }),
  }),
  fc.record(
    { kind: fc.constant('run.ended' as const), by: fc.constantFrom('superseded', 'cancelled'), sha: fc.constant(sha('c')), why: words },
    { requiredKeys: ['kind', 'by', 'why'] },
  ),
  fc.record({ kind: fc.constant('check.reported' as const), checkId, externalId: words, reported: words }),
  fc.record({ kind: fc.constant('check.refused' as const), checkId, why: words }),
  fc.record(
    {
      kind: fc.constant('effect.failed' as const),
      effect: fc.constantFrom('build.start', 'build.follow', 'check.report', 'sources.resolve', 'unheard'),
      target: fc.constantFrom('check:id2', 'build:id3', ''),
      why: words,
      retryAt: time,
    },
    { requiredKeys: ['kind', 'effect', 'target', 'why'] },
  ),
);

/** Events that carry a run forward, so that the others meet it in every state. */
const plot: RunEventToSend[] = [
  { kind: 'sources.resolved', title: 't' },
  { kind: 'source.packed', sourceId: 'id1', archive: { sha256: 'aa', size: 5, tarSha256: 'bb' } },
  { kind: 'build.started', buildId: 'id3', attempt: 1, externalId: 'x' },
  { kind: 'build.started', buildId: 'id4', attempt: 1, externalId: 'y' },
];

/** A random story: the plot in its order, random events before, between, and after. */
const story = fc
  .array(fc.array(anyEvent, { maxLength: 4 }), { minLength: plot.length + 1, maxLength: plot.length + 1 })
  .map((between) => between.flatMap((events, index) => (plot[index] ? [...events, plot[index]] : events)));
const anyStory = fc.oneof({ weight: 3, arbitrary: story }, { weight: 1, arbitrary: fc.array(anyEvent, { maxLength: 20 }) });

const start = fc.record({
  hold: fc.constantFrom(undefined, undefined, undefined, messages.forkAsk),
  pull: fc.boolean(),
  backends: fc.constantFrom([], ['local'], ['local', 'azure'], ['local', 'azure']),
});

/** Tell the run all of it; `look` sees each step. */
function play(
  { hold, pull, backends }: { hold: string | undefined; pull: boolean; backends: string[] },
  events: RunEventToSend[],
  look: (before: Run, after: Run, effects: ReturnType<typeof advance>['effects']) => void,
): Run {
  let ids = 0;
  const context: RunContext = { now: later(500), newId: () => `id${(ids += 1)}`, backends };
  const request = pull ? aRequest({ change: aPull({ fork: true }), hold }) : aRequest({ hold });
  let { run } = startRun('01RUN', request, context);
  for (const event of events) {
    const step = advance(run, event, context);
    look(run, step.run, step.effects);
    run = step.run;
  }
  return run;
}

const runs = { numRuns: 600 };
const ORDER: RunState[] = ['waiting', 'resolving', 'packing', 'building', 'finished'];

test('a run only moves forward, and never leaves its end', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, after) => {
        assert.ok(ORDER.indexOf(after.state) >= ORDER.indexOf(before.state), `${before.state} → ${after.state}`);
        if (before.state !== 'finished') return;
        assert.equal(after.verdict, before.verdict);
        assert.equal(after.why, before.why);
        assert.deepEqual(after.finishedAt, before.finishedAt);
        assert.deepEqual(
          after.checks.map((check) => check.id),
          before.checks.map((check) => check.id),
        );
      });
    }),
    runs,
  );
});

test('a passed run has jobs, and all of them passed', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, after) => {
        if (before.state === 'finished' || after.verdict !== 'passed') return;
        assert.ok(jobsOf(after).length > 0);
        assert.deepEqual([...new Set(jobsOf(after).map((each) => each.verdict))], ['passed']);
      });
    }),
    runs,
  );
});

test('a run that ends has a finishing time and no build left that nobody cancels', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, after, effects) => {
        if (before.state === 'finished' || after.state !== 'finished') return;
        assert.ok(after.finishedAt);
        const cancelled = effects.flatMap((effect) => (effect.kind === 'build.cancel' ? [effect.buildId] : []));
        const unfinished = after.builds.filter((build) => build.state !== 'finished').map((build) => build.id);
        assert.deepEqual(cancelled, unfinished);
      });
    }),
    runs,
  );
});

test('nothing is started for a run that has ended; what starts late is cancelled', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, _after, effects) => {
        if (before.state !== 'finished') return;
        const kinds = effects.map((effect) => effect.kind);
        assert.ok(!kinds.includes('build.start') && !kinds.includes('source.pack') && !kinds.includes('sources.resolve'));
        if (kinds.includes('build.follow')) assert.ok(kinds.includes('build.cancel'));
      });
    }),
    runs,
  );
});

test('a check is written exactly when it says something else, and always within GitHub’s limits', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, after, effects) => {
        const reported = effects.flatMap((effect) => (effect.kind === 'check.report' ? [effect.checkId] : []));
        const news = after.checks.filter((check) => {
          const content = checkContent(after, check, '', ['x'.repeat(100)]);
          assert.ok(content.title.length > 0 && content.title.length <= 255);
          assert.ok(content.summary.length <= 65_535 && (content.text ?? '').length <= 65_535);
          assert.equal(content.status === 'completed', content.conclusion !== undefined);
          const old = before.checks.find((each) => each.id === check.id);
          return !old || JSON.stringify(toJson(checkContent(before, old, ''))) !== JSON.stringify(toJson(checkContent(after, check, '')));
        });
        assert.deepEqual(reported, news.map((check) => check.id));
      });
    }),
    runs,
  );
});

test('names of jobs and of checks are unique within a run, attempts of a job are in order and counted once', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      const run = play(begin, events, () => undefined);
      const unique = (values: unknown[]) => assert.equal(new Set(values).size, values.length);
      unique(jobsOf(run).map((each) => each.name));
      unique(run.checks.map((check) => check.name));
      unique(jobsOf(run).flatMap((each) => each.attempts.map((one) => one.id)));
      for (const each of jobsOf(run)) {
        const numbers = each.attempts.map((one) => one.number);
        assert.deepEqual(numbers, [...new Set(numbers)].sort((one, other) => one - other));
        assert.equal(each.attempt, numbers.at(-1));
      }
    }),
    runs,
  );
});

/** As Prisma answers rows: nested, with null for what is not there, and bigint where the column is one. */
function recordOf(rows: RunRows): Parameters<typeof runOf>[0] {
  const attempts = rows.attempt.map((row) => ({
    ...row,
    logBytes: row.logBytes === null ? null : BigInt(row.logBytes as number),
    artifacts: rows.artifact
      .filter((artifact) => artifact.attemptId === row.id)
      .map((artifact) => ({ ...artifact, size: BigInt(artifact.size as number) })),
  }));
  const jobs = rows.job.map((row) => ({ ...row, attempts: attempts.filter((each) => each.jobId === row.id) }));
  const record = {
    ...rows.run,
    sources: rows.source.map((row) => ({
      ...row,
      archiveSize: row.archiveSize === null ? null : BigInt(row.archiveSize as number),
    })),
    builds: rows.build.map((row) => ({ ...row, jobs: jobs.filter((each) => each.buildId === row.id) })),
    checks: rows.check,
  };
  return record as unknown as Parameters<typeof runOf>[0];
}

/** Without what is undefined; an absent `timedOut` is a false one. */
const plain = (run: Run): unknown =>
  JSON.parse(JSON.stringify(run), (key, value) => (key === 'timedOut' && value === false ? undefined : value));

test('a run survives its rows: whatever it was told is there again', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      const run = play(begin, events, () => undefined);
      assert.deepEqual(plain(runOf(recordOf(rowsOf(run)))), plain(run));
    }),
    runs,
  );
});

test('no row has an undefined column: Prisma would leave the old value standing', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      const rows = rowsOf(play(begin, events, () => undefined));
      for (const row of Object.values(rows).flat()) {
        assert.ok(!Object.values(row as object).includes(undefined), JSON.stringify(row));
      }
    }),
    { numRuns: 200 },
  );
});
