import type { Branch, PullRequest } from '../core/change.ts';
import { type JsonOf, toJson } from '../core/event.ts';
import type { KnownHead } from '../core/merge-head.ts';
import type { Run } from '../core/model.ts';
import { isSameName } from '../core/stack.ts';
import { grouped } from '../database/group.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { savePress } from './press-rows.ts';
import { saveTests } from './prisma-tests.ts';
import { listPrivate } from './private-rows.ts';
import { jobsInclude, type RunRows, rowsOf, runOf, sourcesInclude } from './run-rows.ts';
import type { Installation, Repository, Store, StoredMergeRequest } from './store.ts';

type Client = Prisma.TransactionClient;

/** The store on a client or a transaction. `now`: for `updated_at`. */
export function openStore(client: Client, now: () => Date): Store {
  return {
    branch: async (subject) => branchOf(await client.branch.findUnique({ where: { subject } })),
    branches: async (repositoryKey) =>
      (await client.branch.findMany({ where: { repositoryKey } })).map((row) => branchOf(row)!),
    saveBranch: (branch) => saveBranch(client, branch, now()),
    pullRequest: async (subject) => pullRequestOf(await client.pullRequest.findUnique({ where: { subject } })),
    pullRequests: (repositoryKey, numbers) => pullRequests(client, repositoryKey, numbers),
    savePullRequest: (pullRequest) => savePullRequest(client, pullRequest, now()),
    pullRequestsFrom: async (repositoryKey, headRef) => {
      const rows = await client.pullRequest.findMany({ where: { repositoryKey, headRef }, orderBy: { number: 'asc' } });
      return rows.map((row) => pullRequestOf(row)!);
    },
    run: (id) => loadRun(client, id),
    runOf: (subject, sha) => newestRun(client, { subject, sha }),
    runAt: (repositoryKey, sha) => newestRun(client, { repositoryKey, sha }),
    buildAt: async (backend, externalId) => {
      const where = { backend_externalId: { backend, externalId } };
      const build = await client.build.findUnique({ where, select: { id: true, runId: true } });
      return build ? { runId: build.runId, buildId: build.id } : undefined;
    },
    runOfCheck: async (id) => {
      const check = await client.check.findUnique({ where: { id }, select: { runId: true } });
      return check ? loadRun(client, check.runId) : undefined;
    },
    mergeRequest: async (id) => mergeRequestOf(await client.mergeRequest.findUnique({ where: { id } })),
    mergeRequests: async (subject) =>
      (await client.mergeRequest.findMany({ where: { subject }, orderBy: { id: 'asc' } })).map(
        (row) => mergeRequestOf(row)!,
      ),
    saveMergeRequest: (request) => saveMergeRequest(client, request, now()),
    savePress: (press) => savePress(client, press),
    openRuns: async (repositoryKey) => {
      const where = { repositoryKey, state: { not: 'finished' } };
      return (await client.run.findMany({ where, select: { id: true }, orderBy: { id: 'asc' } })).map(({ id }) => id);
    },
    hasVerdict: async (repositoryKey, sha) => {
      const verdict = { in: ['passed', 'failed', 'error'] };
      return (await client.run.findFirst({ where: { sha, repositoryKey, verdict }, select: { id: true } })) !== null;
    },
    countBuilding: (except) => countBuilding(client, except),
    saveRun: (run, before) => saveRun(client, run, before),
    saveKeeps: (source, runIds) => saveKeeps(client, source, runIds, now()),
    installation: async (key) =>
      ((await client.installation.findUnique({ where: { key } })) as Installation | null) ?? undefined,
    installations: async () => (await client.installation.findMany({ orderBy: { key: 'asc' } })) as Installation[],
    saveInstallation: (installation) => saveInstallation(client, installation, now()),
    repository: async (key) => repositoryOf(await client.repository.findUnique({ where: { key } })),
    repositoryByName: async (name) => {
      const rows = await repositoriesNamed(client, [name], { state: { not: 'removed' } });
      return repositoryOf(rows[0] ?? null);
    },
    privateRepositories: () => listPrivate(client),
    holdPrivate: async (keys) => {
      const where = { key: { in: keys }, private: true };
      return (await client.repository.findFirst({ where, select: { key: true } })) !== null;
    },
    privateNames: (names) => privateNames(client, names),
    repositories: async (installation) => {
      const where = installation === undefined ? { state: 'watched' } : { installation };
      return (await client.repository.findMany({ where, orderBy: { key: 'asc' } })).map((row) => repositoryOf(row)!);
    },
    saveRepository: (repository) => saveRepository(client, repository, now()),
    saveTests: (reading) => saveTests(client, reading),
    cursor: async (name) =>
      ((await client.cursor.findUnique({ where: { name } }))?.value as Record<string, unknown> | null) ?? undefined,
  };
}

