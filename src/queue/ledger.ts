import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Fact } from './queue.ts';

/** What the ledger knows: looked up by polls, which see again what hooks have told. */

export async function facts(prisma: PrismaClient, keys: string[]): Promise<Fact[]> {
  const found: Fact[] = [];
  for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
    const rows = await prisma.event.findMany({
      where: { key: { in: keys.slice(from, from + KEYS_AT_ONCE) } },
      select: { key: true, hookAt: true, pollAt: true },
    });
    for (const { key, hookAt, pollAt } of rows) {
      found.push({ key, hookAt: hookAt ?? undefined, pollAt: pollAt ?? undefined });
    }
  }
  return found;
}

export async function deliveries(prisma: PrismaClient, ids: string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (let from = 0; from < ids.length; from += KEYS_AT_ONCE) {
    const rows = await prisma.sighting.findMany({
      where: { delivery: { in: ids.slice(from, from + KEYS_AT_ONCE) } },
      select: { delivery: true },
    });
    for (const { delivery } of rows) if (delivery !== null) found.add(delivery);
  }
  return found;
}

/** A statement has at most 65,535 parameters (PostgreSQL's protocol). */
const KEYS_AT_ONCE = 5_000;
