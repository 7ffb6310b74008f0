import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import pg from 'pg';

/** The PostgreSQL that scripts/test-pg.ts started for this benchmark, and how it is set. */
export function serverUrl(): string {
  const url = process.env['RCB_TEST_DATABASE_URL'];
  if (url) return url;
  console.error('This benchmark needs a PostgreSQL server; its npm script starts one (scripts/test-pg.ts).');
  process.exit(2);
}

/** What decides how long a commit takes, told beside the figures: peers share it, other runs may not. */
export async function serverSettings(url: string): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes'];
    const { rows } = await client.query('SELECT name, setting FROM pg_settings WHERE name = ANY($1) ORDER BY name', [
      names,
    ]);
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  } finally {
    await client.end();
  }
}

/** The version that is really installed: a ratio to a peer means little without it. */
export function versionOf(name: string): string {
  // Not all packages export their package.json; it lies above what they do export.
  let directory = dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    try {
      const found = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
      if (found.name === name) return found.version;
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
    }
    if (directory === dirname(directory)) throw new Error(`The package ${name} has no package.json.`);
    directory = dirname(directory);
  }
}
