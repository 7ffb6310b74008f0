import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPO, type RunJson, startWorld, type World } from '../../support/world.ts';
import { packageOf } from './bench.ts';
import { type ObsServer, until } from './server.ts';

/** The whole bot beside a real Open Build Service: pull requests, the projects there, and what people see of them. */

const PROJECT = 'home:bot';
export const PACKAGES = ['good', 'other'];
export const BUILD_MS = 240_000;
/** Where the stories happen: the default branch, of which each stage has a commit to test, is not built. */
const BASE = 'base';

export interface Stage {
  world: World;
  server: ObsServer;
  /** Pull requests so far. */
  opened: number;
  stop(): Promise<void>;
}

interface StageOptions {
  jobTimeout?: string;
  /** Packages with such a line in their recipes. */
  heads?: Record<string, string>;
}

export async function startStage(at: ObsServer, { jobTimeout = '4m', heads = {} }: StageOptions = {}): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'rcb-obs-template-'));
  await writeTemplate(directory, heads);
  const own = `name: obs, kind: obs, url: "${at.front.url}", project: "${PROJECT}", template: "${directory}", branches: [${BASE}]`;
  const world = await startWorld({
    files: filesOf({ good: 'echo all is well', other: 'echo so is this' }),
    yaml: ['limits: { writeSpacing: 0 }', 'poll: { obs: 2 }', `backends: [{ ${own}, jobTimeout: ${jobTimeout} }]`].join(
      '\n',
    ),
    env: { OBS_USER: at.user, OBS_PASSWORD: at.password },
  });
  world.github.setPermission(REPO, 'maintainer', 'write');
  await world.github.commit(REPO, BASE);
  const stop = async () => {
    await world.stop();
    await rm(directory, { recursive: true });
  };
  return { world, server: at, opened: 0, stop };
}

/** What each package's build runs. */
export const filesOf = (scripts: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(scripts).map(([name, text]) => [`ci/${name}`, `set -e\n${text}\n`]));

async function writeTemplate(directory: string, heads: Record<string, string>): Promise<void> {
  const built = [...PACKAGES, ...Object.keys(heads)];
  const packages = built.map((name) => `{ name: ${name}, sources: [${REPO}] }`);
  const repositories =
    '[{ name: standard, paths: [{ project: Base, repository: standard }], architectures: [x86_64] }]';
  await writeFile(
    join(directory, 'template.yaml'),
    `repositories: ${repositories}\npackages: [${packages.join(', ')}, { name: needy, sources: [${REPO}], mayBeLeftOut: true }]\n`,
  );
  for (const name of built) {
    await mkdir(join(directory, name));
    const { text } = packageOf(name, { source: REPO, head: heads[name] }).files[0]!;
    await writeFile(join(directory, name, 'simpleimage'), text);
  }
  // A recipe for another kind of distribution is excluded.
  await mkdir(join(directory, 'needy'));
  await writeFile(join(directory, 'needy', 'needy.spec'), 'Name: needy\nVersion: 1\n');
}

export const jobsOf = (run: RunJson) => run.builds.flatMap(({ jobs }) => jobs);
export const verdicts = (run: RunJson) => Object.fromEntries(jobsOf(run).map(({ name, verdict }) => [name, verdict]));
export const jobOf = (run: RunJson, name: string) => jobsOf(run).find((job) => job.name.startsWith(`obs / ${name} `))!;
export const names = { good: 'obs / good x86_64-standard', other: 'obs / other x86_64-standard' };

async function projects({ server: at }: Stage): Promise<string[]> {
  const listed = await (await at.behind('/source')).text();
  return [...listed.matchAll(/name="([^"]+)"/g)].map(([, name]) => name!).filter((name) => name.startsWith(PROJECT));
}

/** A verdict that is not the expected one is told with its reason. */
export async function assertVerdicts(
  { world }: Stage,
  run: RunJson,
  expected: Record<string, string | null>,
): Promise<void> {
  const rows = await world.database.database.prisma.job.findMany({ where: { build: { runId: run.id } } });
  const whys = rows.map(({ name, verdict, why }) => `${name}: ${verdict}, ${why}`).join('\n');
  assert.deepEqual(verdicts(run), expected, whys);
}

/** What was made for a run: it is written there. */
export async function projectOf(stage: Stage, { id }: RunJson): Promise<string | undefined> {
  for (const project of await projects(stage)) {
    const meta = await (await stage.server.behind(`/source/${project}/_meta`)).text();
    if (meta.includes(`Run ${id} of RCB`)) return project;
  }
  return undefined;
}

/** What failed stays, disabled. */
async function building(stage: Stage): Promise<string[]> {
  const open: string[] = [];
  for (const name of await projects(stage)) {
    const meta = await (await stage.server.behind(`/source/${name}/_meta`)).text();
    // One that was deleted meanwhile has none.
    if (meta.includes('<repository') && !/<build>\s*<disable\s*\/>/.test(meta)) open.push(name);
  }
  return open;
}

/** Its first commit is tested, and the workers have nothing to do. */
export const idle = (stage: Stage): Promise<void> =>
  until(
    'all is tested',
    async () => {
      const runs = await stage.world.runs();
      return runs.length > 0 && runs.every(({ state }) => state === 'finished') && (await building(stage)).length === 0;
    },
    BUILD_MS,
  );

export const logOf = async ({ world }: Stage, run: RunJson, name: string): Promise<string> => {
  const id = new URL(jobOf(run, name).logUrl!).pathname.split('/')[4];
  return await world.text(`/runs/${run.id}/jobs/${id}/log.txt`);
};

/** One of its own, in which the packages' builds run these. */
export function openPull(stage: Stage, scripts: Record<string, string>) {
  stage.opened += 1;
  const head = `branch-${stage.opened}`;
  return stage.world.github.openPullRequest({ repo: REPO, head, base: BASE, files: filesOf(scripts) });
}
