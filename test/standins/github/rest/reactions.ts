import { z } from 'zod';
import { type Reacted, react, unreact } from '../actions/comments.ts';
import type { Hub } from '../hub.ts';
import { reactionJson } from '../shapes/comment.ts';
import type { Repository } from '../state.ts';
import { type Api, actor, bodyOf, type Ctx, noContent, paged, repositoryOf } from './context.ts';
import { notFound } from './errors.ts';
import { commentOf, issueOf } from './issues.ts';

type Find = (c: Ctx, repository: Repository) => Reacted;

/** Reactions to comments, and to issues and pull requests themselves. */
export function reactionRoutes(hub: Hub, api: Api): void {
  const issues = '/repos/:owner/:repo/issues';
  const places: [string, Find][] = [
    [`${issues}/comments/:id{[0-9]+}/reactions`, (c, repository) => commentOf(hub, c, repository)],
    [`${issues}/:number{[0-9]+}/reactions`, issueOf],
  ];
  for (const [path, find] of places) {
    api.get(path, (c) => list(hub, c, find));
    api.post(path, (c) => add(hub, c, find));
    api.delete(`${path}/:reaction{[0-9]+}`, (c) => remove(hub, c, find));
  }
}

const request = z.object({
  content: z.enum(['+1', '-1', 'laugh', 'confused', 'heart', 'hooray', 'rocket', 'eyes']),
});

function list(hub: Hub, c: Ctx, find: Find): Response {
  const wanted = c.req.query('content');
  const { reactions } = find(c, repositoryOf(hub, c, 'issues'));
  const all = reactions.filter((one) => !wanted || one.content === wanted);
  return c.json(paged(hub, c, all).map((one) => reactionJson(hub, one)));
}

async function add(hub: Hub, c: Ctx, find: Find): Promise<Response> {
  const repository = repositoryOf(hub, c, 'issues', 'write');
  const { content } = await bodyOf(c, request);
  const { reaction, isNew } = react(hub, find(c, repository), actor(hub, c), content);
  return c.json(reactionJson(hub, reaction), isNew ? 201 : 200);
}

function remove(hub: Hub, c: Ctx, find: Find): Response {
  const repository = repositoryOf(hub, c, 'issues', 'write');
  if (!unreact(find(c, repository), actor(hub, c), Number(c.req.param('reaction')))) throw notFound();
  return noContent(c);
}
