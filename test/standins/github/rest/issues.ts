import { z } from 'zod';
import { createComment, deleteComment, editComment } from '../actions/comments.ts';
import type { Hub } from '../hub.ts';
import { commentJson } from '../shapes/comment.ts';
import { issueJson } from '../shapes/pull.ts';
import { publicUserJson } from '../shapes/repository.ts';
import type { Comment, Issue, Pull, Repository } from '../state.ts';
import { type Api, actor, bodyOf, type Ctx, noContent, paged, repositoryOf } from './context.ts';
import { notFound, unprocessable } from './errors.ts';

const ISSUES = '/repos/:owner/:repo/issues';

export function issueRoutes(hub: Hub, api: Api): void {
  api.get(`${ISSUES}/comments`, (c) => repositoryComments(hub, c));
  api.get(`${ISSUES}/comments/:id{[0-9]+}`, (c) => {
    const repository = repositoryOf(hub, c, 'issues');
    return c.json(commentJson(hub, repository, commentOf(hub, c, repository)));
  });
  api.patch(`${ISSUES}/comments/:id{[0-9]+}`, (c) => patchComment(hub, c));
  api.delete(`${ISSUES}/comments/:id{[0-9]+}`, (c) => {
    const repository = repositoryOf(hub, c, 'issues', 'write');
    deleteComment(hub, repository, commentOf(hub, c, repository), actor(hub, c));
    return noContent(c);
  });
  api.get(`${ISSUES}/:number{[0-9]+}`, (c) => {
    const repository = repositoryOf(hub, c, 'issues');
    return c.json(issueJson(hub, repository, issueOf(c, repository)));
  });
  api.get(`${ISSUES}/:number{[0-9]+}/comments`, (c) => issueComments(hub, c));
  api.post(`${ISSUES}/:number{[0-9]+}/comments`, (c) => addComment(hub, c));
  api.get('/users/:user', (c) => {
    const user = hub.state.users.get(c.req.param('user').toLowerCase());
    if (!user) throw notFound();
    return c.json(publicUserJson(hub, user));
  });
  api.get('/user/:id{[0-9]+}', (c) => {
    const user = [...hub.state.users.values()].find(({ id }) => id === Number(c.req.param('id')));
    if (!user) throw notFound();
    return c.json(publicUserJson(hub, user));
  });
  api.get('/search/issues', (c) => search(hub, c));
}

export function issueOf(c: Ctx, repository: Repository): Issue {
  const number = Number(c.req.param('number'));
  const issue = repository.pulls.get(number) ?? repository.issues.get(number);
  if (!issue) throw notFound();
  return issue;
}

export function commentOf(hub: Hub, c: Ctx, repository: Repository): Comment {
  const comment = hub.state.comments.get(Number(c.req.param('id')));
  if (!comment || comment.repositoryId !== repository.id) throw notFound();
  return comment;
}

function commentsOf(hub: Hub, c: Ctx, repository: Repository): Comment[] {
  const since = c.req.query('since');
  const all = [...hub.state.comments.values()].filter((comment) => comment.repositoryId === repository.id);
  if (since === undefined) return all;
  const from = Date.parse(since);
  if (Number.isNaN(from)) throw unprocessable(`Invalid since: ${since}`);
  return all.filter((comment) => Date.parse(comment.updatedAt) >= from);
}

function repositoryComments(hub: Hub, c: Ctx): Response {
  const repository = repositoryOf(hub, c, 'issues');
  const key = c.req.query('sort') === 'updated' ? 'updatedAt' : 'createdAt';
  const all = commentsOf(hub, c, repository).sort((a, b) => a[key].localeCompare(b[key]) || a.id - b.id);
  const ordered = c.req.query('direction') === 'desc' ? all.toReversed() : all;
  return c.json(paged(hub, c, ordered).map((comment) => commentJson(hub, repository, comment)));
}

function issueComments(hub: Hub, c: Ctx): Response {
  const repository = repositoryOf(hub, c, 'issues');
  const { number } = issueOf(c, repository);
  const all = commentsOf(hub, c, repository).filter((comment) => comment.number === number);
  return c.json(paged(hub, c, all).map((comment) => commentJson(hub, repository, comment)));
}

const LONGEST_BODY = 65_536;
const commentRequest = z.object({ body: z.string().min(1).max(LONGEST_BODY) });

async function addComment(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'issues', 'write');
  const issue = issueOf(c, repository);
  const { body } = await bodyOf(c, commentRequest);
  const byApp = c.get('caller').kind === 'installation';
  const comment = createComment(hub, repository, issue.number, actor(hub, c), body, byApp);
  c.header('Location', commentJson(hub, repository, comment).url);
  return c.json(commentJson(hub, repository, comment), 201);
}

async function patchComment(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'issues', 'write');
  const comment = commentOf(hub, c, repository);
  const { body } = await bodyOf(c, commentRequest);
  editComment(hub, repository, comment, actor(hub, c), body);
  return c.json(commentJson(hub, repository, comment));
}

const QUALIFIERS = new Set(['repo', 'type', 'is', 'author', 'base', 'head', 'state']);

/** The few qualifiers that a bot needs: repo, type and is (pr, issue, merged, open, closed), author, state, base, head. */
function search(hub: Hub, c: Ctx): Response {
  const words = (c.req.query('q') ?? '').split(/\s+/).filter(Boolean);
  if (words.length === 0) throw unprocessable('Validation Failed');
  const terms = words.map((word) => word.split(/:(.*)/s) as [string, string]);
  const unknown = terms.find(([name]) => !QUALIFIERS.has(name));
  if (unknown) throw unprocessable(`The stand-in GitHub does not search by "${unknown[0]}".`);
  const wanted = terms.filter(([name]) => name === 'repo').map(([, value]) => hub.state.findRepository(value));
  const repositories = wanted.length > 0 ? wanted : [...hub.state.repositories.values()];
  const found = repositories
    .filter((repository) => repository !== undefined)
    .flatMap((repository) =>
      [...repository.pulls.values(), ...repository.issues.values()].map((issue) => ({ repository, issue })),
    )
    .filter(({ issue }) => terms.every(([name, value]) => name === 'repo' || matches(issue, name, value)));
  const items = paged(hub, c, found).map(({ repository, issue }) => ({
    ...issueJson(hub, repository, issue),
    score: 1,
  }));
  return c.json({ total_count: found.length, incomplete_results: false, search_type: 'lexical', items });
}

function matches(issue: Issue, name: string, value: string): boolean {
  const pull = 'head' in issue ? (issue as Pull) : undefined;
  if (name === 'author') return issue.author.login.toLowerCase() === value.toLowerCase();
  if (name === 'base') return pull?.base.ref === value;
  if (name === 'head') return pull?.head.ref === value;
  if (value === 'pr') return pull !== undefined;
  if (value === 'issue') return pull === undefined;
  if (value === 'merged') return pull?.mergedAt !== undefined;
  return issue.state === value;
}
