import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { REPO, type RunJson, startWorld, type World } from '../../support/world.ts';
import { openOrWhy, packageOf } from './bench.ts';
import { type ObsServer, startObsServer, until } from './server.ts';

/** The whole bot on a real Open Build Service: a push, a project there, and what people see of it. */

const { env } = process;
const [server, why] = await openOrWhy(() => startObsServer({ environment: env, workers: 2 }), env);

const PROJECT = 'home:bot';
const PACKAGES = ['good', 'other'];
const BUILD_MS = 240_000;
/** Where the stories happen: the default branch, of which each stage has a commit to test, is not built. */
const BASE = 'base';

interface Stage {
  world: World;
  server: ObsServer;
}

interface StageOptions {
  jobTimeout?: string;
  /** Packages with such a line in their recipes. */
  heads?: Record<string, string>;
}

async function startStage(
  at: ObsServer,
  { jobTimeout = '4m', heads = {} }: StageOptions = {},
): Promise<Stage & { stop(): Promise<void> }> {
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
  return { world, server: at, stop };
}

/** What each package's build runs. */
const filesOf = (scripts: Record<string, string>): Record<string, string> =>
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

const jobsOf = (run: RunJson) => run.builds.flatMap(({ jobs }) => jobs);
const verdicts = (run: RunJson) => Object.fromEntries(jobsOf(run).map(({ name, verdict }) => [name, verdict]));
const jobOf = (run: RunJson, name: string) => jobsOf(run).find((job) => job.name.startsWith(`obs / ${name} `))!;
const names = { good: 'obs / good x86_64-standard', other: 'obs / other x86_64-standard' };

async function projects({ server: at }: Stage): Promise<string[]> {
  const listed = await (await at.behind('/source')).text();
  return [...listed.matchAll(/name="([^"]+)"/g)].map(([, name]) => name!).filter((name) => name.startsWith(PROJECT));
}

/** A verdict that is not the expected one is told with its reason. */
async function assertVerdicts({ world }: Stage, run: RunJson, expected: Record<string, string | null>): Promise<void> {
  const rows = await world.database.database.prisma.job.findMany({ where: { build: { runId: run.id } } });
  const whys = rows.map(({ name, verdict, why }) => `${name}: ${verdict}, ${why}`).join('\n');
  assert.deepEqual(verdicts(run), expected, whys);
}

