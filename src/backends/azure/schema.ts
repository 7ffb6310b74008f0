import { z } from 'zod';
import type { Progress, Verdict } from '../../core/model.ts';

/**
 * Azure's shapes (swagger of REST 7.1, "build") and its words. Only the fields that we read; everything but ids may be
 * absent. Enums come as words, from some servers as numbers: both become the word.
 */
const text = z.string().max(100_000).nullish();
const word = z.union([z.string().max(200), z.int()]).nullish();
const when = z.string().max(100).nullish();

export const buildShape = z.object({
  id: z.int().positive(),
  status: word,
  result: word,
  reason: word,
  queueTime: when,
  startTime: when,
  finishTime: when,
  lastChangedDate: when,
  sourceBranch: text,
  sourceVersion: text,
  deleted: z.boolean().nullish(),
  definition: z.object({ id: z.int(), name: text }).nullish(),
  repository: z.object({ id: text, type: text }).nullish(),
  templateParameters: z.record(z.string(), z.unknown()).nullish(),
  triggerInfo: z.record(z.string(), z.unknown()).nullish(),
  validationResults: z.array(z.object({ result: word, message: text })).nullish(),
  _links: z.object({ web: z.object({ href: text }).nullish() }).nullish(),
});
export type AzureBuild = z.infer<typeof buildShape>;

export const recordShape = z.object({
  id: z.string().max(100),
  parentId: z.string().max(100).nullish(),
  identifier: text,
  type: text,
  name: text,
  order: z.number().nullish(),
  state: word,
  result: word,
  attempt: z.int().nullish(),
  previousAttempts: z
    .array(z.object({ attempt: z.int().nullish(), timelineId: z.string().max(100).nullish() }))
    .nullish(),
  startTime: when,
  finishTime: when,
  issues: z.array(z.object({ type: word, message: text })).nullish(),
  log: z.object({ id: z.int() }).nullish(),
});
export type TimelineRecord = z.infer<typeof recordShape>;

export const timelineShape = z.object({ records: z.array(recordShape).max(50_000).nullish() });

export const logShape = z.object({ id: z.int(), lineCount: z.number().nullish() });

export const artifactShape = z.object({
  name: z.string().max(1_000),
  /** The id of the job that published it. */
  source: text,
  resource: z
    .object({
      type: text,
      downloadUrl: text,
      properties: z.object({ artifactsize: z.union([z.string(), z.number()]).nullish() }).nullish(),
    })
    .nullish(),
});
export type AzureArtifact = z.infer<typeof artifactShape>;

export const listOf = <T>(item: z.ZodType<T>) => z.object({ value: z.array(item).max(50_000) });

export const definitionShape = z.object({ id: z.int(), name: text, queueStatus: word });

export const projectShape = z.object({ id: z.string().min(1).max(100) });

export const subscriptionShape = z.object({
  id: z.string().max(100),
  status: word,
  eventType: z.string().max(200),
  publisherInputs: z.object({ projectId: text }).nullish(),
  consumerInputs: z.object({ url: text }).nullish(),
});
export type AzureSubscription = z.infer<typeof subscriptionShape>;

/** `status` of a build. */
export const buildStatus: Words<Progress> = {
  numbers: { 1: 'inprogress', 2: 'completed', 4: 'cancelling', 8: 'postponed', 32: 'notstarted' },
  meanings: {
    notstarted: 'queued',
    postponed: 'queued',
    inprogress: 'running',
    cancelling: 'running',
    completed: 'finished',
  },
};

/** `result` of a build: what its jobs do not tell. `partiallySucceeded`: a step with continueOnError failed. */
export const buildResult: Words<Verdict> = {
  numbers: { 0: 'none', 2: 'succeeded', 4: 'partiallysucceeded', 8: 'failed', 32: 'canceled' },
  meanings: { succeeded: 'passed', partiallysucceeded: 'passed', failed: 'failed', canceled: 'cancelled' },
};

/** `state` of a timeline record. */
export const recordState: Words<Progress> = {
  numbers: { 0: 'pending', 1: 'inprogress', 2: 'completed' },
  meanings: { pending: 'queued', inprogress: 'running', completed: 'finished' },
};

export type RecordEnd = 'passed' | 'issues' | 'failed' | 'cancelled' | 'skipped' | 'abandoned';

/** `result` of a timeline record. */
export const recordResult: Words<RecordEnd> = {
  numbers: { 0: 'succeeded', 1: 'succeededwithissues', 2: 'failed', 3: 'canceled', 4: 'skipped', 5: 'abandoned' },
  meanings: {
    succeeded: 'passed',
    succeededwithissues: 'issues',
    failed: 'failed',
    canceled: 'cancelled',
    skipped: 'skipped',
    abandoned: 'abandoned',
  },
};

const issueType: Words<'error' | 'warning'> = {
  numbers: { 1: 'error', 2: 'warning' },
  meanings: { error: 'error', warning: 'warning' },
};

interface Words<Meaning extends string> {
  numbers: Record<number, string>;
  meanings: Record<string, Meaning>;
}

/** What a foreign word means; undefined for an unknown one, and for none. Upper and lower case are the same to Azure. */
export function meaningOf<Meaning extends string>(
  { numbers, meanings }: Words<Meaning>,
  word: string | number | null | undefined,
): Meaning | undefined {
  const name = typeof word === 'number' ? numbers[word] : word?.toLowerCase();
  return name !== undefined && Object.hasOwn(meanings, name) ? meanings[name] : undefined;
}

export const isErrorIssue = (issue: { type?: string | number | null }): boolean =>
  meaningOf(issueType, issue.type) === 'error';

/** Undefined where it is no time. */
export function timeOf(text: string | null | undefined): Date | undefined {
  const time = text ? new Date(text) : undefined;
  return time && !Number.isNaN(time.getTime()) ? time : undefined;
}
