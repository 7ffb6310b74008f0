import type { Branch, PullRequest } from '../core/change.ts';
import type { Run } from '../core/model.ts';
import { grouped } from '../database/group.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { jobsInclude, type RunRows, rowsOf, runOf, sourcesInclude } from './run-rows.ts';
import type { Installation, Repository, Store } from './store.ts';

type Client = Prisma.TransactionClient;

/** The store on a client or a transaction. `now`: for `updated_at`. */
export function openStore(client: Client, now: () => Date): Store {
  return {
    branch: async (subject) => branchOf(await client.branch.findUnique({ where: { subject } })),
    branches: async (repositoryKey) =>
      (await client.branch.findMany({ where: { repositoryKey } })).map((row) => branchOf(row)!),
    saveBranch: (branch) => saveBranch(client, branch, now()),
    pullRequest: async (subject) => pullRequestOf(await client.pullRequest.findUnique({ where: { subject } })),
    savePullRequest: (pullRequest) => savePullRequest(client, pullRequest, now()),
    run: (id) => loadRun(client, id),
    saveRun: (run, before) => saveRun(client, run, before),
    installation: async (key) => (await client.installation.findUnique({ where: { key } })) as Installation | undefined,
    saveInstallation: (installation) => saveInstallation(client, installation, now()),
    repository: async (key) => repositoryOf(await client.repository.findUnique({ where: { key } })),
    saveRepository: (repository) => saveRepository(client, repository, now()),
  };
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

/** Parents before children; a row that is as it was is not written. */
const TABLES = ['source', 'build', 'job', 'attempt', 'artifact', 'check'] as const;

async function saveRun(client: Client, run: Run, before?: Run): Promise<void> {
  const rows = rowsOf(run);
  const was = before ? rowsOf(before) : undefined;
  if (!was) await client.run.create({ data: rows.run });
  else if (differ(rows.run, was.run)) await client.run.update({ where: { id: run.id }, data: rows.run });
  for (const table of TABLES) await saveRows(client, table, rows, was);
}

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
  };
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
