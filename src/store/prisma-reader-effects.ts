import { maySeeKey, maySeeSubject, type Sight, seesAll } from '../core/sight.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { EffectRow } from '../site/reader.ts';
import { seenAmong } from './sight-sql.ts';

/** So many are looked through for those that somebody may see. */
const LOOKED_AT = 200;

export async function listEffects(
  prisma: PrismaClient,
  sight: Sight,
  state: string,
  limit: number,
): Promise<EffectRow[]> {
  const rows = await prisma.effect.findMany({
    where: { state },
    // What is given up: newest first. What is to come: in the order in which it will be done.
    orderBy: state === 'parked' ? { id: 'desc' } : [{ dueAt: 'asc' }, { id: 'asc' }],
    take: seesAll(sight) ? limit : LOOKED_AT,
  });
  return (await seenEffects(prisma, sight, rows)).slice(0, limit).map(effectRow);
}

type StoredEffect = Prisma.EffectGetPayload<object>;

/** Whose an effect is, is in what it was given; one that does not say is shown to those from whom nothing is hidden. */
interface Whose {
  runId?: string;
  subject?: string;
  repository?: { key: string };
}

async function seenEffects(prisma: PrismaClient, sight: Sight, effects: StoredEffect[]): Promise<StoredEffect[]> {
  if (seesAll(sight)) return effects;
  const whose = (effect: StoredEffect): Whose => (effect.payload ?? {}) as Whose;
  const runs = await seenAmong(
    prisma,
    sight,
    effects.flatMap((effect) => whose(effect).runId ?? []),
  );
  return effects.filter((effect) => {
    const { runId, subject, repository } = whose(effect);
    if (runId !== undefined) return runs.has(runId);
    if (repository !== undefined) return maySeeKey(sight, repository.key);
    return subject !== undefined && maySeeSubject(sight, subject, () => false);
  });
}

function effectRow({ id, kind, target, lane, state, tries, error, dueAt, createdAt }: StoredEffect): EffectRow {
  return { id, kind, target, lane, state, tries, ...(error !== null && { error }), dueAt, createdAt };
}
