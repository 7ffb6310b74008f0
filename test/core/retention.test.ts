import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ArchiveUse,
  decideArchive,
  decideOutput,
  decideRow,
  type Keep,
  type OutputFacts,
  oldBefore,
  outputValue,
} from '../../src/core/retention.ts';
import { later, NOW } from '../support/builders.ts';

const DAY = 86_400;
const KEEP = 60 * DAY * 1_000;
const daysAgo = (days: number): Date => later(-days * DAY);

const aUse = (change: Partial<ArchiveUse> = {}): ArchiveUse => ({
  runId: 'run1',
  finishedAt: daysAgo(61),
  isNewestOfOpenPullRequest: false,
  isNewestOfBranch: false,
  hasArtifacts: false,
  isKept: false,
  ...change,
});

const stays = (because: string, runId = 'run1') => ({ goes: false, because, runId });

const archives: [title: string, uses: ArchiveUse[], decision: object, keep?: Keep][] = [
  ['old, and nobody needs it', [aUse()], { goes: true, endedAt: daysAgo(61) }],
  ['younger than is kept', [aUse({ finishedAt: daysAgo(59) })], stays('young')],
  ['of exactly that age', [aUse({ finishedAt: daysAgo(60) })], stays('young')],
  ['kept for ever', [aUse()], stays('forever'), 'forever'],
  ['its run has not ended', [aUse({ finishedAt: undefined })], stays('unfinished')],
  ['of an open pull request', [aUse({ isNewestOfOpenPullRequest: true })], stays('newest-of-open-pull-request')],
  ['of a branch', [aUse({ isNewestOfBranch: true })], stays('newest-of-branch')],
  ['an operator keeps its run', [aUse({ isKept: true })], stays('kept')],
  ['its artifacts are kept', [aUse({ hasArtifacts: true })], stays('artifacts-kept')],
  [
    'shared, and one run needs it',
    [aUse(), aUse({ runId: 'run2', isNewestOfBranch: true }), aUse()],
    stays('newest-of-branch', 'run2'),
  ],
  [
    'shared, and one run is young',
    [aUse(), aUse({ runId: 'run2', finishedAt: daysAgo(2) }), aUse({ finishedAt: daysAgo(90) })],
    stays('young', 'run2'),
  ],
  [
    'shared, and all are old',
    [aUse({ finishedAt: daysAgo(90) }), aUse({ finishedAt: daysAgo(70) })],
    { goes: true, endedAt: daysAgo(70) },
  ],
];
for (const [title, uses, decision, keep = KEEP] of archives) {
  test(`a source archive: ${title}`, () => assert.deepEqual(decideArchive(uses, keep, NOW), decision));
}

/** Old, and of no value. */
const anOutput = (change: Partial<OutputFacts> = {}): OutputFacts => ({
  isRunFinished: true,
  finishedAt: daysAgo(61),
  verdict: 'failed',
  judgedBefore: 'failed',
  isNewestPass: false,
  ref: 'refs/heads/main',
  isLinked: false,
  isKept: false,
  ...change,
});

const VALUED = { valued: 365 * DAY * 1_000, releases: ['release-*', '20[0-9][0-9].*'] };
const GOES = { goes: true, endedAt: daysAgo(61) };
const staysAs = (because: string) => ({ goes: false, because });

