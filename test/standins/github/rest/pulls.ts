import { z } from 'zod';
import { mergePull } from '../actions/merge.ts';
import { closePull, editPull, openPull, reopenPull } from '../actions/pulls.ts';
import { mergeBase } from '../git.ts';
import { difference, log } from '../git-read.ts';
import type { Hub } from '../hub.ts';
import { mergeView } from '../mergeability.ts';
import { commitJson, fileJson } from '../shapes/commit.ts';
import { fullPullJson, pullJson } from '../shapes/pull.ts';
import type { Pull, Repository } from '../state.ts';
import { type Api, actor, bodyOf, type Ctx, paged, pullOf, repositoryOf } from './context.ts';
import { ApiError, invalid } from './errors.ts';

const PULLS = '/repos/:owner/:repo/pulls';

export function pullRoutes(hub: Hub, api: Api): void {
  api.get(PULLS, (c) => list(hub, c));
  api.post(PULLS, (c) => create(hub, c));
  api.get(`${PULLS}/:number{[0-9]+}`, (c) => one(hub, c));
  api.patch(`${PULLS}/:number{[0-9]+}`, (c) => update(hub, c));
  api.get(`${PULLS}/:number{[0-9]+}/files`, (c) => files(hub, c));
  api.get(`${PULLS}/:number{[0-9]+}/commits`, (c) => commits(hub, c));
  api.get(`${PULLS}/:number{[0-9]+}/merge`, (c) => isMerged(hub, c));
  api.put(`${PULLS}/:number{[0-9]+}/merge`, (c) => merge(hub, c));
}

function list(hub: Hub, c: Ctx): Response {
  const repository = repositoryOf(hub, c, 'pull_requests');
  const { state = 'open', head, base, sort = 'created' } = c.req.query();
  const key = sort === 'updated' ? 'updatedAt' : 'createdAt';
  const ascending = (c.req.query('direction') ?? (sort === 'created' ? 'desc' : 'asc')) === 'asc';
  const found = [...repository.pulls.values()]
    .filter((pull) => state === 'all' || pull.state === state)
    .filter((pull) => !head || `${pull.head.owner.login}:${pull.head.ref}` === head)
    .filter((pull) => !base || pull.base.ref === base)
    .sort((a, b) => a[key].localeCompare(b[key]) || a.number - b.number);
  const ordered = ascending ? found : found.toReversed();
  return c.json(paged(hub, c, ordered).map((pull) => pullJson(hub, repository, pull)));
}

async function pullAnswer(hub: Hub, repository: Repository, pull: Pull) {
  const view = await mergeView(hub, repository, pull, { ask: true });
  return fullPullJson(hub, repository, pull, view);
}

async function one(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'pull_requests');
  return c.json(await pullAnswer(hub, repository, pullOf(c, repository)));
}

const newPull = z.object({
  title: z.string().min(1),
  head: z.string().min(1),
  base: z.string().min(1),
  body: z.string().optional(),
  draft: z.boolean().optional(),
});

async function create(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'pull_requests', 'write');
  const asked = await bodyOf(c, newPull);
  const [owner, head] = asked.head.includes(':') ? asked.head.split(':') : [repository.owner.login, asked.head];
  const from = [...hub.state.repositories.values()].find(
    (other) => other.owner.login === owner && (other.id === repository.id || other.forkOf === repository.id),
  );
  if (!from) throw invalid('PullRequest', 'head', `There is no fork of ${owner}`);
  try {
    const pull = await openPull(hub, repository, {
      ...asked,
      head: head!,
      body: asked.body ?? null,
      draft: asked.draft ?? false,
      author: actor(hub, c),
      headRepository: from,
    });
    return c.json(await pullAnswer(hub, repository, pull), 201);
  } catch (error) {
    throw invalid('PullRequest', 'head', (error as Error).message);
  }
}

const pullUpdate = z.object({
  title: z.string().min(1).optional(),
  body: z.string().nullable().optional(),
  base: z.string().optional(),
  state: z.enum(['open', 'closed']).optional(),
});

async function update(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'pull_requests', 'write');
  const pull = pullOf(c, repository);
  const { state, ...edit } = await bodyOf(c, pullUpdate);
  if (state === 'open' && pull.mergedAt) throw invalid('PullRequest', 'state', 'state cannot be changed.');
  await editPull(hub, repository, pull, actor(hub, c), edit);
  if (state === 'closed') await closePull(hub, repository, pull, actor(hub, c));
  if (state === 'open') await reopenPull(hub, repository, pull, actor(hub, c));
  return c.json(await pullAnswer(hub, repository, pull));
}

async function rangeOf(repository: Repository, pull: Pull): Promise<string> {
  return (await mergeBase(repository.dir, pull.base.sha, pull.head.sha)) ?? pull.base.sha;
}

async function files(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'pull_requests');
  const pull = pullOf(c, repository);
  const changed = await difference(repository.dir, await rangeOf(repository, pull), pull.head.sha);
  return c.json(paged(hub, c, changed).map((file) => fileJson(hub, repository, pull.head.sha, file)));
}

const MOST_COMMITS = 250;

async function commits(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'pull_requests');
  const pull = pullOf(c, repository);
  const range = `${await rangeOf(repository, pull)}..${pull.head.sha}`;
  const found = await log(repository.dir, ['--reverse', `--max-count=${MOST_COMMITS}`, range]);
  return c.json(paged(hub, c, found).map((commit) => commitJson(hub, repository, commit)));
}

function isMerged(hub: Hub, c: Ctx): Response {
  const repository = repositoryOf(hub, c, 'contents');
  const merged = pullOf(c, repository).mergedAt !== undefined;
  if (!merged) throw new ApiError(404, 'Not Found');
  return c.body(null, 204);
}

const mergeRequest = z.object({
  sha: z.string().optional(),
  merge_method: z.enum(['merge', 'squash', 'rebase']).optional(),
  commit_title: z.string().optional(),
  commit_message: z.string().optional(),
});

async function merge(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents', 'write');
  const pull = pullOf(c, repository);
  const asked = await bodyOf(c, mergeRequest);
  const sha = await mergePull(hub, repository, pull, actor(hub, c), {
    method: asked.merge_method ?? 'merge',
    sha: asked.sha,
    title: asked.commit_title,
    message: asked.commit_message,
  });
  return c.json({ sha, merged: true, message: 'Pull Request successfully merged' });
}
