import type { Verdict } from '../../core/model.ts';
import type { BuildObservation, JobObservation } from '../backend.ts';
import { nameOf } from './command.ts';
import type { ExitFile } from './schema.ts';
import type { BuildStatus } from './state.ts';

/** What a status looks like through the port. `command`: the configured one, if any. */
export function observationOf(status: BuildStatus, command: string | undefined, logBytes: number): BuildObservation {
  switch (status.is) {
    case 'unknown':
      return { state: 'lost', why: 'this machine knows no such build' };
    case 'lost':
      return { state: 'lost', why: status.why };
    case 'queued':
    case 'preparing':
      return withDigest({
        state: 'queued',
        jobs: command ? [{ name: nameOf(command), attempt: 1, state: 'queued' }] : [],
      });
    case 'running': {
      const { job, startedAt } = status.supervisor;
      const running: JobObservation = {
        name: job,
        attempt: 1,
        state: 'running',
        startedAt: new Date(startedAt),
        logBytes,
      };
      return withDigest({ state: 'running', jobs: [running] });
    }
    case 'finished':
      return observationOfExit(status.exit, logBytes);
    case 'released':
      if (!status.released.exit) return { state: 'lost', why: 'it was lost, and its files were removed' };
      return observationOfExit(status.released.exit, 0);
  }
}

function observationOfExit(exit: ExitFile, logBytes: number): BuildObservation {
  if (exit.job === undefined) return withDigest({ state: 'finished', why: exit.why, verdict: exit.verdict, jobs: [] });
  const job: JobObservation = {
    name: exit.job,
    attempt: 1,
    state: 'finished',
    verdict: exit.verdict,
    why: exit.why,
    timedOut: exit.timedOut,
    killed: exit.killed,
    startedAt: exit.startedAt === undefined ? undefined : new Date(exit.startedAt),
    finishedAt: new Date(exit.finishedAt),
    logBytes,
  };
  return withDigest({ state: 'finished', jobs: [job] });
}

type Undigested = { state: 'queued' | 'running' | 'finished'; why?: string; verdict?: Verdict; jobs: JobObservation[] };

/** The digest is the states in words: short enough to be read in a log. */
function withDigest(observed: Undigested): BuildObservation {
  const jobs = observed.jobs.map(({ name, state, verdict }) => `${name}=${state}:${verdict ?? ''}`);
  return { ...observed, digest: [observed.state, observed.verdict ?? '', ...jobs].join(' ') };
}
