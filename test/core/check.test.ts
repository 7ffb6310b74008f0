import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CheckContent, checkContent } from '../../src/core/check.ts';
import type { Job, Run } from '../../src/core/model.ts';
import { aCheck, aJob, anAttempt, aRun, aSource, later, NOW, runOfJobs, sha } from '../support/builders.ts';

const URL = 'https://rcb.example';
const runCheck = (change: Partial<Run>): CheckContent => checkContent(aRun(change), aCheck(), URL);
const jobCheck = (job: Partial<Job>, change: Partial<Run> = {}, tail: string[] = []): CheckContent => {
  const check = aCheck({ id: 'check2', jobId: 'job1', name: 'local / test' });
  return checkContent(runOfJobs([aJob(job)], { verdict: job.verdict, ...change }), check, URL, tail);
};

const passed = aJob();
const failed = aJob({ id: 'job2', name: 'local / other', verdict: 'failed' });
const conclusions: [string, Run, CheckContent['conclusion'], string][] = [
  ['passed', runOfJobs([passed, aJob({ id: 'job2' })]), 'success', 'All 2 jobs passed'],
  ['passed, of one job', runOfJobs([passed]), 'success', 'The job passed'],
  ['failed', runOfJobs([passed, failed], { verdict: 'failed' }), 'failure', '1 of 2 jobs did not pass'],
  ['error', aRun({ verdict: 'error', why: 'no agent' }), 'failure', 'Infrastructure error: no agent'],
  ['error, without a reason', aRun({ verdict: 'error' }), 'failure', 'Infrastructure error: no reason was given'],
  [
    'error, told by a job',
    runOfJobs([aJob({ verdict: 'error', why: 'killed' })], { verdict: 'error' }),
    'failure',
    'Infrastructure error: killed',
  ],
  [
    'error, because a deadline passed',
    runOfJobs([aJob({ verdict: 'error', timedOut: true, why: 'silent for 600 s' })], { verdict: 'error' }),
    'timed_out',
    'Infrastructure error: silent for 600 s',
  ],
  [
    'cancelled',
    aRun({ verdict: 'cancelled', why: 'the branch was deleted' }),
    'cancelled',
    'Cancelled: the branch was deleted',
  ],
  ['superseded', aRun({ verdict: 'superseded', supersededBySha: sha('c') }), 'cancelled', 'Superseded by cccccccccc'],
  ['nothing to run', aRun({ verdict: undefined }), 'neutral', 'Nothing to run'],
];
for (const [verdict, run, conclusion, title] of conclusions) {
  test(`the check of a run that is ${verdict}`, () => {
    const content = checkContent(run, aCheck(), URL);
    assert.deepEqual([content.status, content.conclusion, content.title], ['completed', conclusion, title]);
    assert.deepEqual([content.startedAt, content.completedAt], [NOW, later(60)]);
  });
}

const progress: [Run['state'], CheckContent['status'], string][] = [
  ['waiting', 'queued', 'Waiting: for a maintainer'],
  ['resolving', 'queued', 'Finding the commits to test'],
  ['packing', 'in_progress', 'Packing the source archives'],
  ['building', 'in_progress', 'Builds are queued'],
];
for (const [state, status, title] of progress) {
  test(`the check of a run that is ${state}`, () => {
    const content = runCheck({ state, verdict: undefined, finishedAt: undefined });
    assert.deepEqual([content.status, content.title, content.conclusion], [status, title, undefined]);
    assert.equal(content.completedAt, undefined);
  });
}

test('the check of a run that builds counts its jobs', () => {
  const run = runOfJobs([passed, aJob({ id: 'job2', state: 'running', verdict: undefined })], {
    state: 'building',
    verdict: undefined,
  });
  assert.equal(checkContent(run, aCheck(), URL).title, '1 of 2 jobs finished');
});

