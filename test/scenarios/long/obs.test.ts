import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { OBS_SIGNATURE_HEADER, signObsHook } from '../../../src/backends/obs/hook.ts';
import { openQueue } from '../../../src/queue/prisma.ts';
import { type JobContext, type JobScript, type ObsStandIn, startObs } from '../../standins/obs/index.ts';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, startWorld, type World } from '../../support/world.ts';

/** Builds on an Open Build Service, through the whole bot. */

const SECRET = 'the-secret-of-the-hooks';
const PROJECT = 'home:rcb';

/** By package; of several each is for one more build of it. */
type Scripts = Record<string, JobScript | JobScript[]>;

/** What a branch's file `script.json` says, or all is well. */
function scriptOf({ files, package: name, builds }: JobContext): JobScript {
  const archive = [...files].find(([file]) => file.endsWith('.tar.gz'))![1];
  const said = /\{"script":(.*)\}\n/.exec(gunzipSync(archive).toString('utf8'))?.[1];
  const scripts = said === undefined ? {} : (JSON.parse(said) as Scripts);
  const script = [scripts[name] ?? []].flat();
  return (
    script[Math.min(builds, script.length - 1)] ?? {
      prints: [`${name} is well`],
      leaves: { [`${name}.rpm`]: 'bytes' },
      ends: 'passes',
    }
  );
}

/** Two packages; the recipes are of no interest to the stand-in. */
async function writeTemplate(directory: string): Promise<void> {
  await writeFile(
    join(directory, 'template.yaml'),
    `repositories: [{ name: standard, paths: [{ project: Base, repository: standard }], architectures: [x86_64] }]
packages: [{ name: tool, sources: [${REPO}] }, { name: extra, sources: [${REPO}] }]
`,
  );
  for (const name of ['tool', 'extra']) {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, `${name}.spec`), `Name: ${name}\nSource0: {{ archive ${REPO} }}\n`);
  }
}

interface ObsWorld {
  world: World;
  obs: ObsStandIn;
  stop(): Promise<void>;
}

async function startObsWorld({ poll = 1, longPoll = true } = {}): Promise<ObsWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'rcb-obs-template-'));
  await writeTemplate(directory);
  const obs = await startObs({ decide: scriptOf, longPoll });
  const own = `name: obs, kind: obs, url: "${obs.url}", project: "${PROJECT}", template: "${directory}"`;
  const world = await startWorld({
    yaml: [`limits: { writeSpacing: 0 }`, `poll: { obs: ${poll} }`, `backends: [{ ${own} }]`].join('\n'),
    env: { OBS_USER: obs.user, OBS_PASSWORD: obs.password, OBS_HOOK_SECRET: SECRET },
  });
  world.github.setPermission(REPO, 'maintainer', 'write');
  const stop = async () => {
    await world.stop();
    await obs.close();
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  };
  return { world, obs, stop };
}

let branches = 0;
const open = (world: World, script?: Scripts) => {
  branches += 1;
  const head = `branch-${branches}`;
  const files = script ? { 'script.json': `${JSON.stringify({ script })}\n` } : { [head]: '1' };
  return world.github.openPullRequest({ repo: REPO, head, files });
};

const jobsOf = (run: RunJson) => run.builds.flatMap(({ jobs }) => jobs);
const verdicts = (run: RunJson) => Object.fromEntries(jobsOf(run).map(({ name, verdict }) => [name, verdict]));

/** The project of the newest build, once it is there. */
async function projectOf(obs: ObsStandIn, before: Set<string>): Promise<string> {
  const made = () => [...obs.projects.keys()].find((name) => name.startsWith(`${PROJECT}:RCB:`) && !before.has(name));
  await until(() => made() !== undefined);
  return made()!;
}

/** What was made a moment ago is left alone. */
function makeOld(obs: ObsStandIn, project: string): void {
  const there = obs.projects.get(project)!;
  const year = (_: string, before: string) => `${before}2020`;
  const meta = there.meta.replace(/(madeAt(?:\W|quot)+)\d{4}/, year);
  assert.notEqual(meta, there.meta);
  there.meta = meta;
}

