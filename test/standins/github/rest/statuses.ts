import { z } from 'zod';
import type { Hub } from '../hub.ts';
import { timestamp } from '../hub.ts';
import { statusJson } from '../shapes/check.ts';
import { repositoryJson, repositoryUrl } from '../shapes/repository.ts';
import type { CommitStatus, Repository } from '../state.ts';
import { type Api, actor, bodyOf, type Ctx, commitOf, paged, repositoryOf } from './context.ts';

export function statusRoutes(hub: Hub, api: Api): void {
  api.post('/repos/:owner/:repo/statuses/:sha', (c) => create(hub, c));
}

const statusRequest = z.object({
  state: z.enum(['error', 'failure', 'pending', 'success']),
  context: z.string().min(1).default('default'),
  description: z.string().max(140).nullable().optional(),
  target_url: z.string().nullable().optional(),
});

async function create(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'statuses', 'write');
  const sha = await commitOf(repository, c.req.param('sha') ?? '');
  const asked = await bodyOf(c, statusRequest);
  const status: CommitStatus = {
    id: hub.state.nextId(),
    repositoryId: repository.id,
    sha,
    state: asked.state,
    context: asked.context,
    description: asked.description ?? null,
    targetUrl: asked.target_url ?? null,
    creator: actor(hub, c),
    createdAt: timestamp(hub),
  };
  hub.state.statuses.push(status);
  return c.json(statusJson(hub, repository, status), 201);
}

/** Newest first, as GitHub lists them. */
function statusesAt(hub: Hub, repository: Repository, sha: string): CommitStatus[] {
  return hub.state.statuses.filter((one) => one.repositoryId === repository.id && one.sha === sha).toReversed();
}

export async function listStatuses(hub: Hub, c: Ctx, ref: string): Promise<Response> {
  const repository = repositoryOf(hub, c, 'statuses');
  const all = statusesAt(hub, repository, await commitOf(repository, ref));
  return c.json(paged(hub, c, all).map((status) => statusJson(hub, repository, status)));
}

export async function combinedStatus(hub: Hub, c: Ctx, ref: string): Promise<Response> {
  const repository = repositoryOf(hub, c, 'statuses');
  const sha = await commitOf(repository, ref);
  const newest = new Map<string, CommitStatus>();
  for (const status of statusesAt(hub, repository, sha).toReversed()) newest.set(status.context, status);
  const statuses = [...newest.values()];
  const url = `${repositoryUrl(hub, repository)}/commits/${sha}`;
  return c.json({
    state: combined(statuses),
    statuses: paged(hub, c, statuses).map((status) => statusJson(hub, repository, status)),
    sha,
    total_count: statuses.length,
    repository: repositoryJson(hub, repository),
    commit_url: url,
    url: `${url}/status`,
  });
}

/** Nothing reported is pending, too. */
function combined(statuses: CommitStatus[]): string {
  if (statuses.some((one) => one.state === 'error' || one.state === 'failure')) return 'failure';
  return statuses.length > 0 && statuses.every((one) => one.state === 'success') ? 'success' : 'pending';
}