/** What was made for a run: it is written there. */
async function projectOf(stage: Stage, { id }: RunJson): Promise<string | undefined> {
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
const idle = (stage: Stage): Promise<void> =>
  until(
    'all is tested',
    async () => {
      const runs = await stage.world.runs();
      return runs.length > 0 && runs.every(({ state }) => state === 'finished') && (await building(stage)).length === 0;
    },
    BUILD_MS,
  );

const logOf = async ({ world }: Stage, run: RunJson, name: string): Promise<string> => {
  const id = new URL(jobOf(run, name).logUrl!).pathname.split('/')[4];
  return await world.text(`/runs/${run.id}/jobs/${id}/log.txt`);
};

describe('the bot on a real Open Build Service', { skip: why }, () => {
  const staged = server && startStage(server);
  after(async () => {
    await (await staged)?.stop();
    await server?.close();
  });
  const story = (title: string, tell: (stage: Stage) => Promise<void>) =>
    test(title, { timeout: 2 * BUILD_MS }, async () => {
      const stage = (await staged)!;
      await idle(stage);
      try {
        await tell(stage);
      } finally {
        stage.server.front.keepsAll = false;
      }
      await idle(stage);
    });
  let branches = 0;
  const open = ({ world }: Stage, scripts: Record<string, string>) => {
    branches += 1;
    return world.github.openPullRequest({
      repo: REPO,
      head: `branch-${branches}`,
      base: BASE,
      files: filesOf(scripts),
    });
  };

  story('passes; log and binaries in the archive are those of the server', async (stage) => {
    const { world, server: at } = stage;
    at.front.keepsAll = true;
    const pull = await open(stage, { good: 'echo the first' });
    const run = await world.run(pull.headSha, 'finished', BUILD_MS);
    await assertVerdicts(stage, run, { [names.good]: 'passed', [names.other]: 'passed' });
    assert.equal((await world.check(pull.headSha, names.good)).conclusion, 'success');
    assert.equal((await world.check(pull.headSha, 'rcb')).conclusion, 'success');
    const project = await projectOf(stage, run);
    for (const name of PACKAGES) {
      const there = `/build/${project}/standard/x86_64/${name}`;
      assert.equal(await logOf(stage, run, name), await (await at.behind(`${there}/_log?nostream=1`)).text());
      const { artifacts } = jobOf(run, name);
      assert.ok(artifacts.some((artifact) => artifact.name.endsWith('.tar.gz') && artifact.size > 1_000_000));
      for (const artifact of artifacts) {
        const kept = await fetch(new URL(new URL(artifact.url, world.rcb.publicUrl).pathname, world.rcb.publicUrl));
        const bytes = Buffer.from(await kept.arrayBuffer());
        const theirs = await at.behind(`${there}/${encodeURIComponent(artifact.name)}`);
        assert.ok(bytes.equals(Buffer.from(await theirs.arrayBuffer())), artifact.name);
      }
    }
  });

  story('fails, and is tested again', async (stage) => {
    const { world } = stage;
    const pull = await open(stage, { good: 'echo alas; exit 1' });
    const first = await world.run(pull.headSha, 'finished', BUILD_MS);
    await assertVerdicts(stage, first, { [names.good]: 'failed', [names.other]: 'passed' });
    assert.match(await logOf(stage, first, 'good'), /\] alas\n/);
    assert.equal((await world.check(pull.headSha, names.good)).conclusion, 'failure');
    world.github.comment(REPO, pull.number, '{re-test}', { by: 'maintainer' });
    await until('a second run', async () => (await world.runs(`?sha=${pull.headSha}`)).length === 2);
    const second = await world.run(pull.headSha, 'finished', BUILD_MS);
    assert.notEqual(second.id, first.id);
    await assertVerdicts(stage, second, verdicts(first));
  });

  story('{re-test failed} builds the failed package again, in the project where it failed', async (stage) => {
    const { world } = stage;
    // The second build is of the same sources, and fails as well: its attempt says that it was one.
    const pull = await open(stage, { good: 'echo alas; exit 1' });
    const first = await world.run(pull.headSha, 'finished', BUILD_MS);
    assert.deepEqual(verdicts(first), { [names.good]: 'failed', [names.other]: 'passed' });
    await idle(stage);
    assert.ok(await projectOf(stage, first), 'it stays');
    await world.github.comment(REPO, pull.number, '{re-test failed}', { by: 'maintainer' });
    const again = () => world.json<RunJson>(`/api/runs/${first.id}`);
    const hasEnded = async () => jobOf(await again(), 'good').attempt === 2 && (await again()).state === 'finished';
    await until('the second attempt has ended', hasEnded, BUILD_MS);
    const run = await again();
    assert.deepEqual(verdicts(run), { [names.good]: 'failed', [names.other]: 'passed' });
    assert.equal(jobOf(run, 'other').attempt, 1);
    assert.match(await logOf(stage, run, 'good'), /\] alas\n/);
    assert.equal((await world.runs(`?sha=${pull.headSha}`)).length, 1);
  });

  story('a newer head: what is built for the one before is stopped', async (stage) => {
    const { world, server: at } = stage;
    const pull = await open(stage, { good: 'echo begun; sleep 600', other: 'exit 1' });
    // A worker that is stopped before its build has begun takes minutes to see it.
    const hasBegun = async () => {
      const [run] = await world.runs(`?sha=${pull.headSha}`);
      const project = run && (await projectOf(stage, run));
      if (!project) return false;
      const log = await at.behind(`/build/${project}/standard/x86_64/good/_log?nostream=1`);
      return (await log.text()).includes('] begun\n');
    };
    await until('its build has begun', hasBegun, BUILD_MS);
    const next = await world.github.commit(REPO, pull.head, { files: filesOf({ good: 'true', other: 'true' }) });
    const run = await world.run(next, 'finished', BUILD_MS);
    await assertVerdicts(stage, run, { [names.good]: 'passed', [names.other]: 'passed' });
    assert.equal((await world.run(pull.headSha)).verdict, 'superseded');
  });

  test('a package that needs what nobody has: its check says so', { timeout: 2 * BUILD_MS }, async () => {
    await idle((await staged)!);
    const stage = await startStage(server!, { heads: { wanting: 'BuildRequires: nonexistent' } });
    const { world } = stage;
    try {
      await idle(stage);
      const pull = await open(stage, { wanting: 'true' });
      const run = await world.run(pull.headSha, 'finished', BUILD_MS);
      const wanting = 'obs / wanting x86_64-standard';
      assert.deepEqual(verdicts(run), { [names.good]: 'passed', [names.other]: 'passed', [wanting]: 'error' });
      const { conclusion, output } = await world.check(pull.headSha, wanting);
      assert.equal(conclusion, 'failure');
      assert.match(JSON.stringify(output), /unresolvable: nothing provides nonexistent/);
      await idle(stage);
    } finally {
      await stage.stop();
    }
  });

  test('a worker that is killed: the job ends as an error, in time', { timeout: 2 * BUILD_MS }, async () => {
    await idle((await staged)!);
    const stage = await startStage(server!, { jobTimeout: '90s' });
    const { world, server: at } = stage;
    try {
      await idle(stage);
      const pull = await open(stage, { good: 'sleep 600', other: 'sleep 600' });
      const isRunning = async () => {
        const [run] = await world.runs(`?sha=${pull.headSha}`);
        return run !== undefined && jobsOf(run).filter(({ state }) => state === 'running').length === 2;
      };
      await until('both jobs run', isRunning, BUILD_MS);
      at.killWorkers();
      const run = await world.run(pull.headSha, 'finished', BUILD_MS);
      await assertVerdicts(stage, run, { [names.good]: 'error', [names.other]: 'error' });
      const { conclusion, output } = await world.check(pull.headSha, names.good);
      assert.equal(conclusion, 'timed_out', JSON.stringify(output));
    } finally {
      at.startWorkers();
      await stage.stop();
    }
  });
});
