import type { FileJudgement } from './flapper.ts';
import { flapperMessages as words } from './messages-flappers.ts';
import type { Run } from './model.ts';
import type { JudgedAttempt } from './run-flappers.ts';

/** What is said of a run's flappers: plain text for whoever shows it, the check or a page. */
export interface FlapperNote {
  /** Absent: of the lists. */
  jobId?: string;
  attempt?: number;
  said: string;
  /** Of each failed file what it was, and whether it is a flapper; and what else is in the way. */
  details: FlapperDetail[];
}

/** `issue`: an http or https address, as the list has it. */
export interface FlapperDetail {
  said: string;
  issue?: string;
}

/** What is needed of a run. */
type Flapped = Pick<Run, 'flappers'> & { state: string };

const mostDetails = 20;

/** `jobId`: of this job only. The mistakes of a list are everybody's. */
export function flapperNotes(run: Flapped, jobId?: string): FlapperNote[] {
  const { judged = [], faults = [] } = run.flappers ?? {};
  const own = judged.filter((each) => jobId === undefined || each.jobId === jobId);
  const lists: FlapperNote[] = faults.length > 0 ? [{ said: words.listBroken, details: faults.map(saying) }] : [];
  return [...lists, ...own.map((each) => noteOf(run, each))];
}

function noteOf(run: Flapped, judged: JudgedAttempt): FlapperNote {
  const { jobId, job, attempt, files, obstacles } = judged;
  const others = obstacles
    .filter(({ because }) => because !== 'not-a-flapper')
    .map((each) => saying(words.obstacle(each)));
  const details = [...files.map(fileWords), ...others].slice(0, mostDetails);
  return { jobId, attempt, said: words.attemptJudged(job, attempt, whatFollowed(run, judged)), details };
}

const saying = (said: string): FlapperDetail => ({ said });

function fileWords(judged: FileJudgement): FlapperDetail {
  const known = judged.isKnown ? words.knownFlapper(undefined) : words.notKnown(judged.reason);
  const said = `${judged.file.name} (${words.failureOf(judged.file)}): ${known}`;
  return judged.isKnown && judged.entry.issue ? { said, issue: judged.entry.issue } : { said };
}

function whatFollowed(
  { state, flappers }: Flapped,
  { jobId, attempt, isFlapperOnly, decision }: JudgedAttempt,
): string {
  if (flappers?.rerun?.jobs.some((job) => job.jobId === jobId && job.attempt === attempt)) return words.wasRerun;
  if (!decision.rerun) return words.notRerun(words.noRerun(decision));
  if (flappers?.noRerun) return words.notRerun(words.noRerunReason(flappers.noRerun));
  return state === 'finished' || !isFlapperOnly ? words.notRerun() : words.willRerun;
}