const jobConclusions: [string, Partial<Job>, CheckContent['conclusion'], string][] = [
  ['passed', { verdict: 'passed' }, 'success', 'Passed'],
  ['failed', { verdict: 'failed', why: 'exit status 2' }, 'failure', 'Failed: exit status 2'],
  ['failed, without a reason', { verdict: 'failed' }, 'failure', 'Failed'],
  ['error', { verdict: 'error', why: 'lost' }, 'failure', 'Infrastructure error: lost'],
  [
    'error after a deadline',
    { verdict: 'error', timedOut: true, why: 'slow' },
    'timed_out',
    'Infrastructure error: slow',
  ],
  ['a deadline that the tests missed', { verdict: 'failed', timedOut: true, why: 'slow' }, 'failure', 'Failed: slow'],
  ['cancelled', { verdict: 'cancelled', why: 'by hand' }, 'cancelled', 'Cancelled: by hand'],
];
for (const [title, job, conclusion, shown] of jobConclusions) {
  test(`the check of a job: ${title}`, () => {
    const run = { verdict: job.verdict === 'cancelled' ? ('failed' as const) : job.verdict };
    const content = jobCheck(job, run);
    assert.deepEqual([content.status, content.conclusion, content.title], ['completed', conclusion, shown]);
  });
}

test('the check of a job that is queued, and of one that runs', () => {
  const building = { state: 'building', verdict: undefined } as const;
  const queued = jobCheck({ state: 'queued', verdict: undefined }, building);
  assert.deepEqual([queued.status, queued.title, queued.conclusion], ['queued', 'Queued', undefined]);
  const running = jobCheck(
    { state: 'running', verdict: undefined, attempts: [anAttempt({ state: 'running' })] },
    building,
  );
  assert.deepEqual([running.status, running.title, running.startedAt], ['in_progress', 'Running', later(1)]);
});

test('a run that is superseded takes the checks of its jobs with it, also of those that passed', () => {
  for (const job of [{ verdict: 'passed' }, { state: 'running', verdict: undefined }] as Partial<Job>[]) {
    const content = jobCheck(job, { verdict: 'superseded', supersededBySha: sha('c') });
    assert.deepEqual(
      [content.status, content.conclusion, content.title],
      ['completed', 'cancelled', 'Superseded by cccccccccc'],
    );
  }
});

test('a job that is not over when its run is never looks like a pass', () => {
  const content = jobCheck({ state: 'running', verdict: undefined }, { verdict: 'passed' });
  assert.notEqual(content.conclusion, 'success');
});

test('a check names its head, its id and its page', () => {
  const run = runCheck({ id: '01/RUN' });
  assert.deepEqual(
    [run.name, run.headSha, run.externalId, run.detailsUrl],
    ['rcb', sha('a'), 'check1', 'https://rcb.example/runs/01%2FRUN'],
  );
  assert.equal(jobCheck({}).detailsUrl, 'https://rcb.example/runs/01RUN/jobs/job1');
});

test('the summary has the manifest and the jobs', () => {
  const { summary } = checkContent(runOfJobs([passed, failed], { verdict: 'failed', why: 'because' }), aCheck(), URL);
  assert.match(summary, /^because\n/);
  assert.match(summary, new RegExp(`\\| MoarVM/MoarVM \\| ${sha('a')} \\| head of main \\|`));
  assert.match(summary, /\| local \/ other \| failed \|/);
  assert.match(summary, /\(https:\/\/rcb\.example\/runs\/01RUN\)/);
});