let sweeps = 0;
/** An hour begins; resolves when OBS was looked through. */
async function sweep({ database }: World, obs: ObsStandIn): Promise<void> {
  sweeps += 1;
  const { prisma } = database.database;
  const newId = () => `sweep-${sweeps}`;
  const storeOn = () => {
    throw new Error('a queue that only pushes needs no store');
  };
  const looks = obs.count(/search/);
  const event = { kind: 'tick', source: 'house', at: new Date().toISOString(), everyMs: 3_600_000 } as const;
  await openQueue(prisma, { newId, storeOn }).push([{ source: 'own', event: { key: newId(), event } }]);
  const where = { kind: 'backend.sweep' };
  await until(async () => obs.count(/search/) > looks && (await prisma.effect.count({ where })) === 0);
}

describe('builds on an Open Build Service', { timeout: 400_000 }, () => {
  let world: World;
  let obs: ObsStandIn;
  let stop = async () => {};
  before(async () => {
    ({ world, obs, stop } = await startObsWorld());
  });
  after(() => stop());

  test('a run passes: a check, a log and the binaries of each package; its project goes', async () => {
    const pull = await open(world);
    const run = await world.run(pull.headSha);
    assert.equal(run.verdict, 'passed');
    assert.deepEqual(verdicts(run), {
      'obs / tool x86_64-standard': 'passed',
      'obs / extra x86_64-standard': 'passed',
    });
    assert.equal((await world.check(pull.headSha, 'obs / tool x86_64-standard')).conclusion, 'success');
    const tool = jobsOf(run).find(({ name }) => name.startsWith('obs / tool'))!;
    assert.match(
      await world.text(`/runs/${run.id}/jobs/${new URL(tool.logUrl!).pathname.split('/')[4]}/log.txt`),
      /tool is well/,
    );
    const rpm = tool.artifacts.find(({ name }) => name === 'tool.rpm')!;
    assert.equal(await world.text(new URL(rpm.url, world.rcb.publicUrl).pathname), 'bytes');
    await until(() => ![...obs.projects.keys()].some((name) => name.startsWith(`${PROJECT}:RCB:`)));
  });

  test('one package fails, another is unresolvable: each check says which', async () => {
    const pull = await open(world, {
      tool: { prints: ['alas'], ends: 'fails' },
      extra: { ends: 'unresolvable', details: 'nothing provides foo' },
    });
    const run = await world.run(pull.headSha, 'finished', 40_000);
    assert.deepEqual(verdicts(run), { 'obs / tool x86_64-standard': 'failed', 'obs / extra x86_64-standard': 'error' });
    const check = await world.check(pull.headSha, 'obs / extra x86_64-standard');
    assert.equal(check.conclusion, 'failure');
    assert.match(JSON.stringify(check.output), /nothing provides foo/);
  });

  test('{re-test failed} builds the failed package again, and what needed it; a run that passes leaves nothing', async () => {
    const before = new Set(obs.projects.keys());
    const pull = await open(world, {
      tool: [
        { prints: ['alas'], ends: 'fails' },
        { prints: ['at last'], ends: 'passes' },
      ],
      extra: { ends: 'passes', needs: ['tool'] },
    });
    const project = await projectOf(obs, before);
    const first = await world.run(pull.headSha, 'finished', 40_000);
    assert.deepEqual(verdicts(first), {
      'obs / tool x86_64-standard': 'failed',
      'obs / extra x86_64-standard': 'error',
    });
    // Kept for this, and not built meanwhile.
    await until(() => obs.job(project, 'tool')?.code === 'disabled');
    await world.github.comment(REPO, pull.number, '{re-test failed}', { by: 'maintainer' });
    await until(async () => (await world.json<RunJson>(`/api/runs/${first.id}`)).verdict === 'passed', 40_000);
    const run = await world.json<RunJson>(`/api/runs/${first.id}`);
    assert.deepEqual(
      jobsOf(run).map(({ attempt, verdict }) => [attempt, verdict]),
      [
        [2, 'passed'],
        [2, 'passed'],
      ],
    );
    const tool = jobsOf(run).find(({ name }) => name.startsWith('obs / tool'))!;
    assert.match(await world.text(new URL(tool.logUrl!).pathname), /at last/);
    assert.equal((await world.runs(`?sha=${pull.headSha}`)).length, 1);
    await until(() => !obs.projects.has(project));
    await until(async () => (await world.check(pull.headSha, 'obs / tool x86_64-standard')).conclusion === 'success');
  });

  test('a failed build stays only until its change is tested anew', async () => {
    const before = new Set(obs.projects.keys());
    const pull = await open(world, { tool: { ends: 'fails' } });
    const project = await projectOf(obs, before);
    await world.run(pull.headSha);
    await until(() => obs.job(project, 'tool')?.code === 'disabled');
    makeOld(obs, project);
    await sweep(world, obs);
    assert.ok(obs.projects.has(project));
    await world.run(await world.github.commit(REPO, pull.head, { files: { 'script.json': 'none\n' } }));
    await sweep(world, obs);
    assert.ok(!obs.projects.has(project));
  });

  test('a newer head stops what is built, and the newer one is built', async () => {
    const before = new Set(obs.projects.keys());
    const pull = await open(world, { tool: { ends: 'never' }, extra: { ends: 'never' } });
    const project = await projectOf(obs, before);
    await until(() => obs.job(project, 'tool')?.code === 'building');
    const next = await world.github.commit(REPO, pull.head, { files: { 'script.json': 'none\n' } });
    assert.equal((await world.run(next)).verdict, 'passed');
    const first = await world.run(pull.headSha);
    assert.equal(first.verdict, 'superseded');
    await until(() => !obs.projects.has(project) || obs.job(project, 'tool')?.code !== 'building');
  });

  test('a server that is away holds the build, and it goes on when the server is back', async () => {
    obs.fail({ path: /./, status: 503, headers: { 'retry-after': '1' }, times: 3 });
    const pull = await open(world);
    assert.equal((await world.run(pull.headSha, 'finished', 60_000)).verdict, 'passed');
  });

  test('a hook that is not signed is refused', async () => {
    const url = new URL('/hooks/obs', world.rcb.publicUrl);
    assert.equal((await fetch(url)).status, 405);
    assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401);
    const body = Buffer.from('nonsense');
    const headers = { [OBS_SIGNATURE_HEADER]: signObsHook(body, SECRET) };
    assert.equal((await fetch(url, { method: 'POST', body, headers })).status, 400);
  });
});

