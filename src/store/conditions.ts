import { Prisma } from '../generated/prisma/client.ts';

/** Further conditions. */
export const andAll = (conditions: readonly Prisma.Sql[]): Prisma.Sql =>
  conditions.length > 0 ? Prisma.sql`AND ${Prisma.join([...conditions], ' AND ')}` : Prisma.empty;

export const whereAll = (conditions: readonly Prisma.Sql[]): Prisma.Sql =>
  conditions.length > 0 ? Prisma.sql`WHERE ${Prisma.join([...conditions], ' AND ')}` : Prisma.empty;

/** States of rows of the queue that are not done: they are few and indexed, while what is done grows without end. */
export const UNDONE = { in: ['pending', 'running', 'parked'] };
