/** Output as `prove` prints it (App::Prove 3.4x), for stories that need the words and not the program. */
export interface ProvedFiles {
  passed?: string[];
  /** With the numbers of the tests that failed. */
  failed?: Record<string, number[]>;
  /** Files in which a TODO passed: no failures, and in the summary all the same. */
  todoPassed?: string[];
}

export function proveLog({ passed = ['t/ok.t'], failed = {}, todoPassed = [] }: ProvedFiles): string[] {
  const bad = Object.entries(failed);
  const running = [
    ...passed.map((file) => `${file} .. ok`),
    ...todoPassed.map((file) => `${file} .. ok`),
    ...bad.flatMap(([file, numbers]) => [
      `# Failed test ${numbers[0]}`,
      `${file} .. `,
      'Dubious, test returned 1 (wstat 256, 0x100)',
      `Failed ${numbers.length}/9 subtests `,
    ]),
  ];
  const files = passed.length + todoPassed.length + bad.length;
  return [
    ...running,
    ...(bad.length + todoPassed.length > 0 ? summary(bad, todoPassed) : ['All tests successful.']),
    `Files=${files}, Tests=${9 * files},  1 wallclock secs ( 0.02 usr  0.00 sys +  0.68 cusr  0.08 csys =  0.78 CPU)`,
    `Result: ${bad.length > 0 ? 'FAIL' : 'PASS'}`,
  ];
}

const summary = (bad: [string, number[]][], todoPassed: string[]): string[] => [
  ...(bad.length === 0 ? ['All tests successful.'] : []),
  '',
  'Test Summary Report',
  '-------------------',
  ...todoPassed.flatMap((file) => [`${file} (Wstat: 0 Tests: 9 Failed: 0)`, '  TODO passed:   1']),
  ...bad.flatMap(([file, numbers]) => [
    `${file} (Wstat: 256 (exited 1) Tests: 9 Failed: ${numbers.length})`,
    `  Failed test${numbers.length === 1 ? '' : 's'}:  ${numbers.join(', ')}`,
    '  Non-zero exit status: 1',
  ]),
];
