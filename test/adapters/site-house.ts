import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { ago, NOW } from './site-fakes.ts';
import { EVIL, GRID } from './site-grid.ts';

/** What a back-end answered, builds that wait, a rest, polls in trouble, a sweep: beside the rows of site-grid.ts. */
export async function addHouse(prisma: PrismaClient): Promise<void> {
  const effect = (
    id: string,
    rest: { kind: string; payload: object; dueAt: Date; error?: string; tries?: number },
  ) => ({
    ...{ id, target: id, lane: id, state: 'pending', createdAt: ago(100), ...rest },
  });
  await prisma.effect.createMany({
    data: [
      effect('follow', {
        kind: 'build.follow',
        payload: { buildId: `${GRID.running}-b1` },
        dueAt: ago(-12),
        error: `dev.azure.com answered 503 ${EVIL}`,
        tries: 3,
      }),
      effect('start', {
        kind: 'build.start',
        payload: { backend: 'obs', buildId: `${GRID.running}-b2` },
        dueAt: ago(-30),
      }),
      effect('elsewhere', { kind: 'check.report', payload: {}, dueAt: ago(-1) }),
    ],
  });
  const told = (id: string, age: number, buildId: string) => ({
    ...{ id, key: id, kind: 'build.observed', subject: `run:${GRID.running}`, state: 'done' },
    ...{ payload: { buildId }, dueAt: ago(age), createdAt: ago(age) },
  });
  await prisma.event.createMany({
    data: [told('older', 300, `${GRID.running}-b1`), told('newer', 45, `${GRID.running}-b1`)],
  });
  await prisma.lane.createMany({
    data: [
      { name: 'write:github:9', notBeforeAt: ago(-60), why: 'GitHub asked for a rest (secondary rate limit)' },
      { name: 'write:github:8', notBeforeAt: ago(-60), why: 'spacing' },
      { name: 'start:obs', notBeforeAt: ago(60), why: 'over' },
    ],
  });
  const trouble = { why: 'GitHub answered 401', since: ago(900).toISOString() };
  const last = {
    ...{ beganAt: ago(1_000).toISOString(), endedAt: ago(960).toISOString() },
    ...{ swept: { sources: { count: 3, bytes: 12_000_000 }, effects: { count: 7, bytes: 0 } }, trouble: [EVIL] },
  };
  await prisma.cursor.createMany({
    data: [
      { name: 'trouble:deliveries', value: trouble, movedAt: NOW },
      { name: 'trouble:builds:azure', value: {}, movedAt: NOW },
      { name: 'trouble:leftovers:obs', value: { since: 'gibberish', why: 7 }, movedAt: NOW },
      { name: 'retention', value: { last }, movedAt: NOW },
    ],
  });
}
