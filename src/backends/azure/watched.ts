import { createHash } from 'node:crypto';
import type { AzureApi } from './api.ts';
import type { AzureBuild } from './schema.ts';

/** Builds that we did not start, or were not told of. */
export interface Watch {
  shas: readonly string[];
  since: Date;
  /** `owner/name`; absent: of every repository whose pipelines are in the project. */
  repository?: string;
  /** The number of its definition; absent: every pipeline of the project. */
  pipeline?: number;
}

export interface IntegrationBuild {
  externalId: string;
  /** The watched one: for a pull request the commit of its head, not Azure's merge of it. */
  sha: string;
  /** `refs/heads/main`, `refs/pull/7/merge` */
  ref?: string;
  pullRequest?: number;
  pipeline?: string;
  url?: string;
}

/** Why Azure's own integration starts builds: pushes and pull requests. */
const REASONS = 'individualCI,batchedCI,pullRequest';

export async function integrationBuilds(api: AzureApi, watch: Watch, signal: AbortSignal): Promise<IntegrationBuild[]> {
  const watched = new Set(watch.shas);
  const found: IntegrationBuild[] = [];
  const ofRepository = watch.repository && { repositoryId: watch.repository, repositoryType: 'GitHub' };
  const query = {
    ...(watch.pipeline !== undefined && { definitions: [watch.pipeline] }),
    reasonFilter: REASONS,
    queryOrder: 'queueTimeDescending',
    minTime: watch.since,
    ...ofRepository,
  } as const;
  for await (const build of api.builds(query, signal)) {
    const sha = shasOf(build).find((each) => watched.has(each));
    if (sha !== undefined && !build.deleted) found.push(integrationBuild(build, sha));
  }
  return found;
}

/** A build of a pull request is of Azure's merge commit; its head is in `triggerInfo` [facts K]. */
function shasOf({ sourceVersion, triggerInfo }: AzureBuild): string[] {
  return [triggerInfo?.['pr.sourceSha'], sourceVersion].flatMap((sha) =>
    typeof sha === 'string' ? sha.toLowerCase() : [],
  );
}

function integrationBuild(build: AzureBuild, sha: string): IntegrationBuild {
  const number = Number(build.triggerInfo?.['pr.number'] ?? /^refs\/pull\/(\d+)\//.exec(build.sourceBranch ?? '')?.[1]);
  const page = build._links?.web?.href;
  return {
    externalId: String(build.id),
    sha,
    ref: build.sourceBranch ?? undefined,
    pullRequest: Number.isSafeInteger(number) && number > 0 ? number : undefined,
    pipeline: build.definition?.name ?? undefined,
    url: page && /^https?:\/\//i.test(page) ? page : undefined,
  };
}

/** The build, and what differs when it does: a retried one goes from completed back to in progress, under the same id. */
export interface RecentBuild {
  id: string;
  version: string;
}

/** By status and by time, each asked for by itself: in one list running builds hide behind finished ones. */
export async function recentlyChanged(
  api: AzureApi,
  pipeline: number,
  since: Date,
  signal: AbortSignal,
): Promise<RecentBuild[]> {
  const found = new Map<string, RecentBuild>();
  const definitions = [pipeline];
  const alive = {
    definitions,
    statusFilter: 'notStarted,inProgress,cancelling',
    queryOrder: 'queueTimeDescending',
  } as const;
  const ended = { definitions, statusFilter: 'completed', queryOrder: 'finishTimeDescending', minTime: since } as const;
  for (const query of [alive, ended]) {
    for await (const build of api.builds(query, signal)) {
      const id = String(build.id);
      found.set(id, { id, version: versionOf(build) });
    }
  }
  return [...found.values()];
}

const versionOf = ({ status, result, startTime, finishTime, lastChangedDate }: AzureBuild): string =>
  createHash('sha256')
    .update(JSON.stringify([status, result, startTime, finishTime, lastChangedDate]))
    .digest('hex')
    .slice(0, 24);
