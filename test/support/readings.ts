import type { TestFile } from '../../src/core/testlog-files.ts';
import type { AttemptTests, TestReading } from '../../src/core/testlog-kept.ts';
import { NOW } from './builders.ts';

/** What was read of tests, with a default for everything. */

export const aFailure = (name: string, change: Partial<TestFile> = {}): TestFile => ({
  name,
  outcome: 'failed',
  line: 120,
  tests: 12,
  failedCount: 1,
  failed: [{ from: 3, to: 3 }],
  todoPassed: [],
  exit: 1,
  parseErrors: [],
  ...change,
});

export const tests = (passed: string[], failed: (string | TestFile)[] = []): AttemptTests => ({
  passed,
  failed: failed.map((each) => (typeof each === 'string' ? aFailure(each) : each)),
  unreadable: [],
  otherFailures: [],
});

export const aReading = (change: Partial<TestReading> = {}): TestReading => ({
  attemptId: 'attempt1',
  runId: 'run1',
  subject: 'branch:github:1:refs/heads/main',
  job: 'azure / Lin_MVM',
  platform: 'Lin_MVM',
  sourceSet: 'set1',
  at: NOW,
  tests: tests(['t/a.t'], ['t/b.t']),
  ...change,
});
