#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Config, LocalBackendConfig } from './config/config.ts';
import { environment } from './config/environment.ts';
import { diskFiles } from './config/files.ts';
import { loadConfig } from './config/load.ts';
import { formatMistakes, type Mistake } from './config/mistake.ts';
import { requireSomethingToDo } from './config/requirements.ts';
import { parseDuration } from './config/units.ts';

/** The command line. What is heavy is imported by the command that needs it: a mistake in the configuration is told in
 *  well under a second. */

const DEFAULT_WAIT = '30m';
const AZURE_ANSWER_MS = 120_000;

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

program
  .command('replay')
  .description('feed a stored payload again: it becomes a new event, and what follows from it happens once more')
  .argument('<what>', "an event's key, as the ledger shows it, or a file with a hook's payload as JSON")
  .option('--event <name>', 'which hook a file with the bare payload is: push, pull_request, …')
  .action((what: string, { event }: { event?: string }) =>
    withDatabase(async (database, config) => {
      const { replayHere } = await import('./cli/replay.ts');
      console.log(
        await replayHere(what, { database, dataDir: config.dataDir, secrets: config.secrets(), hook: event }),
      );
    }),
  );

program
  .command('retention')
  .description('remove what is older than rcb.yaml keeps, as a running bot does every hour')
  .option('--dry-run', 'tell only what would be removed, and why the rest stays')
  .action(({ dryRun = false }: { dryRun?: boolean }) =>
    withDatabase(async (database, { dataDir, retention: keep, ...config }) => {
      const { retentionHere } = await import('./cli/retention.ts');
      const secrets = config.secrets();
      const say = (line: string) => console.log(line);
      await retentionHere({ database, dataDir, secrets, keep, now: new Date(), isDry: dryRun, say });
    }),
  );

program
  .command('keep')
  .description('keep the sources, logs and artifacts of a run, whatever rcb.yaml says')
  .argument('<run>', "its id, the last part of its page's address")
  .option('--undo', 'let it go as rcb.yaml says')
  .action((runId: string, { undo = false }: { undo?: boolean }) =>
    withDatabase(async (database) => {
      const { keepRun } = await import('./cli/keep.ts');
      const say = (line: string) => console.log(line);
      if (!(await keepRun({ database, runId, isUndone: undo, now: new Date(), say }))) process.exitCode = 1;
    }),
  );

program
  .command('run')
  .description('test a commit here and now, as a push would be, without server and database')
  .argument('[path]', 'a git repository', '.')
  .option('--ref <ref>', 'the branch, tag or sha to test', 'HEAD')
  .option('--command <command>', 'what to run; default: as in rcb.yaml, else .ci/run, ci/run or .ci')
  .action(async (path: string, options: { ref: string; command?: string }) => {
    const { runHere } = await import('./cli/run.ts');
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
    // The reader of our output went away (`rcb run | head`).
    process.stdout.on('error', () => stop.abort());
    process.exitCode = await runHere({
      path,
      ref: options.ref,
      settings: localSettings(options.command),
      output: process.stdout,
      say: (line) => console.error(line),
      signal: stop.signal,
      environment: environment(),
    });
  });

const hook = program.command('hook').description('let plain git repositories tell RCB what is pushed');

hook
  .command('install')
  .description('write a post-receive hook')
  .argument('<path>', 'a git repository on this machine')
  .option('--wait [duration]', 'who pushes waits for the verdict, at most so long (30m)')
  .option('--url <url>', 'where the bot listens; default: as HOST and PORT say')
  .option('--secret-file <path>', 'put a copy of the secret there, for who may not read the data directory')
  .option('--force', 'replace a hook that is not ours; it is kept beside')
  .action(async (path: string, options: HookOptions) => {
    const { installHook } = await import('./cli/hook-install.ts');
    const wait = options.wait === true ? DEFAULT_WAIT : options.wait;
    if (wait !== undefined) durationOrExit(wait);
    const config = configOrExit();
    const cli = fileURLToPath(import.meta.url);
    try {
      const said = await installHook({ ...options, path, wait, config, node: process.execPath, cli });
      for (const line of said) console.log(line);
    } catch (error) {
      console.error(error instanceof Error ? error.message : String(error));
      process.exitCode = 1;
    }
  });

