import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Hold } from '../../src/core/change.ts';
import { checkContent, jobsOf } from '../../src/core/check.ts';
import { type KeptOutput, type ResolvedSource, toJson } from '../../src/core/event.ts';
import { messages } from '../../src/core/messages.ts';
import type { Run, RunManifest, RunState } from '../../src/core/model.ts';
import { advance, type RunContext, startRun } from '../../src/core/run.ts';
import type { AttemptTests } from '../../src/core/testlog-kept.ts';
import { type RunRows, rowsOf, runOf } from '../../src/store/run-rows.ts';
import {
  aPull,
  aRepository,
  aRequest,
  aSource,
  counter,
  later,
  type RunEventToSend,
  seenJob,
  sha,
} from '../support/builders.ts';

/**
 * Whatever a run is told, in whatever order, how often, of builds and attempts that it never had: some things hold.
 * Ids are drawn from small sets, so that most events hit something.
 */

const words = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom('', 'a|b', '\n```', '\u001b[31m', '💥'.repeat(500)),
);
const progress = fc.constantFrom('queued', 'running', 'finished', 'finished');
const verdict = fc.oneof(
  { weight: 3, arbitrary: fc.constant('passed' as const) },
  { weight: 2, arbitrary: fc.constantFrom('failed', 'error', 'cancelled') },
);
// `newId` counts: the source is id1, the check id2 and the builds come next.
const buildId = fc.constantFrom('id3', 'id3', 'id3', 'id4', 'id4', 'unknown');
const attempt = fc.oneof(
  { weight: 4, arbitrary: fc.constant(1) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 }) },
);
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

const testsThat = (name: string): AttemptTests => ({
  passed: [],
  failed: [{ name, outcome: 'failed', failedCount: 1, failed: [], todoPassed: [], parseErrors: [] }],
  unreadable: [],
  otherFailures: [],
});

const kept: fc.Arbitrary<KeptOutput> = fc.record({
  externalName: jobName,
  number: attempt,
  tests: fc.constantFrom(undefined, testsThat('t/flap.t'), testsThat('t/flap.t'), testsThat('t/real.t')),
  log: fc.constantFrom(undefined, { bytes: 9, lines: 2 }, { bytes: 9, lines: 2, sha256: 'ee' }),
  artifacts: fc.subarray([{ name: 'core', size: 3, sha256: 'dd' }]),
});

const observation = fc.oneof(
  fc.record({ state: fc.constant('lost' as const), why: words }),
  fc.record(
    {
      state: progress,
      digest: fc.constant('d'),
      why: words,
      verdict: fc.constantFrom('failed', 'error', 'cancelled'),
      jobs: fc.array(job, { maxLength: 3 }),
    },
    { requiredKeys: ['state', 'digest', 'jobs'] },
  ),
);

const effect = fc.constantFrom('build.start', 'build.follow', 'check.report', 'sources.resolve', 'unheard');
const target = fc.constantFrom('check:id2', 'build:id3', '');
const checkId = fc.constantFrom('id2', 'id5', 'id6', 'id7', 'unknown');
const noManifest: RunManifest = { trees: [], partners: [], notes: [] };
const { id: _, ...changedSource } = aSource();
const neighbour = { ...changedSource, repository: aRepository({ key: 'github:2' }), changed: false };
const observed = fc.record({
  kind: fc.constant('build.observed' as const),
  buildId,
  attempt,
  observation,
  kept: fc.array(kept, { maxLength: 2 }),
});
const told: fc.Arbitrary<RunEventToSend> = fc.oneof(
  fc.record({
    kind: fc.constant('sources.resolved' as const),
    title: words,
    sources: fc.constantFrom<ResolvedSource[]>([changedSource], [changedSource, neighbour]),
    manifest: fc.constant(noManifest),
  }),
  fc.record({
    kind: fc.constant('source.packed' as const),
    sourceId: fc.constantFrom('id1', 'id1', 'unknown'),
    archive: fc.constant({ sha256: 'aa', size: 5, tarSha256: 'bb' }),
  }),
  fc.record({ kind: fc.constant('build.started' as const), buildId, attempt, externalId: words, url: words }),
  fc.record({ kind: fc.constant('check.reported' as const), checkId, externalId: words, reported: words }),
  fc.record({ kind: fc.constant('check.refused' as const), checkId, why: words }),
  fc.record({
    kind: fc.constant('effect.failed' as const),
    effect,
    target,
    why: words,
    retryAt: time,
  }),
);
const ending: fc.Arbitrary<RunEventToSend> = fc.oneof(
  fc.record({ kind: fc.constant('sources.failed' as const), why: words }),
  fc.record({
    kind: fc.constant('build.refused' as const),
    buildId,
    attempt,
    verdict: fc.constantFrom('error', 'cancelled'),
    why: words,
  }),
  fc.record(
    {
      kind: fc.constant('run.ended' as const),
      by: fc.constantFrom('superseded', 'cancelled'),
      sha: fc.constant(sha('c')),
      why: words,
    },
    { requiredKeys: ['kind', 'by', 'why'] },
  ),
  fc.record({ kind: fc.constant('effect.failed' as const), effect, target, why: words }),
);
/** Its one job failed by a flapper, at its first attempt or a later one. */
const flappedBuild = fc.record({ buildId, attempt, number: fc.integer({ min: 1, max: 3 }) }).map(
  ({ buildId, attempt, number }): RunEventToSend => ({
    kind: 'build.observed',
    buildId,
    attempt,
    observation: {
      state: 'finished',
      digest: 'd',
      jobs: [seenJob({ name: 'one', attempt: number, state: 'finished', verdict: 'failed' })],
    },
    kept: [{ externalName: 'one', number: attempt - 1 + number, artifacts: [], tests: testsThat('t/flap.t') }],
  }),
);

