import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Run } from '../../src/core/model.ts';
import type { Reader } from '../../src/site/reader.ts';
import { openStore } from '../../src/store/prisma.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { aBuild, aJob, anAttempt, aPull, aRun } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { aFailure, aReading, tests } from '../support/readings.ts';
import { NOW } from './site-fakes.ts';

/** What the page of a log reads of the store, as the bot writes it. */
describe('beside a log', () => {
  let stored: TestDatabase;
  let reader: Reader;
  before(async () => {
    stored = await testDatabase();
    reader = createPrismaReader(stored.database.prisma, { now: () => NOW });
  });
  after(() => stored.close());

  const MAIN = 'branch:github:1:refs/heads/main';
  const PULL = 'pull-request:github:1#7';
  const save = (run: Run) => openStore(stored.database.prisma, () => NOW).saveRun(run);

  /** A run with the jobs `local / test` and `local / lint`, of which the first ended so. */
  const runThat = (id: string, verdict: 'passed' | 'failed', change: Partial<Run> = {}): Run => {
    const job = (name: string, ended: 'passed' | 'failed') =>
      aJob({
        id: `${id}-${name}`,
        name: `local / ${name}`,
        externalName: name,
        verdict: ended,
        attempts: [
          anAttempt({ id: `${id}-${name}-1`, verdict: 'failed' }),
          anAttempt({ id: `${id}-${name}-2`, number: 2, verdict: ended }),
        ],
      });
    const jobs = [job('test', verdict), job('lint', 'passed')];
    const builds = [aBuild({ id: `${id}-build`, externalId: `${id}-x`, verdict, jobs })];
    return aRun({ id, verdict, subject: MAIN, sources: [], checks: [], builds, ...change });
  };
  const ofPull = { subject: PULL, change: aPull({ base: { ref: 'main', sha: 'b'.repeat(40) } }) };

  const greenOf = async (runId: string, name = 'local / test') => {
    const green = await reader.lastGreen(runId, name);
    return green && [green.run.id, green.job.id, green.attempt.id];
  };

  test('the last green run is the newest before, of the pull request or of the branch that it goes to', async () => {
    await save(runThat('01A', 'passed'));
    await save(runThat('02B', 'failed'));
    await save(runThat('03C', 'passed', { subject: 'branch:github:1:refs/heads/other' }));
    await save(runThat('04D', 'failed', ofPull));
    assert.deepEqual(await greenOf('04D'), ['01A', '01A-test', '01A-test-2'], 'of the branch');
    assert.deepEqual(await greenOf('04D', 'local / lint'), ['02B', '02B-lint', '02B-lint-2'], 'this job passed there');
    await save(runThat('05E', 'passed', ofPull));
    await save(runThat('06F', 'failed', ofPull));
    assert.deepEqual(await greenOf('06F'), ['05E', '05E-test', '05E-test-2'], 'of the pull request');
    await save(runThat('07G', 'passed'));
    assert.deepEqual(await greenOf('06F'), ['05E', '05E-test', '05E-test-2'], 'not of a later run');
    await save(runThat('08H', 'failed'));
    assert.deepEqual(await greenOf('08H'), ['07G', '07G-test', '07G-test-2'], 'a branch is not compared with pulls');
    assert.equal(await greenOf('01A'), undefined);
    assert.equal(await greenOf('08H', 'local / unknown'), undefined);
    assert.equal(await greenOf('no-such-run'), undefined);
  });

  test('failed tests come with their lines, in order, and what failed beside them', async () => {
    const reading = aReading({
      attemptId: '09I-test-1',
      tests: {
        ...tests(
          ['t/ok.t'],
          [
            aFailure('t/late.t', { line: 90 }),
            aFailure('t/early.t', { line: 12 }),
            aFailure('t/junit.t', { line: undefined }),
          ],
        ),
        otherFailures: [{ line: 50, text: 'make: *** [all] Error 2' }],
      },
    });
    await stored.database.prisma.$transaction((client) => openStore(client, () => NOW).saveTests(reading));
    assert.deepEqual(await reader.failedTests('09I-test-1'), [
      { line: 12, text: 't/early.t', kind: 'test' },
      { line: 50, text: 'make: *** [all] Error 2', kind: 'error' },
      { line: 90, text: 't/late.t', kind: 'test' },
    ]);
    assert.deepEqual(await reader.failedTests('unread'), []);
  });

  test('an attempt tells when retention removed its log', async () => {
    await save(runThat('10J', 'passed'));
    await stored.database.prisma.attempt.update({ where: { id: '10J-test-2' }, data: { logRemovedAt: NOW } });
    const found = await reader.job('10J', '10J-test');
    assert.deepEqual(
      found?.job.attempts.map(({ logRemovedAt }) => logRemovedAt),
      [NOW, undefined],
    );
  });
});
