import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jobsIn } from '../../src/backends/azure/jobs.ts';
import { observationOf } from '../../src/backends/azure/observation.ts';
import { buildShape, timelineShape } from '../../src/backends/azure/schema.ts';
import { verdictOf } from '../../src/core/build.ts';

/** Whatever a timeline holds (loops, orphans, strange words), it is a list of jobs, and passes by words that say so only. */

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const record = fc.record({
  id,
  parentId: maybe(id),
  identifier: maybe(fc.constantFrom('s', 's.linux', '')),
  type: maybe(fc.constantFrom('Stage', 'Phase', 'Job', 'job', 'Task', 'Checkpoint.Approval', 'Odd')),
  name: maybe(fc.constantFrom('Linux', 'macOS', '__default', '', '\u001b[31mred\u001b[0m\n')),
  order: maybe(fc.integer({ min: -1, max: 3 })),
  state: maybe(
    fc.constantFrom<string | number>('pending', 'inProgress', 'completed', 'COMPLETED', 2, 0, 9, 'constructor'),
  ),
  result: maybe(
    fc.constantFrom<string | number>(
      'succeeded',
      'succeededWithIssues',
      'failed',
      'skipped',
      'abandoned',
      0,
      7,
      'toString',
    ),
  ),
  attempt: maybe(fc.integer({ min: 1, max: 3 })),
  startTime: maybe(fc.constantFrom('2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z', 'never')),
  finishTime: maybe(fc.constantFrom('2026-01-01T12:00:00Z', 'never')),
  issues: maybe(fc.array(fc.record({ type: fc.constantFrom('error', 'warning', 1), message: maybe(fc.string()) }))),
});
const build = fc.record({
  id: fc.constant(1),
  status: maybe(fc.constantFrom<string | number>('notStarted', 'inProgress', 'completed', 2, 'limbo')),
  result: maybe(fc.constantFrom<string | number>('succeeded', 'partiallySucceeded', 'failed', 'canceled', 2, 5, 'odd')),
});
const GOOD = new Set(['succeeded', 'succeededWithIssues', 'skipped', 0]);
const GOOD_BUILDS = new Set(['succeeded', 'partiallySucceeded', 2]);

test('no timeline is too strange, and none passes by a word that is not known', () => {
  fc.assert(
    fc.property(
      build,
      fc.array(record, { maxLength: 8 }),
      fc.array(record, { maxLength: 4 }),
      (told, current, before) => {
        const read = buildShape.parse(told);
        const records = timelineShape.parse({ records: current }).records ?? [];
        const earlier = timelineShape.parse({ records: before }).records ?? [];
        const jobs = jobsIn(read, { current: records, earlier: [earlier] }, 'passed');
        const seen = observationOf(read, jobs, records);
        assert.ok(seen.state !== 'lost');
        assert.equal(new Set(seen.jobs.map(({ name, attempt }) => `${attempt} ${name}`)).size, seen.jobs.length);
        for (const [at, job] of seen.jobs.entries()) {
          assert.equal(job.state === 'finished', job.verdict !== undefined, JSON.stringify(job));
          assert.ok(job.verdict !== 'passed' || GOOD.has(jobs[at]!.record.result!), JSON.stringify(jobs[at]));
          assert.ok(!job.startedAt || !job.finishedAt || job.startedAt <= job.finishedAt);
          assert.doesNotMatch(job.name, /[\n\u001b]/);
        }
        if (seen.state !== 'finished') return;
        assert.ok(seen.jobs.every(({ state }) => state === 'finished'));
        const whole = verdictOf([...seen.jobs, seen]);
        assert.ok(whole !== 'passed' || GOOD_BUILDS.has(read.result!), JSON.stringify(seen));
      },
    ),
    { numRuns: 2000 },
  );
});