/** Mostly news of builds, seldom an end: most stories reach `building` and end by their builds. */
const anyEvent: fc.Arbitrary<RunEventToSend> = fc.oneof(
  { weight: 8, arbitrary: observed },
  { weight: 3, arbitrary: flappedBuild },
  { weight: 3, arbitrary: told },
  { weight: 1, arbitrary: ending },
);

const passedBuild = (build: string): RunEventToSend => ({
  kind: 'build.observed',
  buildId: build,
  attempt: 1,
  observation: {
    state: 'finished',
    digest: 'd',
    jobs: [seenJob({ name: 'one', state: 'finished', verdict: 'passed' })],
  },
  kept: [],
});

/** Events that carry a run forward, so that the others meet it in every state. */
const plot: RunEventToSend[] = [
  { kind: 'sources.resolved', title: 't', sources: [changedSource], manifest: noManifest },
  { kind: 'source.packed', sourceId: 'id1', archive: { sha256: 'aa', size: 5, tarSha256: 'bb' } },
  { kind: 'build.started', buildId: 'id3', attempt: 1, externalId: 'x' },
  { kind: 'build.started', buildId: 'id4', attempt: 1, externalId: 'y' },
  passedBuild('id3'),
  passedBuild('id4'),
];

/** A random story: the plot in its order, random events before, between, and after. */
const story = fc
  .array(fc.array(anyEvent, { maxLength: 3 }), { minLength: plot.length + 1, maxLength: plot.length + 1 })
  .map((between) => between.flatMap((events, index) => (plot[index] ? [...events, plot[index]] : events)));
const anyStory = fc.oneof(
  { weight: 3, arbitrary: story },
  { weight: 1, arbitrary: fc.array(anyEvent, { maxLength: 20 }) },
);

const start = fc.record({
  hold: fc.constantFrom<(Hold | undefined)[]>(undefined, undefined, undefined, {
    until: 'maintainer',
    why: messages.forkAsk,
  }),
  pull: fc.boolean(),
  backends: fc.subarray(['local', 'azure']),
});

/** Tell the run all of it; `look` sees each step. */
function play(
  { hold, pull, backends }: { hold: Hold | undefined; pull: boolean; backends: string[] },
  events: RunEventToSend[],
  look: (before: Run, after: Run, effects: ReturnType<typeof advance>['effects']) => void,
): Run {
  const ids = counter();
  const retries = (name: string): boolean => name === 'azure';
  const flappers = { known: [{ name: 't/flap.t' }], offFor: [], rules: [], retries };
  const context: RunContext = { now: later(500), newId: ids, backends, flappers };
  const request = pull ? aRequest({ change: aPull({ fork: true }), hold }) : aRequest({ hold });
  let { run } = startRun('01RUN', request, context);
  for (const event of events) {
    const step = advance(run, event, context);
    look(run, step.run, step.effects);
    run = step.run;
  }
  return run;
}

