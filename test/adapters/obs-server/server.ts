import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { BASE_CONFIG, BASE_PACKAGES, SERVER_PACKAGES } from './base.ts';
import { cachedDebs, requireDebian, Unavailable, unpackDebs } from './debs.ts';
import { type Front, startFront } from './front.ts';
import { Groups } from './groups.ts';

/**
 * A real Open Build Service of Debian's packages (obs-server 2.9.4), on loopback, on ports of its own, in a temporary
 * directory: source and repository servers, scheduler, dispatcher, publisher, workers that build in a chroot, and a front
 * that asks who one is. Nothing is installed, and nothing stays.
 */
export interface ObsServer {
  front: Front;
  user: string;
  password: string;
  /** The server behind the front, which asks nobody who he is. */
  behind(path: string, init?: RequestInit): Promise<Response>;
  startWorkers(): void;
  /** `kill -9` of all workers and what they build. */
  killWorkers(): void;
  close(): Promise<void>;
}

export interface ServerOptions {
  environment: NodeJS.ProcessEnv;
  workers: number;
}

const run = promisify(execFile);
const READY_DEADLINE_MS = 60_000;
const USER = 'rcb';
const PASSWORD = 'secret';

interface Installation {
  root: string;
  /** The server's own scripts. */
  scripts: string;
  /** Its data. */
  data: string;
  environment: NodeJS.ProcessEnv;
  sourcePort: number;
  repositoryPort: number;
  groups: Groups;
}

/** Throws Unavailable where it cannot run. */
export async function startObsServer({ environment, workers }: ServerOptions): Promise<ObsServer> {
  if (process.getuid?.() !== 0) throw new Unavailable('its workers need root, to build in a chroot');
  await requireDebian(environment);
  const debs = await cachedDebs([...SERVER_PACKAGES, ...BASE_PACKAGES], environment);
  const directory = await mkdtemp(join(tmpdir(), 'rcb-obs-server-'));
  const groups = new Groups(directory);
  try {
    const there = await install(directory, debs, environment, groups);
    return await start(there, debs, workers);
  } catch (error) {
    await groups.close();
    throw error;
  }
}

async function install(
  directory: string,
  debs: Map<string, string>,
  environment: NodeJS.ProcessEnv,
  groups: Groups,
): Promise<Installation> {
  const root = join(directory, 'root');
  const data = join(directory, 'obs');
  const scripts = join(root, 'usr/lib/obs/server');
  await unpackDebs(
    SERVER_PACKAGES.map((name) => debs.get(name)!),
    root,
  );
  await mkdir(join(data, 'run'), { recursive: true });
  await mkdir(join(data, 'log'));
  const [sourcePort, repositoryPort] = [await freePort(), await freePort()];
  // The package's own is a link to /etc.
  await rm(join(scripts, 'BSConfig.pm'), { force: true });
  await writeFile(join(scripts, 'BSConfig.pm'), configuration(data, sourcePort, repositoryPort));
  await rm(join(scripts, 'build'), { force: true });
  await symlink(join(root, 'usr/lib/obs-build'), join(scripts, 'build'));
  // No option keeps the daemons from listening on every address.
  const listener = join(scripts, 'BSServer.pm');
  const listens = await readFile(listener, 'latin1');
  await writeFile(listener, listens.replaceAll('INADDR_ANY', 'INADDR_LOOPBACK'), 'latin1');
  const { stdout: architectureLib } = await run('perl', ['-MConfig', '-e', 'print $Config{vendorarch}']);
  const library = join(root, 'usr/lib/x86_64-linux-gnu');
  const own = {
    PERL5LIB: [join(root, 'usr/share/perl5'), join(root, architectureLib)].join(':'),
    LD_LIBRARY_PATH: library,
    PATH: [environment['PATH'], join(root, 'usr/bin'), join(root, 'bin')].join(':'),
    LANG: 'C.UTF-8',
    HOME: data,
  };
  return { root, scripts, data, environment: own, sourcePort, repositoryPort, groups };
}

