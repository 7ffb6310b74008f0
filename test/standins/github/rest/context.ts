import type { Context, Hono } from 'hono';
import type { z } from 'zod';
import { actorOf, type Caller, canSee, demand } from '../auth.ts';
import { resolveCommit } from '../git.ts';
import type { Hub } from '../hub.ts';
import type { Pull, Repository, User } from '../state.ts';
import { ApiError, notFound, unprocessable } from './errors.ts';

export interface Variables {
  caller: Caller;
}

export type Api = Hono<{ Variables: Variables }>;
export type Ctx = Context<{ Variables: Variables }>;

/** The repository of `/repos/:owner/:repo/…`: 301 when it was renamed, 404 when the caller cannot see it. */
export function repositoryOf(hub: Hub, c: Ctx, permission: string, access: 'read' | 'write' = 'read'): Repository {
  const fullName = `${c.req.param('owner')}/${c.req.param('repo')}`;
  const caller = c.get('caller');
  const found = hub.state.findRepository(fullName);
  if (!found) redirectIfMoved(hub, c, fullName);
  if (!found || !canSee(caller, found)) throw notFound();
  demand(caller, found, permission, access);
  if (access === 'write' && found.archived) throw new ApiError(403, 'Repository was archived so is read-only.');
  return found;
}

function redirectIfMoved(hub: Hub, c: Ctx, fullName: string): void {
  const moved = hub.state.findMoved(fullName);
  if (!moved || !canSee(c.get('caller'), moved)) return;
  const { pathname, search } = new URL(c.req.url);
  const rest = pathname.split('/').slice(4).join('/');
  const url = `${hub.apiUrl}/repositories/${moved.id}${rest ? `/${rest}` : ''}${search}`;
  const read = c.req.method === 'GET' || c.req.method === 'HEAD';
  throw new ApiError(read ? 301 : 307, 'Moved Permanently', {
    headers: { location: url },
    body: {
      message: 'Moved Permanently',
      url,
      documentation_url: 'https://docs.github.com/rest/guides/best-practices',
    },
  });
}

export function pullOf(c: Ctx, repository: Repository): Pull {
  const pull = repository.pulls.get(Number(c.req.param('number')));
  if (!pull) throw notFound();
  return pull;
}

export function actor(hub: Hub, c: Ctx): User {
  return actorOf(hub, c.get('caller'));
}

/** The commit that a ref in a path names; 422 as GitHub answers for what is no commit. */
export async function commitOf(repository: Repository, ref: string): Promise<string> {
  const sha = await resolveCommit(repository.dir, ref);
  if (!sha) throw unprocessable(`No commit found for SHA: ${ref}`);
  return sha;
}

/** Parse a JSON body; 400 when it is no JSON, 422 when it is not what the endpoint takes. */
export async function bodyOf<T>(c: Ctx, schema: z.ZodType<T>): Promise<T> {
  const text = await c.req.text();
  let json: unknown;
  try {
    json = text === '' ? {} : JSON.parse(text);
  } catch {
    throw new ApiError(400, 'Problems parsing JSON');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  throw new ApiError(422, `Invalid request.\n\n${reasons.join('\n')}`, { errors: reasons });
}

const MOST_PER_PAGE = 100;

export interface Page {
  page: number;
  perPage: number;
}

export function pageOf(c: Ctx): Page {
  const number = (name: string, otherwise: number) => {
    const value = Number(c.req.query(name) ?? otherwise);
    return Number.isInteger(value) && value > 0 ? value : otherwise;
  };
  return { page: number('page', 1), perPage: Math.min(number('per_page', 30), MOST_PER_PAGE) };
}

/** One page of a list, with GitHub's Link header on the answer. */
export function paged<T>(hub: Hub, c: Ctx, all: readonly T[]): T[] {
  const { page, perPage } = pageOf(c);
  link(hub, c, page, Math.max(1, Math.ceil(all.length / perPage)));
  return all.slice((page - 1) * perPage, page * perPage);
}

export function link(hub: Hub, c: Ctx, page: number, last: number): void {
  const to = (number: number, rel: string) => `<${urlWith(hub, c, { page: String(number) })}>; rel="${rel}"`;
  const links: string[] = [];
  if (page > 1) links.push(to(page - 1, 'prev'));
  if (page < last) links.push(to(page + 1, 'next'), to(last, 'last'));
  if (page > 1) links.push(to(1, 'first'));
  if (links.length > 0) c.header('Link', links.join(', '));
}

/** The address of this request with other parameters. */
export function urlWith(hub: Hub, c: Ctx, parameters: Record<string, string>): string {
  const asked = new URL(c.req.url);
  const url = new URL(`${hub.apiUrl}${asked.pathname}`);
  for (const [name, value] of asked.searchParams) url.searchParams.set(name, value);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** Empty 204 answers, and whatever else has no body. */
export function noContent(c: Ctx): Response {
  return c.body(null, 204);
}