const outputs: [title: string, facts: Partial<OutputFacts>, expected: object, keep?: Keep][] = [
  ['old', {}, GOES],
  ['young', { finishedAt: daysAgo(1) }, staysAs('young')],
  ['old, of a run that goes on', { isRunFinished: false }, staysAs('unfinished')],
  ['without an end', { finishedAt: undefined }, staysAs('unfinished')],
  ['of logs that are kept for ever', { finishedAt: daysAgo(9_999) }, staysAs('forever'), 'forever'],
  ['a failure after a pass', { judgedBefore: 'passed' }, staysAs('first-failure')],
  ['a failure that nothing was before', { judgedBefore: undefined }, staysAs('first-failure')],
  [
    'a first failure, older than what has a value is kept',
    { judgedBefore: 'passed', finishedAt: daysAgo(366) },
    { goes: true, endedAt: daysAgo(366) },
  ],
  ['a first failure, young', { judgedBefore: 'passed', finishedAt: daysAgo(1) }, staysAs('young')],
  ['an error of the infrastructure after a pass', { verdict: 'error', judgedBefore: 'passed' }, GOES],
  ['cancelled after a pass', { verdict: 'cancelled', judgedBefore: 'passed' }, GOES],
  ['a pass that another one followed', { verdict: 'passed' }, GOES],
  ['the newest pass', { verdict: 'passed', isNewestPass: true }, staysAs('last-green')],
  ['of a release branch', { ref: 'refs/heads/release-2026' }, staysAs('release')],
  ['of a tag', { version: '2026.08' }, staysAs('release')],
  ['of a commit beyond a tag', { version: '2026.08-12-gabc1234' }, GOES],
  ['of a tag that is no release', { version: 'nightly' }, GOES],
  ['of a pull request', { ref: undefined }, GOES],
  ['of a run that somebody linked to', { isLinked: true }, staysAs('linked')],
  [
    'linked to, and older than that',
    { isLinked: true, finishedAt: daysAgo(366) },
    { goes: true, endedAt: daysAgo(366) },
  ],
  ['kept by an operator, however old', { isKept: true, finishedAt: daysAgo(9_999) }, staysAs('kept')],
  [
    'kept, linked and of a release: the strongest reason is told',
    { isKept: true, isLinked: true, version: '2026.08' },
    staysAs('kept'),
  ],
];
for (const [title, facts, expected, keep = KEEP] of outputs) {
  test(`output of an attempt: ${title}`, () =>
    assert.deepEqual(decideOutput(anOutput(facts), keep, VALUED, NOW), expected));
}

const rows: [state: string, doneAt: Date | undefined, expected: object][] = [
  ['done', daysAgo(61), { goes: true, endedAt: daysAgo(61) }],
  ['done', daysAgo(59), { goes: false, because: 'young' }],
  ['pending', undefined, { goes: false, because: 'unfinished' }],
  ['running', daysAgo(61), { goes: false, because: 'unfinished' }],
  ['parked', daysAgo(61), { goes: false, because: 'waits-for-a-person' }],
];
for (const [state, doneAt, expected] of rows) {
  test(`a row that is ${state}, ended ${doneAt?.toISOString() ?? 'never'}`, () =>
    assert.deepEqual(decideRow({ state, doneAt }, KEEP, NOW), expected));
}

test('nothing is old where things are kept for ever', () => {
  assert.equal(oldBefore('forever', NOW), undefined);
  assert.deepEqual(oldBefore(KEEP, NOW), daysAgo(60));
});

const anyUse: fc.Arbitrary<ArchiveUse> = fc.record({
  runId: fc.stringMatching(/^[a-z]{4}$/),
  finishedAt: fc.option(fc.integer({ min: 0, max: 200 }).map(daysAgo), { nil: undefined, freq: 6 }),
  isNewestOfOpenPullRequest: fc.boolean(),
  isNewestOfBranch: fc.boolean(),
  hasArtifacts: fc.boolean(),
  isKept: fc.boolean(),
});
/** Mostly needed by nobody, or hardly an archive would ever go. */
const quietUse = anyUse.map((use) => aUse({ runId: use.runId, finishedAt: use.finishedAt ?? daysAgo(100) }));
const anyUses = fc.array(fc.oneof({ weight: 6, arbitrary: quietUse }, anyUse), { minLength: 1, maxLength: 6 });
const anyKeep: fc.Arbitrary<Keep> = fc.oneof(
  fc.integer({ min: 0, max: 150 }).map((days) => days * DAY * 1_000),
  fc.constant('forever' as const),
);