const configuration = (data: string, sourcePort: number, repositoryPort: number): string => `package BSConfig;
our $ipaccess = { '127\\..*' => 'rw,worker' };
our $srcserver = "http://127.0.0.1:${sourcePort}";
our $reposerver = "http://127.0.0.1:${repositoryPort}";
our $bsdir = '${data}';
our ($bsuser, $bsgroup, $bsserviceuser, $bsservicegroup);
our $rundir = "$bsdir/run";
our $logdir = "$bsdir/log";
our $nosharedtrees = 2;
our $packtrack = [];
our $relsync_pool = { 'local' => 'local', 'x86_64' => 'i586', 'i586' => 'i586' };
our $sign_project = 0;
1;
`;

async function start(there: Installation, debs: Map<string, string>, count: number): Promise<ObsServer> {
  const { sourcePort, groups } = there;
  const behind = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${sourcePort}${path}`, init);
  daemon(there, 'bs_srcserver');
  daemon(there, 'bs_repserver');
  await until('both servers answer', async () => {
    const answers = await Promise.all(
      [sourcePort, there.repositoryPort].map((port) =>
        fetch(`http://127.0.0.1:${port}${port === sourcePort ? '/source' : '/'}`).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    );
    return answers.every(Boolean);
  });
  await fillBase(behind, debs);
  daemon(there, 'bs_sched', 'x86_64');
  daemon(there, 'bs_dispatch');
  daemon(there, 'bs_publish');
  const front: Front = await startFront(sourcePort, USER, PASSWORD);
  let workers: number[] = [];
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  await Promise.all(ports.map((_, index) => prepareWorker(there, index)));
  const startWorkers = () => {
    workers = ports.map((port, index) => worker(there, index, port));
  };
  startWorkers();
  return {
    front,
    user: USER,
    password: PASSWORD,
    behind,
    startWorkers,
    killWorkers: () => {
      for (const group of workers) groups.kill(group);
    },
    close: async () => {
      await front.close();
      await groups.close();
    },
  };
}

/** By its absolute path: the scripts go to their own directory, and look for one another there. */
function daemon(there: Installation, name: string, ...args: string[]): number {
  return started(there, name, 'perl', [join(there.scripts, name), ...args]);
}

function started({ data, environment, groups }: Installation, name: string, command: string, args: string[]): number {
  return groups.start(command, args, { env: environment, cwd: data, logFile: join(data, 'log', `${name}.out`) });
}

async function prepareWorker({ data, root }: Installation, index: number): Promise<void> {
  const home = join(data, `worker-${index}`);
  await mkdir(join(home, 'root'), { recursive: true });
  await mkdir(join(home, 'state'));
  await symlink(join(root, 'usr/lib/obs-build'), join(home, 'state', 'build'));
}

/** Among mounts of its own: whatever a build mounts goes with the worker, however that ends. In memory: each build
 *  unpacks dozens of packages, and syncs after every one. */
function worker(there: Installation, index: number, port: number): number {
  const home = join(there.data, `worker-${index}`);
  const root = join(home, 'root');
  const where = ['--root', root, '--statedir', join(home, 'state'), '--port', String(port)];
  const who = ['--id', `w${index}`, '--arch', 'x86_64', '--reposerver', `http://127.0.0.1:${there.repositoryPort}`];
  const perl = ['perl', join(there.scripts, 'bs_worker'), ...where, ...who, '--noworkerupdate', '--nobuildupdate'];
  const inMemory = 'mount -t tmpfs -o size=2g tmpfs "$1" && shift && exec "$@"';
  return started(there, 'bs_worker', 'unshare', ['--mount', 'sh', '-c', inMemory, 'worker', root, ...perl]);
}

/** The project that all others build on. */
async function fillBase(behind: ObsServer['behind'], debs: Map<string, string>): Promise<void> {
  const put = async (path: string, body: string | Buffer<ArrayBuffer>) => {
    const answer = await behind(path, { method: 'PUT', body, headers: { 'content-type': 'application/octet-stream' } });
    if (!answer.ok) throw new Error(`PUT ${path}: ${answer.status} ${await answer.text()}`);
    await answer.arrayBuffer();
  };
  const repository = '<repository name="standard"><arch>x86_64</arch></repository>';
  await put('/source/Base/_meta', `<project name="Base"><title/><description/>${repository}</project>`);
  await put('/source/Base/_config', BASE_CONFIG);
  for (const name of BASE_PACKAGES) {
    const bytes = await readFile(debs.get(name)!);
    await put(`/build/Base/standard/x86_64/_repository/${encodeURIComponent(basename(name))}.deb`, bytes);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  deadlineMs = READY_DEADLINE_MS,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
