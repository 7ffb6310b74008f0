import type { KnownFlapper } from '../core/flapper.ts';
import { dayOf, listedAs } from '../core/flapper-suggest.ts';
import { newsWord } from '../core/messages-failures.ts';
import { logLinePath } from './links.ts';
import type { FailedTest, RunFailures } from './reader-tests.ts';

/** What failed in a run as JSON. `news`: `new`, or `since` a run; absent where nothing is known. `main`: the newest run of
 *  the branch where it would land, in the same job. */
export function apiFailures(runId: string, failures: RunFailures, known: readonly KnownFlapper[], publicUrl: string) {
  const url = (jobId: string | undefined, line: number | undefined, attempt: number | undefined) =>
    jobId && line ? publicUrl + logLinePath(runId, jobId, line, attempt) : undefined;
  const failed = ({ file, job, platform, attempt, jobId, line, at, flapped, details, news, main }: FailedTest) => {
    const entry = listedAs({ name: file, platform }, known, dayOf(at));
    return {
      ...{ file, job, attempt, line, flapped, details },
      logUrl: url(jobId, line, attempt),
      known: entry ? { name: entry.name, issue: entry.issue } : undefined,
      news: newsWord(news),
      since: news.kind === 'since' ? news.runId : undefined,
      main: main && { branch: failures.mainBranch, run: main.runId, failed: main.failed },
    };
  };
  return {
    files: failures.files.map(failed),
    isCut: failures.isCut,
    others: failures.others.map(({ job, attempt, jobId, unreadable, otherFailures }) => ({
      ...{ job, attempt, unreadable },
      otherFailures: otherFailures.map((each) => ({ ...each, logUrl: url(jobId, each.line, attempt) })),
    })),
  };
}
