import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistakes } from '../../src/config/mistake.ts';
import { openLog } from '../../src/log.ts';
import { startRcb } from '../../src/main.ts';
import { type StandInGitHub, startGitHub } from '../standins/github/index.ts';
import { AZURE_DEVOPS_TOKEN, AZURE_HOOK_PASSWORD, startAzure } from './azure.ts';
import { endBuilds } from './builds.ts';
import { type DemoObs, startDemoObs } from './obs.ts';
import { startPlay } from './play.ts';
import { Playground } from './playground.ts';
import { choosePorts, type WantedPorts } from './ports.ts';
import { playStory, WRITERS } from './story.ts';

/** `npm run demo`: a stand-in GitHub, the bot as it is, and a page to play on, all on this machine and gone afterwards. */

export interface DemoOptions {
  /** What is not named may be any free port. */
  ports?: Partial<WantedPorts>;
  /** Kept afterwards, and must be empty. Default: a temporary one, removed at the end. */
  dataDir?: string;
  /** Told what happens, in lines for people. */
  say?(line: string): void;
  random?(): number;
  /** Where git is found. */
  path?: string;
}

export interface Demo {
  siteUrl: string;
  playUrl: string;
  githubUrl: string;
  logFile: string;
  playground: Playground;
  /** End everything that was started, builds too, and remove what was temporary. */
  stop(): Promise<void>;
}