hook
  .command('post-receive')
  .description('what the hook calls: tells RCB what git tells on standard input')
  .requiredOption('--url <url>', 'where the bot listens')
  .requiredOption('--secret-file <path>', 'what the telling is signed with')
  .option('--wait [duration]', 'wait for the verdict, at most so long')
  .action(async (options: HookOptions & { url: string; secretFile: string }) => {
    const { postReceive } = await import('./cli/post-receive.ts');
    const wait = options.wait === true ? DEFAULT_WAIT : options.wait;
    // The pusher went away: the test goes on without him.
    process.stdout.on('error', () => process.exit(0));
    await postReceive({
      input: process.stdin,
      directory: process.cwd(),
      url: options.url,
      secretFile: options.secretFile,
      waitMs: wait === undefined ? undefined : durationOrExit(wait),
      say: (line) => console.log(line),
    });
    // What is still open (a kept-alive connection) must not hold the pusher.
    process.exit(0);
  });

const azureHook = program
  .command('azure')
  .description('Azure Pipelines')
  .command('hook')
  .description("Azure's service hooks, which tell the bot what builds do");

for (const [name, description] of [
  ['status', 'show which hooks there are, and whether they work'],
  ['install', 'make the hooks that are missing'],
] as const) {
  azureHook
    .command(name)
    .description(description)
    .argument('[backend]', 'only of this back-end of rcb.yaml')
    .action(async (backend?: string) => {
      const { azureHooks } = await import('./cli/azure.ts');
      try {
        const signal = AbortSignal.timeout(AZURE_ANSWER_MS);
        const { said, ok } = await azureHooks({ do: name, config: configOrExit(), backend, signal });
        for (const line of said) console.log(line);
        if (!ok) process.exitCode = 1;
      } catch (error) {
        console.error(error instanceof Error ? error.message : String(error));
        process.exitCode = 1;
      }
    });
}

program
  .command('obs')
  .description('the message bus of an Open Build Service')
  .command('relay')
  .description('hear what the bus says of our builds, and tell the bot; beside the bot, and never needed: it polls')
  .option('--exchange <name>', 'default: pubsub')
  .option('--namespace <prefix>', "before each event's name; default: openSUSE's for api.opensuse.org, else none")
  .option('--project <name>', 'only what happens in it and below; default: that of the backend in rcb.yaml')
  .option('--url <url>', 'of the bot; default: RCB_PUBLIC_URL')
  .action(async (options: { exchange?: string; namespace?: string; project?: string; url?: string }) => {
    const { relayObs, relaySettings } = await import('./cli/obs.ts');
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
    try {
      const settings = relaySettings(configOrExit(), options);
      const say = (line: string) => console.log(line);
      await relayObs({ ...settings, fetch, say, random: Math.random, signal: stop.signal });
    } catch (error) {
      console.error(error instanceof Error ? error.message : String(error));
      process.exitCode = 1;
    }
  });

await program.parseAsync();

interface HookOptions {
  wait?: string | true;
  url?: string;
  secretFile?: string;
  force?: boolean;
}

function durationOrExit(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  console.error(`--wait ${text}: a duration like 90s, 30m or 2h is expected.`);
  process.exit(1);
}

/** Of the first local backend of rcb.yaml, if there is one; the rest of the configuration does not matter here. */
function localSettings(command: string | undefined): LocalBackendConfig {
  const { RCB_CONFIG } = environment();
  const loaded = loadConfig({ RCB_CONFIG }, diskFiles(process.cwd()));
  if ('mistakes' in loaded) exitOnMistakes(loaded.mistakes);
  const backends = (loaded as { config: Config }).config.backends;
  const local = backends.find((backend) => backend.kind === 'local') ?? defaultLocal();
  return command === undefined ? local : { ...local, command };
}

function defaultLocal(): LocalBackendConfig {
  const loaded = loadConfig({}, { read: () => undefined }) as { config: Config };
  return loaded.config.backends.find((backend) => backend.kind === 'local')!;
}

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
  work: (database: import('./database/database.ts').Database, config: Config) => Promise<void>,
): Promise<void> {
  const config = configOrExit();
  const { openDatabase } = await import('./database/database.ts');
  try {
    const database = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir });
    try {
      await work(database, config);
    } finally {
      await database.close();
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
