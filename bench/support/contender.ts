/**
 * One receiver of hooks, in a process of its own: `node contender.ts KIND DATABASE_URL`, started by bench/intake.ts.
 * It tells its port to its parent, and ends with it.
 *
 * - `empty`   a bare Probot whose handler does nothing
 * - `insert`  a bare Probot that does one Prisma insert per hook
 * - `rcb`     the whole bot, its worker running, with the queue in the same database
 * - `loop`    no server: when told, a bare loop of single-row Prisma inserts over the same pool
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Probot, Server } from 'probot';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistakes } from '../../src/config/mistake.ts';
import { openDatabase } from '../../src/database/database.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { openLog } from '../../src/log.ts';
import { migrationsDir, startRcb } from '../../src/main.ts';
import { SECRET } from './hooks.ts';

const [kind, databaseUrl] = process.argv.slice(2);
const directory = await mkdtemp(join(tmpdir(), 'rcb-bench-'));
// The same for all: only what goes wrong is worth a line.
const log = openLog('error', process.stderr);
const privateKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
}) as string;

process.on('disconnect', async () => {
  await rm(directory, { recursive: true, force: true });
  process.exit();
});
process.send!({ port: await start() });

async function start(): Promise<number> {
  if (kind === 'rcb') return await startBot();
  const { prisma } = await migrated();
  if (kind === 'empty') return await startProbot(async () => undefined);
  if (kind === 'insert') {
    return await startProbot(({ id, payload }) => insert(prisma, id, payload));
  }
  process.on('message', async ({ connections, ms }: LoopTask) => process.send!(await loop(prisma, connections, ms)));
  return 0;
}

async function migrated() {
  const database = await openDatabase({ url: databaseUrl!, dataDir: directory });
  await applyMigrations(database, migrationsDir);
  return database;
}

/** Its own port, its own database; nobody's installation is served, so that handling a push ends where it begins. */
async function startBot(): Promise<number> {
  const env = {
    APP_ID: '1',
    PRIVATE_KEY: privateKey,
    WEBHOOK_SECRET: SECRET,
    HOST: '127.0.0.1',
    PORT: '0',
    DATABASE_URL: databaseUrl!,
    RCB_DATA_DIR: directory,
  };
  const yaml = 'owners: [nobody-of-these]\nbackends: [{ name: local, kind: local, slots: 1 }]\n';
  const loaded = loadConfig(env, { read: (path) => (path.endsWith('rcb.yaml') ? Buffer.from(yaml) : undefined) });
  if ('mistakes' in loaded) throw new Error(formatMistakes(loaded.mistakes));
  const rcb = await startRcb(loaded.config, { log, environment: { PATH: process.env['PATH'] } });
  return rcb.port;
}

interface Hook {
  id: string;
  payload: { ref: string; after: string; repository: { id: number; full_name: string } };
}

async function startProbot(onPush: (hook: Hook) => Promise<unknown>): Promise<number> {
  const server = new Server({
    host: '127.0.0.1',
    port: '0' as unknown as number,
    log,
    Probot: Probot.defaults({ appId: 1, privateKey, secret: SECRET, log }),
  });
  await server.load((app) => {
    app.on('push', (context) => onPush(context as unknown as Hook).then(() => undefined));
  });
  await server.start();
  return Number(server.port);
}

/** A row like one of ours, of what a handler would want to know. */
async function insert(prisma: PrismaClient, id: string, { ref, after, repository }: Hook['payload']): Promise<void> {
  const now = new Date();
  await prisma.event.create({
    data: {
      id,
      key: `delivery:${id}`,
      kind: 'branch.hinted',
      subject: `branch:github:${repository.id}:${ref}`,
      payload: {
        kind: 'branch.hinted',
        repository: { key: repository.id, name: repository.full_name },
        ref,
        sha: after,
      },
      state: 'pending',
      dueAt: now,
      createdAt: now,
      hookAt: now,
    },
    select: { id: true },
  });
}

interface LoopTask {
  connections: number;
  ms: number;
}

async function loop(prisma: PrismaClient, connections: number, ms: number) {
  const times: number[] = [];
  const begun = performance.now();
  const one = async () => {
    while (performance.now() - begun < ms) {
      const before = performance.now();
      const payload = { ref: 'refs/heads/main', after: randomUUID(), repository: { id: 1, full_name: 'acme/tool' } };
      await insert(prisma, randomUUID(), payload);
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  return { perSecond: times.length / ((performance.now() - begun) / 1_000), times };
}