test('a reason of several lines, with bars, stays in its cell', () => {
  const why = 'first | second\n\n# third\r\n| fourth | fifth |';
  const { summary } = checkContent(
    runOfJobs([aJob({ why, verdict: 'failed' })], { verdict: 'failed', sources: [aSource({ why })] }),
    aCheck(),
    URL,
  );
  const rows = summary.split('\n').filter((line) => line.startsWith('| local / test') || line.startsWith('| MoarVM'));
  assert.equal(rows.length, 2);
  for (const row of rows) assert.equal(row.match(/(?<!\\)\|/g)?.length, 4, row);
  assert.doesNotMatch(summary, /^# third/m);
});

test('a failed job shows the end of its log, plain', () => {
  const { text } = jobCheck({ verdict: 'failed' }, {}, ['one', '\u001b[31mnot ok 2\u001b[0m']);
  assert.equal(text, 'The log’s last lines:\n\n```text\none\nnot ok 2\n```'.replace('’', "'"));
});

test('of a long log the last lines are shown, at most forty', () => {
  const { text } = jobCheck(
    { verdict: 'failed' },
    {},
    Array.from({ length: 100 }, (_, index) => `line ${index}`),
  );
  assert.match(text!, /\nline 99\n```$/);
  assert.match(text!, /\nline 60\n/);
  assert.doesNotMatch(text!, /\nline 59\n/);
});

/** What GitHub would refuse, and what would not be shown as meant. */
function assertAcceptable(content: CheckContent): void {
  assert.ok(content.title.length > 0, 'a title must be there');
  assert.ok(content.title.length <= 255);
  for (const text of [content.summary, content.text ?? '']) {
    assert.ok(Buffer.byteLength(text) <= 65_535);
    assert.ok(text.length <= 65_535);
  }
}

const hostile: [string, string[]][] = [
  ['lines of 100 kB', Array(40).fill('x'.repeat(100_000))],
  ['characters of four bytes', Array(40).fill('💥'.repeat(25_000))],
  ['colours only', Array(40).fill('\u001b[31m'.repeat(10_000))],
  ['nothing but backquotes', Array(40).fill('`'.repeat(100_000))],
  ['a fence in it', ['```', '````text', '`````']],
];
for (const [title, tail] of hostile) {
  test(`a log of ${title} keeps to the limits, and its fence is closed`, () => {
    const content = jobCheck({ verdict: 'failed' }, {}, tail);
    assertAcceptable(content);
    assert.ok(!content.text!.includes('\ufffd'));
    const lines = content.text!.split('\n');
    const fence = lines.find((line) => /^`{3,}text$/.test(line))!.replace('text', '');
    assert.ok(lines.includes(fence), 'the text ends inside its own fence');
  });
}

test('ten thousand jobs are cut, with a word about it and a link', () => {
  const jobs = Array.from({ length: 10_000 }, (_, index) => aJob({ id: `j${index}`, name: `local / 💥 ${index}` }));
  const content = checkContent(runOfJobs(jobs), aCheck(), URL);
  assertAcceptable(content);
  assert.match(content.summary, /… cut here; the whole is on \[the page\]\(https:\/\/rcb\.example\/runs\/01RUN\)\.$/);
  assert.ok(!content.summary.includes('\ufffd'));
});

test('any words of any length make a check that GitHub takes', () => {
  const words = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', ' ', '\n', '|'.repeat(70_000), '💥'.repeat(30_000), '`'.repeat(70_000), '@'.repeat(70_000)),
  );
  const verdict = fc.constantFrom('passed', 'failed', 'error', 'cancelled', undefined);
  const state = fc.constantFrom('waiting', 'resolving', 'packing', 'building', 'finished');
  fc.assert(
    fc.property(
      words,
      words,
      words,
      verdict,
      state,
      fc.array(words, { maxLength: 50 }),
      (name, why, id, end, at, tail) => {
        const job = aJob({ id: 'job1', name, why, verdict: end, state: end ? 'finished' : 'running' });
        const run = runOfJobs([job], { id, why, state: at, verdict: at === 'finished' ? end : undefined });
        run.sources = [aSource({ why })];
        for (const jobId of [undefined, 'job1', 'unknown']) {
          const content = checkContent(run, aCheck({ jobId }), URL, tail);
          if (id.length < 1_000) assertAcceptable(content);
          assert.equal(content.status === 'completed', content.conclusion !== undefined);
        }
      },
    ),
    { numRuns: 300 },
  );
});
