import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { RABBIT_PACKAGES } from './base.ts';
import { cachedDebs, requireDebian, unpackDebs } from './debs.ts';
import { Groups } from './groups.ts';
import { freePort, until } from './server.ts';

/** A real RabbitMQ of Debian's packages, on loopback, in a temporary directory: the bus that OBS publishes on. */
export interface Rabbit {
  url: string;
  kill(): void;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Throws Unavailable where it cannot run. */
export async function startRabbit(environment: NodeJS.ProcessEnv): Promise<Rabbit> {
  await requireDebian(environment);
  const debs = await cachedDebs(RABBIT_PACKAGES, environment);
  const directory = await mkdtemp(join(tmpdir(), 'rcb-rabbit-'));
  const groups = new Groups(directory);
  try {
    const root = join(directory, 'root');
    await unpackDebs(debs.values(), root);
    await movedErlang(root);
    return await broker(directory, root, environment, groups);
  } catch (error) {
    await groups.close();
    throw error;
  }
}

/** Its start script knows one place only. */
async function movedErlang(root: string): Promise<void> {
  const path = join(root, 'usr/lib/erlang/bin/erl');
  const script = await readFile(path, 'utf8');
  await writeFile(path, script.replaceAll('ROOTDIR=/usr/lib/erlang', `ROOTDIR=${join(root, 'usr/lib/erlang')}`));
}

async function broker(
  directory: string,
  root: string,
  environment: NodeJS.ProcessEnv,
  groups: Groups,
): Promise<Rabbit> {
  const lib = join(root, 'usr/lib/rabbitmq/lib');
  const home = join(lib, (await readdir(lib))[0]!);
  const [port, distribution, epmd] = [await freePort(), await freePort(), await freePort()];
  await mkdir(join(directory, 'data'));
  const env = {
    PATH: `${join(root, 'usr/lib/erlang/bin')}:${environment['PATH']}`,
    LANG: 'C.UTF-8',
    HOME: join(directory, 'data'),
    ERL_EPMD_PORT: String(epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_HOME: home,
    RABBITMQ_NODENAME: 'rcb@localhost',
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(directory, 'data', 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'data', 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'data', 'plugins'),
    RABBITMQ_CONFIG_FILE: join(directory, 'data', 'rabbitmq'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'data', 'rabbitmq-env.conf'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
  };
  const options = { env, cwd: join(directory, 'data'), logFile: join(directory, 'rabbit.out') };
  // RabbitMQ would start it as a daemon, which outlives it.
  groups.start('epmd', [], options);
  const url = `amqp://guest:guest@127.0.0.1:${port}`;
  let group: number | undefined;
  const start = async () => {
    group = groups.start(join(home, 'sbin/rabbitmq-server'), [], options);
    await until('RabbitMQ answers', () => answers(url), 120_000);
  };
  await start();
  return { url, start, kill: () => groups.kill(group!), close: () => groups.close() };
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await connect(url, { timeout: 5_000 })).close();
    return true;
  } catch {
    return false;
  }
}