/** Everything listens when this resolves. The story is played by `playStory`. */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return await start(options, undo, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(options: DemoOptions, undo: (() => Promise<void>)[], stop: Demo['stop']): Promise<Demo> {
  const ports = await choosePorts({ site: 0, github: 0, play: 0, ...options.ports });
  for (const note of ports.notes) options.say?.(note);

  const temporary = await mkdtemp(join(tmpdir(), 'rcb-demo-'));
  undo.push(() => rm(temporary, { recursive: true, force: true }));
  const dataDir = resolve(options.dataDir ?? join(temporary, 'data'));
  await requireEmpty(dataDir);

  const github = await startGitHub({
    dir: join(temporary, 'github'),
    port: ports.github,
    origin: `http://localhost:${ports.github}`,
  });
  undo.push(() => github.stop());
  const playground = new Playground(github);
  await playground.prepare(WRITERS);

  const siteUrl = `http://localhost:${ports.site}`;
  const play = await startPlay({ port: ports.play, playground, siteUrl });
  undo.push(() => play.stop());

  const azure = await startAzure(playground);
  undo.push(() => azure.stop());
  const obs = await startDemoObs(playground);
  undo.push(() => obs.stop());

  const logFile = join(dataDir, 'rcb.log');
  const logStream = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
  undo.push(() => new Promise((done) => logStream.end(done)));
  undo.push(() => endBuilds(join(dataDir, 'local', 'local')));
  const rcb = await startRcb(demoConfig({ github, azureUrl: azure.url, obs, port: ports.site, dataDir }), {
    log: openLog('info', logStream),
    random: options.random,
    environment: { PATH: options.path },
    timing: { killGraceMs: 1_000 },
    demoUrl: play.url,
  });
  undo.push(() => rcb.stop(1_000));
  azure.deliverTo(`${rcb.publicUrl}/hooks/azure`);
  github.deliverTo(`${rcb.publicUrl}/api/github/webhooks`);
  github.sendBackTo(`${rcb.publicUrl}/login/callback`);
  undo.push(async () => github.deliverTo(undefined));
  await playground.install();
  return { siteUrl: rcb.publicUrl, playUrl: play.url, githubUrl: github.origin, logFile, playground, stop };
}

/** The stand-in GitHub forgets everything: what an earlier demo stored would not fit to what this one tells. */
async function requireEmpty(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  if ((await readdir(dataDir)).length === 0) return;
  throw new Error(
    `RCB_DATA_DIR is ${dataDir}, which is not empty. The demo's GitHub begins anew each time, so what is stored there would not fit to it: name an empty or new directory, or none.`,
  );
}

interface DemoParts {
  github: StandInGitHub;
  azureUrl: string;
  obs: DemoObs;
  port: number;
  dataDir: string;
}

/** Made by hand: whatever is set for a real bot on this machine, the demo does not see it. */
function demoConfig({ github, azureUrl, obs, port, dataDir }: DemoParts) {
  const env = {
    APP_ID: String(github.appId),
    PRIVATE_KEY: github.privateKey,
    WEBHOOK_SECRET: github.webhookSecret,
    GHE_HOST: new URL(github.origin).host,
    GHE_PROTOCOL: 'http',
    GITHUB_CLIENT_ID: github.client.id,
    GITHUB_CLIENT_SECRET: github.client.secret,
    RCB_SESSION_KEY: randomBytes(32).toString('hex'),
    HOST: '127.0.0.1',
    PORT: String(port),
    RCB_DATA_DIR: dataDir,
    AZURE_DEVOPS_TOKEN,
    AZURE_HOOK_PASSWORD,
    ...obs.env,
  };
  const yaml = yamlWith(azureUrl, obs.backend);
  const loaded = loadConfig(env, { read: (path) => (path.endsWith('rcb.yaml') ? Buffer.from(yaml) : undefined) });
  if ('mistakes' in loaded) throw new Error(formatMistakes(loaded.mistakes));
  return loaded.config;
}

const yamlWith = (azureUrl: string, obsBackend: string) => `
owners: [acme]
backends:
  - { name: local, kind: local, slots: 2, timeout: 300, silence: 60, private: true }
  - { name: azure, kind: azure, url: "${azureUrl}", project: raku, pipeline: 7, secrets: none, credentialHosts: ["localhost:*"] }
  - ${obsBackend}
poll: { azure: 1, obs: 1 }
limits: { writeSpacing: 0, catchUpRunsPerMinute: 60 }
`;

const WISHES: WantedPorts = { site: 3000, github: 3001, play: 3002 };
/** npm hands Ctrl-C on to us, and the terminal has sent it already: that is one Ctrl-C, not two. */
const SAME_SIGNAL_MS = 1_000;

async function main(env: Record<string, string | undefined>): Promise<void> {
  const startedAt = performance.now();
  const stopping = new AbortController();
  const say = (line: string) => {
    if (!stopping.signal.aborted) console.log(line);
  };
  say('RCB demo: a stand-in GitHub and the bot, all on this machine. No account, no network.');
  say('Starting …');
  const starting = startDemo({
    ports: { ...WISHES, ...(env['PORT'] && { site: parsePort(env['PORT']) }) },
    dataDir: env['RCB_DATA_DIR'] || undefined,
    path: env['PATH'],
    say,
  });
  stopOnSignals(starting, stopping);
  const demo = await starting;
  say(`\nReady after ${seconds(performance.now() - startedAt)}.`);
  say(`  RCB's site       ${demo.siteUrl}`);
  say(`  Play page        ${demo.playUrl}   (open pull requests, push, comment)`);
  say(`  Stand-in GitHub  ${demo.githubUrl}/acme/rocket`);
  say(`  The bot's log    ${demo.logFile}\n`);
  await playStory({ playground: demo.playground, say, sinceStart: () => performance.now() - startedAt }).catch(
    (error: Error) => say(`The story broke off: ${error.message}\nThe bot's log may tell why: ${demo.logFile}`),
  );
  say(WHAT_NEXT(demo));
}

const WHAT_NEXT = (demo: Demo) => `
What to try next
  · Look at the runs, their logs and the ledger:  ${demo.siteUrl}
  · Open a pull request of your own, push to it, and watch its checks:  ${demo.playUrl}
  · Log in (you are asked who you are) and press a run's buttons:  ${demo.siteUrl}/login?return=/runs
  · See a pull request as GitHub shows it:  ${demo.githubUrl}/acme/rocket/pull/1
  · Ask as a program:  curl ${demo.siteUrl}/api/runs
Everything stays up until you press Ctrl-C.`;

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Error(`PORT is "${text}", expected a port from 0 to 65535.`);
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;

function stopOnSignals(starting: Promise<Demo>, stopping: AbortController): void {
  let firstAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (firstAt !== undefined && performance.now() - firstAt < SAME_SIGNAL_MS) return;
      if (firstAt !== undefined) process.exit(1);
      firstAt = performance.now();
      stopping.abort();
      console.log('\nStopping: the bot, its builds, the stand-in GitHub …');
      starting
        .then((demo) => demo.stop())
        .then(
          () => {
            console.log('Everything has stopped.');
            process.exit(0);
          },
          (error) => {
            console.error(`Could not stop cleanly: ${error instanceof Error ? error.message : error}`);
            process.exit(1);
          },
        );
    });
  }
}

if (import.meta.main) {
  await main(process.env).catch((error) => {
    console.error(`The demo could not start: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  });
}
