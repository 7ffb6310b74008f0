#!/usr/bin/env node
import { Command } from 'commander';
import type { Config } from './config/config.ts';
import { environment } from './config/environment.ts';
import { diskFiles } from './config/files.ts';
import { loadConfig } from './config/load.ts';
import { formatMistakes, type Mistake } from './config/mistake.ts';
import { requireSomethingToDo } from './config/requirements.ts';

/** The command line. What is heavy is imported by the command that needs it: a mistake in the configuration is told in
 *  well under a second. */

const program = new Command('rcb')
  .description('Orchestrates the testing of projects living in several repositories.')
  .showHelpAfterError();

program
  .command('start')
  .description('start the bot and its status site')
  .action(async () => {
    const config = configOrExit();
    exitOnMistakes(requireSomethingToDo(config));
    await start(config);
  });

program
  .command('check-config')
  .description('read rcb.yaml and the environment, and tell everything that is wrong')
  .action(() => {
    const config = configOrExit();
    console.log(`${config.configFile ?? 'No rcb.yaml: the Raku preset'}: no mistakes.`);
    for (const need of requireSomethingToDo(config))
      console.log(`To start, it still needs: ${need.key} (${need.expected})`);
  });

program
  .command('migrate')
  .description('bring the database to the newest migration (start does this by itself)')
  .action(() =>
    withDatabase(async (database) => {
      const { applyMigrations } = await import('./database/migrate.ts');
      const { migrationsDir } = await import('./main.ts');
      const applied = await applyMigrations(database, migrationsDir);
      console.log(applied.length ? `Applied: ${applied.join(', ')}` : 'Nothing to apply: the database is up to date.');
    }),
  );

program
  .command('retry')
  .description('start a parked event or effect again')
  .argument('<key>', "an event's key or id, or an effect's id, as the ledger shows it")
  .action((key: string) =>
    withDatabase(async (database) => {
      const { openQueue } = await import('./queue/prisma.ts');
      const unused = () => {
        throw new Error('a restart makes no new rows');
      };
      const restarted = await openQueue(database.prisma, { newId: unused, storeOn: unused }).restart(key);
      console.log(restarted ? `${key} is tried again.` : `Nothing is parked under ${key}.`);
      if (!restarted) process.exitCode = 1;
    }),
  );

await program.parseAsync();

function configOrExit(): Config {
  const loaded = loadConfig(environment(), diskFiles(process.cwd()));
  if ('mistakes' in loaded) exitOnMistakes(loaded.mistakes);
  return (loaded as { config: Config }).config;
}

function exitOnMistakes(mistakes: Mistake[]): void {
  if (mistakes.length === 0) return;
  console.error(formatMistakes(mistakes));
  process.exit(1);
}

async function start(config: Config): Promise<void> {
  const [{ startRcb }, { openLog }] = await Promise.all([import('./main.ts'), import('./log.ts')]);
  const log = openLog(config.log.level);
  try {
    const rcb = await startRcb(config, { log, environment: environment() });
    let stops = 0;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        stops += 1;
        if (stops > 1) process.exit(1);
        log.info({ signal }, 'Stopping: what is under way comes to its end, builds go on');
        rcb.stop().then(
          () => process.exit(0),
          (error) => {
            log.error({ err: error }, 'Could not stop cleanly');
            process.exit(1);
          },
        );
      });
    }
  } catch (error) {
    log.fatal({ err: error }, `RCB could not start: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}

/** For commands beside a running bot: on PostgreSQL they share its database; the embedded one has a single user, and
 *  says so. */
async function withDatabase(
  work: (database: import('./database/database.ts').Database) => Promise<void>,
): Promise<void> {
  const config = configOrExit();
  const { openDatabase } = await import('./database/database.ts');
  try {
    const database = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir });
    try {
      await work(database);
    } finally {
      await database.close();
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