const runs = { numRuns: 500 };
const ORDER: RunState[] = ['waiting', 'resolving', 'packing', 'building', 'finished'];

test('the stories of these properties reach every state and every verdict', () => {
  const seen = new Set<string>();
  for (const [begin, events] of fc.sample(fc.tuple(start, anyStory), { numRuns: 1_000, seed: 1 })) {
    play(begin, events, (_, after) => seen.add(after.state === 'finished' ? `ended ${after.verdict}` : after.state));
  }
  const verdicts = ['passed', 'failed', 'error', 'cancelled', 'superseded', 'undefined'].map((end) => `ended ${end}`);
  assert.deepEqual([...seen].sort(), [...verdicts, 'building', 'packing', 'resolving', 'waiting'].sort());
});

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

test('what a run has once, it has for good: rows are added and changed, never removed', () => {
  const idsOf = (run: Run) =>
    [
      ...run.sources,
      ...run.builds,
      ...jobsOf(run),
      ...jobsOf(run).flatMap(({ attempts }) => attempts),
      ...run.checks,
    ].map(({ id }) => id);
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, after) => {
        const ids = new Set(idsOf(after));
        assert.ok(idsOf(before).every((id) => ids.has(id)));
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
        // A build that was given up has ended here, and is cancelled as well.
        assert.ok(unfinished.every((id) => cancelled.includes(id)));
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
        assert.ok(
          !kinds.includes('build.start') && !kinds.includes('source.pack') && !kinds.includes('sources.resolve'),
        );
        if (kinds.includes('build.follow')) assert.ok(kinds.includes('build.cancel'));
      });
    }),
    runs,
  );
});

test('a check is written exactly when it says something else while its run is not over, and always within GitHub’s limits', () => {
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, after, effects) => {
        const reported = effects.flatMap((effect) => (effect.kind === 'check.report' ? [effect.checkId] : []));
        const news = after.checks.filter((check) => {
          const content = checkContent(after, check, '', ['x'.repeat(100)]);
          assert.ok(content.title.length > 0 && content.title.length <= 255);
          assert.ok(content.summary.length <= 65_535 && (content.text ?? '').length <= 65_535);
          assert.equal(content.status === 'completed', content.conclusion !== undefined);
          if (before.state === 'finished') return false;
          const old = before.checks.find((each) => each.id === check.id);
          return (
            !old ||
            JSON.stringify(toJson(checkContent(before, old, ''))) !==
              JSON.stringify(toJson(checkContent(after, check, '')))
          );
        });
        // Late results of a run that has ended are for the record.
        const expected = before.state === 'finished' ? [] : news.map((check) => check.id);
        assert.deepEqual(reported, expected);
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
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((one, other) => one - other),
        );
        // A flapper's next attempt is counted before anybody tells of it.
        assert.ok(each.attempt === numbers.at(-1) || (run.flappers?.rerun && each.attempt > (numbers.at(-1) ?? 0)));
      }
    }),
    runs,
  );
});

test('flappers make a run’s jobs run again once at most, and end nothing that goes on', () => {
  let reruns = 0;
  fc.assert(
    fc.property(start, anyStory, (begin, events) => {
      play(begin, events, (before, after, effects) => {
        const isRerun = after.flappers?.rerun && !before.flappers?.rerun;
        if (before.flappers?.rerun) assert.deepEqual(after.flappers?.rerun, before.flappers.rerun);
        const asked = effects.some(({ kind }) => kind === 'build.retry');
        assert.ok(!asked || isRerun, 'jobs run again for flappers only, and once');
        if (!isRerun) return;
        reruns += 1;
        assert.equal(after.state, 'building');
        assert.ok(after.builds.some(({ state }) => state === 'queued'));
        // A check that was completed would have to be reopened, which GitHub does not do.
        for (const check of before.checks.filter(({ externalId }) => externalId)) {
          const now = after.checks.find(({ id }) => id === check.id)!;
          const wasCompleted = checkContent(before, check, '').status === 'completed';
          assert.ok(!wasCompleted || !now.externalId || checkContent(after, now, '').status === 'completed');
        }
      });
    }),
    { numRuns: 2_000 },
  );
  assert.ok(reruns > 10, `there were ${reruns}`);
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
