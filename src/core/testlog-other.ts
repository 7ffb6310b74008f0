import type { TestFiles } from './testlog-files.ts';

/**
 * Finds the lines of build tools that tell of a failure which the tests do not explain. `make` says that it gives up
 * right after the `Result: FAIL` that it gives up for, and passes that up through its callers; said anywhere else it is
 * about something else. The same goes for rpmbuild (OBS), where the section that runs tests is `%check`.
 */

const MAKE = /^(?:\S{0,40}make(?:\.exe)?(?:\[\d{1,4}\])?: |N?MAKE\s?: )/i;
const MAKE_FAILED = /\*\*\* (?!Waiting for unfinished jobs|Deleting (?:intermediate )?file)|^N?MAKE\s?: fatal error/i;
const RPM = /^(?:RPM build errors:|error: Bad exit status from \S+ \(%(\w+)\)| {4}Bad exit status from \S+ \(%\w+\))/;
/** Azure's and GitHub's marks, and the shell's trace. */
const NOTE = /^(?:##\[|\+ |\s*$)/;

export interface OtherFailuresReader {
  line(text: string, number: number): void;
}

export function otherFailuresReader(files: TestFiles): OtherFailuresReader {
  let isExplained = false;
  return {
    line(text, number) {
      if (text === 'Result: FAIL') isExplained = true;
      else if (MAKE.test(text)) {
        if (!isExplained && MAKE_FAILED.test(text)) files.otherFailure(number, text);
      } else if (!NOTE.test(text)) {
        const rpm = RPM.exec(text);
        if (!rpm) isExplained = false;
        else if (rpm[1] && rpm[1] !== 'check' && !isExplained) files.otherFailure(number, text);
      }
    },
  };
}
