import { openDatabase } from '../../src/database/database.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { migrationsDir } from '../support/database.ts';

/**
 * Opens the embedded database, says what it found, and writes until it is killed. Each acknowledgement is a line on
 * standard output, written when the commit was answered; writing to a pipe is synchronous, so a printed line is out.
 * Run as: node database-kill-victim.ts DIR
 */
const database = await openDatabase({ dataDir: process.argv[2]! });
const { prisma } = database;
await applyMigrations(database, migrationsDir);

const found = await prisma.lane.findMany({ select: { name: true, why: true }, orderBy: { name: 'asc' } });
const broken = found.filter(({ name, why }) => !why?.startsWith(name) || why.length !== 2_000);
process.stdout.write(`found ${found.length} ${Number(found.at(-1)?.name ?? 0)} ${broken.length}\n`);

for (let number = found.length + 1; ; number += 2) {
  // Two rows that are there together or not at all.
  await prisma.$transaction([row(number), row(number + 1)]);
  process.stdout.write(`stored ${number + 1}\n`);
}

function row(number: number) {
  const name = String(number).padStart(8, '0');
  return prisma.lane.create({ data: { name, notBeforeAt: new Date(), why: name.padEnd(2_000, '.') } });
}
