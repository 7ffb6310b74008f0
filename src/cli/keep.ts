import { retentionMessages } from '../core/messages-retention.ts';
import type { Database } from '../database/database.ts';
import { OPERATOR } from '../store/prisma-retention.ts';

/** `rcb keep RUN`: what a run tested, printed and left stays until somebody takes that back. No running bot writes these
 *  rows, so it is true at once, for a sweep that begins now as well. False: there is no such run. */
export async function keepRun(options: {
  database: Pick<Database, 'prisma'>;
  runId: string;
  isUndone: boolean;
  now: Date;
  say(line: string): void;
}): Promise<boolean> {
  const { runId, isUndone, now: at, say } = options;
  const { run, runKeep } = options.database.prisma;
  if (!(await run.findUnique({ where: { id: runId }, select: { id: true } }))) {
    say(retentionMessages.noRun(runId));
    return false;
  }
  const where = { runId_source: { runId, source: OPERATOR } };
  if (isUndone) await runKeep.deleteMany({ where: where.runId_source });
  else await runKeep.upsert({ where, create: { ...where.runId_source, at }, update: {} });
  say(isUndone ? retentionMessages.runNotKept(runId) : retentionMessages.runKept(runId));
  return true;
}