/** Who has a name is whoever was seen with it last: what was private may be gone, and another one in its place. */
async function privateNames(client: Client, names: string[]): Promise<string[]> {
  const rows = await repositoriesNamed(client, names);
  return names.filter((name) => rows.find((row) => isSameName(row.name, name))?.private === true);
}

/** What was seen last comes first. Prisma compares by ILIKE, where an underscore stands for any character. */
async function repositoriesNamed(client: Client, names: string[], more: Prisma.RepositoryWhereInput = {}) {
  const OR = names.map((name) => ({ name: { equals: name, mode: 'insensitive' as const } }));
  const rows = await client.repository.findMany({ where: { OR, ...more }, orderBy: { updatedAt: 'desc' } });
  return rows.filter((row) => names.some((name) => isSameName(row.name, name)));
}

/** The lookups of the intake, shared by all hooks that come at the same time; outside any transaction. */
export function openLookups(client: Client): Pick<Store, 'branch' | 'pullRequest'> {
  const branch = grouped(async (asked: string[]) => {
    const rows = await client.branch.findMany({ where: { subject: { in: evenly(asked) } } });
    return asked.map((subject) => branchOf(rows.find((row) => row.subject === subject) ?? null));
  });
  const pullRequest = grouped(async (asked: string[]) => {
    const rows = await client.pullRequest.findMany({ where: { subject: { in: evenly(asked) } } });
    return asked.map((subject) => pullRequestOf(rows.find((row) => row.subject === subject) ?? null));
  });
  return { branch, pullRequest };
}

/** Lists of few lengths make few statements, which stay prepared: the last one is repeated up to a power of two. */
function evenly(subjects: string[]): string[] {
  const length = 2 ** Math.ceil(Math.log2(subjects.length));
  return Array.from({ length }, (_, index) => subjects[index] ?? subjects.at(-1)!);
}

async function loadRun(client: Client, id: string): Promise<Run | undefined> {
  // One after the other: Prisma loads sibling relations at once, which one connection cannot do.
  const record = await client.run.findUnique({ where: { id }, include: sourcesInclude });
  if (!record) return undefined;
  const builds = await client.build.findMany({ where: { runId: id }, orderBy: { id: 'asc' }, include: jobsInclude });
  const checks = await client.check.findMany({ where: { runId: id }, orderBy: { id: 'asc' } });
  return runOf({ ...record, builds, checks });
}

/** A build that was started a moment ago is told of by an event before its row says so. */
async function countBuilding(client: Client, except: string | undefined): Promise<number> {
  const builds = { some: { state: { not: 'finished' }, externalId: { not: null } } };
  const stored = await client.run.findMany({ where: { builds }, select: { id: true } });
  const told = await client.event.findMany({
    where: { kind: 'build.started', state: { in: ['pending', 'running'] } },
    select: { subject: true },
  });
  const ids = new Set([...stored.map(({ id }) => id), ...told.map(({ subject }) => subject.replace(/^run:/, ''))]);
  if (except !== undefined) ids.delete(except);
  return ids.size;
}

async function newestRun(client: Client, where: Prisma.RunWhereInput): Promise<Run | undefined> {
  const found = await client.run.findFirst({ where, orderBy: { id: 'desc' }, select: { id: true } });
  return found ? loadRun(client, found.id) : undefined;
}

async function saveKeeps(client: Client, source: string, runIds: string[], at: Date): Promise<void> {
  await client.runKeep.deleteMany({ where: { source, runId: { notIn: runIds } } });
  if (runIds.length === 0) return;
  const there = await client.run.findMany({ where: { id: { in: runIds } }, select: { id: true } });
  const data = there.map(({ id: runId }) => ({ runId, source, at }));
  await client.runKeep.createMany({ data, skipDuplicates: true });
}

/** Parents before children; a row that is as it was is not written. */
const TABLES = ['source', 'build', 'job', 'attempt', 'artifact', 'check'] as const;

async function saveRun(client: Client, run: Run, before?: Run): Promise<void> {
  const rows = rowsOf(run);
  const was = before ? rowsOf(before) : undefined;
  if (!was) await client.run.create({ data: rows.run });
  // The update stamps the run as changed: lists count its jobs, too.
  else if (SHOWN_IN_LISTS.some((table) => differ(rows[table], was[table])))
    await client.run.update({ where: { id: run.id }, data: rows.run });
  for (const table of TABLES) await saveRows(client, table, rows, was);
}

const SHOWN_IN_LISTS = ['run', 'build', 'job'] as const;

async function saveRows(
  client: Client,
  table: (typeof TABLES)[number],
  rows: RunRows,
  was: RunRows | undefined,
): Promise<void> {
  const known = new Map<string, object>(was?.[table].map((row) => [row.id, row]));
  // The tables have the same verbs; Prisma's types differ in the rows only.
  const model = client[table] as unknown as {
    createMany(args: { data: object[] }): Promise<unknown>;
    update(args: { where: { id: string }; data: object }): Promise<unknown>;
  };
  const added = rows[table].filter((row) => !known.has(row.id));
  if (added.length) await model.createMany({ data: added });
  for (const row of rows[table]) {
    const old = known.get(row.id);
    if (old && differ(row, old)) await model.update({ where: { id: row.id }, data: row });
  }
}