test('an archive goes if and only if it would go for each of its runs alone', () => {
  let gone = 0;
  fc.assert(
    fc.property(anyUses, anyKeep, (uses, keep) => {
      const decision = decideArchive(uses, keep, NOW);
      if (decision.goes) gone += 1;
      assert.equal(
        decision.goes,
        uses.every((use) => decideArchive([use], keep, NOW).goes),
      );
    }),
    { numRuns: 500, seed: 16 },
  );
  assert.ok(gone > 50 && gone < 450, `${gone} of 500 went`);
});

test('what stays names a run that refers to it; the order of the runs does not matter', () => {
  fc.assert(
    fc.property(anyUses, anyKeep, (uses, keep) => {
      const decision = decideArchive(uses, keep, NOW);
      if (!decision.goes) assert.ok(uses.some(({ runId }) => runId === decision.runId));
      assert.equal(decideArchive(uses.toReversed(), keep, NOW).goes, decision.goes);
    }),
    { numRuns: 300, seed: 16 },
  );
});

test('what went goes later as well, and with a shorter time', () => {
  fc.assert(
    fc.property(anyUses, fc.integer({ min: 0, max: 150 }), fc.integer({ min: 0, max: 50 }), (uses, days, more) => {
      const keep = days * DAY * 1_000;
      if (!decideArchive(uses, keep, NOW).goes) return;
      assert.ok(decideArchive(uses, keep, later(more * DAY)).goes);
      assert.ok(decideArchive(uses, Math.max(0, days - more) * DAY * 1_000, NOW).goes);
    }),
    { numRuns: 300, seed: 16 },
  );
});

const anyFacts: fc.Arbitrary<OutputFacts> = fc.record({
  isRunFinished: fc.boolean(),
  finishedAt: fc.option(fc.integer({ min: 0, max: 800 }).map(daysAgo), { nil: undefined, freq: 6 }),
  verdict: fc.constantFrom('passed', 'failed', 'error', 'cancelled', undefined),
  judgedBefore: fc.constantFrom('passed', 'failed', undefined),
  isNewestPass: fc.boolean(),
  ref: fc.constantFrom('refs/heads/main', 'refs/heads/release-1', undefined),
  version: fc.constantFrom('2026.08', '2026.08-1-gabcd123', undefined),
  isLinked: fc.boolean(),
  isKept: fc.boolean(),
});
const anyOutput = fc.oneof(
  anyFacts,
  anyFacts.map((facts) => anOutput({ finishedAt: facts.finishedAt ?? daysAgo(400) })),
);

test('output goes if and only if it is old by its kind, and has no value or is old by that, too', () => {
  let gone = 0;
  fc.assert(
    fc.property(anyOutput, anyKeep, anyKeep, (facts, keep, valued) => {
      const decision = decideOutput(facts, keep, { ...VALUED, valued }, NOW);
      const value = outputValue(facts, VALUED.releases);
      const isOldBy = (each: Keep) => facts.finishedAt !== undefined && facts.finishedAt < (oldBefore(each, NOW) ?? 0);
      const isWorthless = value === undefined || (value !== 'kept' && isOldBy(valued));
      assert.equal(decision.goes, facts.isRunFinished && isOldBy(keep) && isWorthless);
      if (decision.goes) gone += 1;
      else if (!['young', 'forever', 'unfinished'].includes(decision.because)) assert.equal(decision.because, value);
    }),
    { numRuns: 500, seed: 7 },
  );
  assert.ok(gone > 30 && gone < 470, `${gone} of 500 went`);
});

test('a value never shortens the time, and a longer time for values lets nothing more go', () => {
  fc.assert(
    fc.property(anyOutput, anyKeep, anyKeep, (facts, keep, valued) => {
      const goes = (given: OutputFacts, time: Keep) => decideOutput(given, keep, { ...VALUED, valued: time }, NOW).goes;
      if (goes(facts, valued)) assert.ok(goes({ ...facts, isLinked: false }, valued));
      if (goes(facts, 'forever')) assert.ok(goes(facts, valued));
      assert.equal(goes({ ...facts, isKept: true }, valued), false);
    }),
    { numRuns: 500, seed: 7 },
  );
});
