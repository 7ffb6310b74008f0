import { z } from 'zod';

/**
 * The state directory's files. They are the only truth about a build: who reads them needs no memory of his own.
 *
 *     builds/<id>/order.json        what was ordered; the directory appears with it in it
 *                 claim-<n>.json    the process that prepares it; when that one died, the next claims n + 1
 *                 w<n>/             what claim n prepared: job.json, source/, home/, tmp/ (links to where they are, when
 *                                   the build's user has no way into this directory), passwd, group
 *                 supervisor.json   the supervisor that won: the first one, of whichever claim
 *                 command.json      the command that it started
 *                 log               the command's output
 *                 cancel            somebody wants it stopped
 *                 exit.json         how it ended
 *     released/<id>.json            what remains of a released build: it is never started again
 *     trash/                        trees on their way out
 *
 * Each .json is created whole, once, and never changed.
 */

const identity = z.object({ pid: z.int().positive(), startTime: z.string().min(1), bootId: z.string() });

export const orderFile = z.object({
  key: z.string(),
  runId: z.string(),
  repository: z.string(),
  sources: z.array(
    z.object({
      repository: z.string(),
      changed: z.boolean(),
      sha: z.string(),
      sha256: z.string(),
      size: z.number(),
    }),
  ),
  /** Written by versions that know of forks. */
  untrusted: z.boolean().optional(),
  /** Place in the queue for slots: first come, first served. */
  place: z.number(),
  queuedAt: z.iso.datetime(),
});
export type OrderFile = z.infer<typeof orderFile>;

export const claimFile = identity;

export const supervisorFile = z.object({
  ...identity.shape,
  claim: z.int(),
  job: z.string(),
  startedAt: z.iso.datetime(),
  /** The user that the command runs as, and its control groups: what may have to be tidied up after this one's death. */
  uid: z.int().optional(),
  cgroups: z.array(z.string()).optional(),
});
export type SupervisorFile = z.infer<typeof supervisorFile>;

export const commandFile = identity;

export const exitFile = z.object({
  /** Absent: it ended before there was one. */
  job: z.string().optional(),
  /** Absent: there was nothing to run. */
  verdict: z.enum(['passed', 'failed', 'error', 'cancelled']).optional(),
  why: z.string().optional(),
  timedOut: z.boolean().optional(),
  killed: z.string().optional(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime(),
});
export type ExitFile = z.infer<typeof exitFile>;

export const releasedFile = z.object({ key: z.string(), releasedAt: z.iso.datetime(), exit: exitFile.optional() });
export type ReleasedFile = z.infer<typeof releasedFile>;

/** Undefined when the text is not JSON or not of that shape. */
export function parseFile<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