test('a hook makes the bot look; its next poll would come much later', { timeout: 400_000 }, async () => {
  const { world, obs, stop } = await startObsWorld({ poll: 3_600, longPoll: false });
  try {
    const pull = await open(world, { tool: { ends: 'never' }, extra: { ends: 'passes' } });
    // Not that of the default branch, which is built as well.
    const { prisma } = world.database.database;
    const build = () => prisma.build.findFirst({ where: { run: { sha: pull.headSha } } });
    await until(async () => typeof (await build())?.externalId === 'string');
    const project = (await build())!.externalId!;
    await until(() => obs.job(project, 'tool')?.code === 'building' && obs.job(project, 'extra')?.code === 'succeeded');
    const there = obs.projects.get(project)!;
    const isFollowed = () => obs.count(/_result$/) > 0;
    await until(isFollowed);
    obs.scheduler.abort(there, obs.job(project, 'tool')!);
    const tell = async () => {
      const body = Buffer.from(
        JSON.stringify([{ event: 'opensuse.obs.package.build_fail', project, package: 'tool' }]),
      );
      const headers = { [OBS_SIGNATURE_HEADER]: signObsHook(body, SECRET) };
      const answer = await fetch(new URL('/hooks/obs', world.rcb.publicUrl), { method: 'POST', body, headers });
      assert.equal(answer.status, 202);
    };
    await until(() => obs.job(project, 'tool')?.code === 'failed');
    await tell();
    const run = await world.run(pull.headSha, 'finished', 60_000);
    assert.equal(verdicts(run)['obs / extra x86_64-standard'], 'passed');
    assert.equal(verdicts(run)['obs / tool x86_64-standard'], 'error', 'killed at OBS, by somebody else');
  } finally {
    await stop();
  }
});
