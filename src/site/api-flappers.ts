import { flapRate, type KnownFlapper } from '../core/flapper.ts';
import { listedAs } from '../core/flapper-suggest.ts';
import { additionsYaml, remarkText } from '../core/messages-flapper-page.ts';
import { logLinePath, runPath } from './links.ts';
import type { ListAdvice } from './pages/flappers.ts';
import type { FailureLink, FlapperRow, TestFileRecord } from './reader-tests.ts';

/** The record of test files as JSON; as in `api.ts` fields are only added, times are ISO 8601 UTC, URLs absolute. */

/** `repository`: whose record it is, when that is private. Rates are 0 to 1; `low` and `high`: in 95 of 100 cases the true one lies between. */
export function apiFlapper(row: FlapperRow, known: readonly KnownFlapper[], today: string, publicUrl: string) {
  const entry = listedAs(row, known, today);
  return {
    file: row.name,
    job: row.job,
    platform: row.platform,
    repository: row.repository,
    ...apiTally(row.tally),
    known: entry ? { name: entry.name, issue: entry.issue } : undefined,
    weeks: row.weeks,
    failures: row.newest.map((link) => apiLink(link, publicUrl)),
  };
}

const apiTally = ({ runs, failed, flapped, firstFailedAt, lastFailedAt, lastFlappedAt }: FlapperRow['tally']) => ({
  runs,
  failed,
  flapped,
  rate: flapRate(flapped, runs),
  firstFailedAt: firstFailedAt.toISOString(),
  lastFailedAt: lastFailedAt.toISOString(),
  lastFlappedAt: lastFlappedAt?.toISOString(),
});

const apiLink = ({ runId, jobId, attempt, line, at, flapped }: FailureLink, publicUrl: string) => ({
  run: runId,
  attempt,
  line,
  at: at.toISOString(),
  flapped,
  url: publicUrl + (jobId && line ? logLinePath(runId, jobId, line, attempt) : runPath(runId)),
});

/** `yaml`: entries to paste into the list. */
export const apiSuggestions = ({ additions, remarks }: ListAdvice) => ({
  add: additions,
  yaml: additionsYaml(additions),
  lookAt: remarks.map((remark) => ({ name: remark.entry.name, because: remark.because, text: remarkText(remark) })),
});

export const apiFlapperFile = ({ name, jobs, failures }: TestFileRecord, publicUrl: string) => ({
  file: name,
  jobs: jobs.map(({ job, platform, repository, runs, weeks, tally }) => ({
    ...{ job, platform, repository, runs, weeks },
    ...(tally ? apiTally(tally) : { failed: 0, flapped: 0, rate: flapRate(0, runs) }),
  })),
  failures: failures.map(({ job, repository, details, ...link }) => ({
    job,
    repository,
    ...apiLink(link, publicUrl),
    details,
  })),
});
