import { z } from 'zod';

/**
 * What RCB writes down at OBS itself, in the description of what it made there: so that any process, after any crash,
 * knows what the thing is, how far its making got, and what was asked of it since.
 */
const srcmd5 = z.string().regex(/^[0-9a-f]{32,64}$/);
const time = z.iso.datetime();

const rebuild = z.object({
  /** Of whoever asked: the same key asks once. */
  key: z.string(),
  at: time,
  /** Of each job that is built again: its newest build before, by the server's numbers. */
  before: z.record(z.string(), z.object({ bcnt: z.int(), readyTime: z.int() })),
});

const mark = z.object({
  version: z.literal(1),
  key: z.string(),
  runId: z.string(),
  madeAt: time,
  /** Written together with what makes OBS build, when all sources are committed. */
  started: z
    .object({
      at: time,
      /** By name in the template; what was committed. */
      packages: z.record(z.string(), z.object({ srcmd5, mayBeLeftOut: z.boolean() })),
      targets: z.array(z.tuple([z.string(), z.string()])),
    })
    .optional(),
  /** Written before anything is stopped: a job that is aborted looks like one that failed. */
  cancelled: z.object({ at: time, ended: z.array(z.string()) }).optional(),
  rebuilds: z.array(rebuild).max(100).default([]),
});

export type Mark = z.output<typeof mark>;
export type StartedMark = Mark & { started: NonNullable<Mark['started']> };

export const isStarted = (given: Mark): given is StartedMark => given.started !== undefined;

/** Whatever a server makes of the white space around it. */
const WRITTEN = /\brcb: (\{[\s\S]*\})/;

export function describe(given: Mark): string {
  return `Run ${given.runId} of RCB, which made this and will delete it. Please leave it alone.\nrcb: ${JSON.stringify(given)}`;
}

/** Undefined: RCB did not write that. */
export function parseMark(description: string): Mark | undefined {
  const written = WRITTEN.exec(description)?.[1];
  if (written === undefined) return undefined;
  try {
    return mark.safeParse(JSON.parse(written)).data;
  } catch {
    return undefined;
  }
}