const differ = (one: object, other: object): boolean => JSON.stringify(one) !== JSON.stringify(other);

async function saveBranch(client: Client, branch: Branch, now: Date): Promise<void> {
  const row = { ...branch, toldBy: branch.toldBy ?? null, runId: branch.runId ?? null, updatedAt: now };
  await client.branch.upsert({ where: { subject: branch.subject }, create: row, update: row });
}

function branchOf(row: Awaited<ReturnType<Client['branch']['findUnique']>>): Branch | undefined {
  if (!row) return undefined;
  const { subject, repositoryKey, ref, sha, generation } = row;
  return {
    subject,
    repositoryKey,
    ref,
    sha,
    generation,
    toldBy: row.toldBy ?? undefined,
    runId: row.runId ?? undefined,
  };
}

async function savePullRequest(client: Client, pull: PullRequest, now: Date): Promise<void> {
  const { author, ...facts } = pull;
  const row = {
    ...facts,
    authorId: author.id,
    authorLogin: author.login,
    toldBy: pull.toldBy ?? null,
    runId: pull.runId ?? null,
    heads: toJson(pull.heads) as unknown as Prisma.InputJsonArray,
    allowedSha: pull.allowedSha ?? null,
    updatedAt: now,
  };
  await client.pullRequest.upsert({ where: { subject: pull.subject }, create: row, update: row });
}

function pullRequestOf(row: Awaited<ReturnType<Client['pullRequest']['findUnique']>>): PullRequest | undefined {
  if (!row) return undefined;
  const { authorId, authorLogin, updatedAt: _, ...facts } = row;
  return {
    ...facts,
    state: row.state as PullRequest['state'],
    author: { id: authorId, login: authorLogin },
    toldBy: row.toldBy ?? undefined,
    runId: row.runId ?? undefined,
    heads: (row.heads as unknown as JsonOf<KnownHead[]>).map(({ sha, seenAt }) => ({ sha, seenAt: new Date(seenAt) })),
    allowedSha: row.allowedSha ?? undefined,
  };
}

async function saveMergeRequest(client: Client, request: StoredMergeRequest, now: Date): Promise<void> {
  const { call, decision, retestedBases, told, cancelledById, ...facts } = request;
  const row = {
    ...facts,
    retestedBases,
    told,
    cancelledById: cancelledById ?? null,
    ...(call && { call: toJson(call) as unknown as Prisma.InputJsonObject }),
    ...(decision && { decision: toJson(decision) as unknown as Prisma.InputJsonObject }),
    updatedAt: now,
  };
  await client.mergeRequest.upsert({ where: { id: request.id }, create: row, update: row });
}

function mergeRequestOf(
  row: Awaited<ReturnType<Client['mergeRequest']['findUnique']>>,
): StoredMergeRequest | undefined {
  if (!row) return undefined;
  const { updatedAt: _, call, ...facts } = row;
  const stored = call as unknown as JsonOf<NonNullable<StoredMergeRequest['call']>> | null;
  return {
    ...facts,
    state: row.state as StoredMergeRequest['state'],
    retestedBases: row.retestedBases as string[],
    told: row.told as string[],
    call: stored ? { ...stored, at: new Date(stored.at) } : undefined,
    cancelledById: row.cancelledById ?? undefined,
    decision: (row.decision as StoredMergeRequest['decision'] | null) ?? undefined,
  };
}

async function pullRequests(client: Client, repositoryKey: string, numbers?: number[]): Promise<PullRequest[]> {
  const where = numbers ? { repositoryKey, number: { in: numbers } } : { repositoryKey, state: 'open' };
  const rows = await client.pullRequest.findMany({ where, orderBy: { number: 'asc' } });
  return rows.map((row) => pullRequestOf(row)!);
}

async function saveInstallation(client: Client, installation: Installation, now: Date): Promise<void> {
  const row = { ...installation, updatedAt: now };
  await client.installation.upsert({ where: { key: installation.key }, create: row, update: row });
}

function repositoryOf(row: Awaited<ReturnType<Client['repository']['findUnique']>>): Repository | undefined {
  if (!row) return undefined;
  return {
    key: row.key,
    name: row.name,
    defaultBranch: row.defaultBranch ?? undefined,
    private: row.private,
    state: row.state as Repository['state'],
    why: row.why ?? undefined,
    installation: row.installation ?? undefined,
  };
}

async function saveRepository(client: Client, repository: Repository, now: Date): Promise<void> {
  const { key, name, state } = repository;
  const row = {
    key,
    name,
    state,
    private: repository.private,
    defaultBranch: repository.defaultBranch ?? null,
    why: repository.why ?? null,
    installation: repository.installation ?? null,
    updatedAt: now,
  };
  await client.repository.upsert({ where: { key }, create: row, update: row });
}
