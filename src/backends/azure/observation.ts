import { createHash } from 'node:crypto';
import { verdictOf } from '../../core/build.ts';
import { azureMessages as words } from '../../core/messages-azure.ts';
import type { Verdict } from '../../core/model.ts';
import type { BuildObservation } from '../backend.ts';
import { type AzureJob, firstSaid } from './jobs.ts';
import {
  type AzureBuild,
  buildResult,
  buildStatus,
  isErrorIssue,
  meaningOf,
  recordResult,
  recordState,
  type TimelineRecord,
} from './schema.ts';
import { oneLine } from './text.ts';

/** The build as the port shows it. Jobs speak for themselves; the build adds what none of them tells. */
export function observationOf(build: AzureBuild, jobs: AzureJob[], records: TimelineRecord[]): BuildObservation {
  const state = meaningOf(buildStatus, build.status);
  const end = state === undefined ? unknownEnd('build', build.status) : undefined;
  const whole = end ?? (state === 'finished' ? endOf(build, jobs, records) : { why: whyWaiting(records) });
  const observed = { state: state ?? ('finished' as const), ...whole, jobs: jobs.map(({ seen }) => seen) };
  const told = observed.jobs.map(({ name, attempt, state, verdict, why }) => [name, attempt, state, verdict, why]);
  const digest = createHash('sha256')
    .update(JSON.stringify([observed.state, whole, told]))
    .digest('base64url')
    .slice(0, 22);
  return { ...observed, digest };
}

interface WholeEnd {
  verdict?: Verdict;
  why?: string;
}

function endOf(build: AzureBuild, jobs: AzureJob[], records: TimelineRecord[]): WholeEnd {
  const invalid = (build.validationResults ?? []).filter(({ result }) => isErrorIssue({ type: result }));
  if (invalid.length > 0) {
    const said = invalid.map(({ message }) => message ?? '').join('; ');
    return { verdict: 'error', why: words.noCompile(oneLine(said, 1_000)) };
  }
  const result = meaningOf(buildResult, build.result);
  if (result === undefined) return unknownEnd('build', build.result);
  if (result === 'passed') return {};
  const newest = new Map(jobs.map(({ seen }) => [seen.name, seen]));
  const told = verdictOf([...newest.values()]);
  if (told === result || told === 'error' || told === 'failed') return {};
  // A stage that was refused or never started has no job to say so.
  const why = records.filter(isBad).map(firstSaid).find(Boolean);
  return result === 'failed' ? { verdict: 'failed', why: words.buildFailed(why) } : { verdict: result, why };
}

const isBad = (record: TimelineRecord): boolean =>
  ['failed', 'cancelled', 'abandoned'].includes(meaningOf(recordResult, record.result) ?? '');

const unknownEnd = (of: string, word: unknown): WholeEnd => ({
  verdict: 'error',
  why: words.unknownWord(of, oneLine(String(word ?? 'nothing'))),
});

/** An approval or a check on a resource holds a stage back until somebody acts on Azure's pages. */
const whyWaiting = (records: TimelineRecord[]): string | undefined =>
  records.some(({ type, state }) => /^checkpoint/i.test(type ?? '') && meaningOf(recordState, state) === 'running')
    ? words.waitsForApproval
    : undefined;
