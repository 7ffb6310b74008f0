/**
 * node scripts/author-migration.ts NAME: writes prisma/migrations/<time>_NAME/migration.sql, what is missing between
 * the migrations and prisma/schema.prisma. Read it, and append by hand what a Prisma schema cannot say (partial
 * indexes). Works offline, unlike `prisma migrate dev`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaDiff } from './schema-diff.ts';

const root = join(import.meta.dirname, '..');
const migrations = join(root, 'prisma', 'migrations');

const [name] = process.argv.slice(2);
if (!name || !/^\w+$/.test(name)) fail('Usage: node scripts/author-migration.ts NAME, with letters, digits and _.');

const sql = await schemaDiff(migrations, join(root, 'prisma', 'schema.prisma'));
if (sql === '') fail('The migrations and prisma/schema.prisma agree: there is nothing to write.');

// A name that begins with a time is taken as it is.
const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
const directory = join(migrations, /^\d{14}_/.test(name) ? name : `${time}_${name}`);
await mkdir(directory);
await writeFile(join(directory, 'migration.sql'), `${sql}\n`, { flag: 'wx' });
console.log(`Wrote ${join(directory, 'migration.sql')}`);

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
