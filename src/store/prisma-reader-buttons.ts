import { type Press, pressCommands } from '../core/button.ts';
import { targetOf } from '../core/effect.ts';
import type { EventOf } from '../core/event.ts';
import type { Sight } from '../core/sight.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Pressing, ShownPress } from '../site/reader-buttons.ts';
import { UNDONE } from './conditions.ts';
import { pressOf } from './press-rows.ts';
import { isSeen } from './sight-sql.ts';

/** What the buttons of a run's page need: four looks at indexes, and a fifth while an answer is awaited. */
export async function readPressing(
  prisma: PrismaClient,
  sight: Sight,
  runId: string,
  most: number,
): Promise<Pressing | undefined> {
  const select = { repositoryKey: true, repository: true, installation: true, subject: true } as const;
  const run = await prisma.run.findUnique({ where: { id: runId }, select });
  if (!run || !(await isSeen(prisma, sight, runId))) return undefined;
  const { subject, installation, repositoryKey: key, repository: name } = run;
  const newest = await prisma.run.findFirst({ where: { subject }, orderBy: { id: 'desc' }, select: { id: true } });
  const rows = await prisma.press.findMany({
    where: { runId },
    orderBy: [{ at: 'desc' }, { key: 'desc' }],
    take: most,
  });
  const stored = await withTroubles(prisma, subject, rows.map(pressOf));
  const known = new Set(stored.map((press) => press.key));
  const waiting = (await unhandled(prisma, subject, runId, most)).filter((press) => !known.has(press.key));
  return {
    repository: { key, name, ...(installation !== null && { installation }) },
    subject,
    newestRunId: newest?.id ?? runId,
    presses: [...waiting, ...stored].slice(0, most),
  };
}

/** Stored a moment ago, or parked. */
async function unhandled(prisma: PrismaClient, subject: string, runId: string, most: number): Promise<ShownPress[]> {
  const rows = await prisma.event.findMany({
    // A main branch has thousands of events.
    where: { state: UNDONE, subject, kind: 'button.pressed' },
    orderBy: [{ dueAt: 'desc' }, { seq: 'desc' }],
    take: most,
    select: { key: true, payload: true, createdAt: true, error: true },
  });
  return rows.flatMap(({ key, payload, createdAt: at, error }) => {
    const told = payload as Partial<EventOf<'button.pressed'>> | null;
    const command = pressCommands.find((each) => each === told?.command);
    if (!told?.actor || told.runId !== runId || !command) return [];
    return [{ key, runId, command, actor: told.actor, state: 'heard', at, ...(error !== null && { trouble: error }) }];
  });
}

/** Whose person's permission could not be read yet. */
async function withTroubles(prisma: PrismaClient, subject: string, presses: Press[]): Promise<ShownPress[]> {
  const targets = new Map(
    presses.filter(({ state }) => state === 'heard').map((press) => [target(subject, press), press]),
  );
  if (targets.size === 0) return presses;
  const where = { target: { in: [...targets.keys()] }, error: { not: null } };
  const failed = await prisma.effect.findMany({ where, select: { target: true, error: true } });
  const troubles = new Map(failed.map((effect) => [targets.get(effect.target)?.key, effect.error]));
  return presses.map((press) => {
    const trouble = troubles.get(press.key);
    return trouble ? { ...press, trouble } : press;
  });
}

const target = (subject: string, { key, runId, command, actor }: Press): string =>
  targetOf({
    kind: 'command.inspect',
    subject,
    repository: { key: '', name: '' },
    source: { kind: 'button', at: key, runId },
    commands: [command],
    unknown: [],
    actor,
  });
