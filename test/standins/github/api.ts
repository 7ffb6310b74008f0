import { createHash, randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono, type MiddlewareHandler } from 'hono';
import { type Caller, identify } from './auth.ts';
import type { ApiFault, Faults } from './faults.ts';
import { graphqlRoute } from './graphql/route.ts';
import type { Hub } from './hub.ts';
import { type RateLimiter, resourceOf } from './rate-limit.ts';
import type { RequestLog } from './requests.ts';
import { appRoutes } from './rest/apps.ts';
import { checkRoutes } from './rest/checks.ts';
import { checkReadRoutes } from './rest/checks-read.ts';
import { commitRoutes } from './rest/commits.ts';
import type { Variables } from './rest/context.ts';
import { ApiError, notFound } from './rest/errors.ts';
import { issueRoutes } from './rest/issues.ts';
import { pullRoutes } from './rest/pulls.ts';
import { reactionRoutes } from './rest/reactions.ts';
import { repositoryRoutes } from './rest/repositories.ts';
import { statusRoutes } from './rest/statuses.ts';

export interface ApiParts {
  hub: Hub;
  faults: Faults;
  limiter: RateLimiter;
  log: RequestLog;
  /** What is wrong with a request according to GitHub's own description of its API. */
  onRequest?: (method: string, path: string, body: unknown) => string[];
}

interface Env {
  Variables: Variables;
  Bindings: HttpBindings;
}
type Middleware = MiddlewareHandler<Env>;

const LARGEST_BODY = 10 * 1024 * 1024;

/** The REST API: what every request goes through, then one file of routes per area. */
export function createApi(parts: ApiParts): Hono<Env> {
  const { hub, limiter } = parts;
  const api = new Hono<Env>();
  api.onError((error, c) => {
    const known = error instanceof ApiError ? error : new ApiError(500, `The stand-in GitHub failed: ${error.stack}`);
    return c.json(known.toBody(), known.status as 500, known.headers);
  });
  api.notFound((c) => c.json(notFound().toBody(), 404));
  api.use(record(parts), faulty(parts), bounded, identified(hub), validated(parts));
  api.use(limited(limiter), conditional, oneWriteAtATime(hub));
  api.get('/rate_limit', (c) => c.json(limiter.json(c.get('caller'))));
  const routes = api as unknown as Hono<{ Variables: Variables }>;
  const areas = [appRoutes, repositoryRoutes, commitRoutes, pullRoutes, issueRoutes, reactionRoutes, statusRoutes];
  for (const add of areas) add(hub, routes);
  graphqlRoute(hub, routes);
  checkRoutes(hub, routes);
  checkReadRoutes(hub, routes);
  return api;
}

function record({ hub, log }: ApiParts): Middleware {
  return async (c, next) => {
    await next();
    const caller: Caller = c.get('caller') ?? { kind: 'anonymous' };
    log.add({
      method: c.req.method,
      path: c.req.path,
      query: new URL(c.req.url).search,
      status: c.res.status,
      caller: caller.kind,
      installationId: caller.kind === 'installation' ? caller.installation.id : undefined,
      at: hub.clock.now(),
    });
    if (c.res.headers.has('x-hono-already-sent')) return;
    c.header('Date', hub.clock.now().toUTCString()); // @octokit/auth-app sets its clock by this.
    c.header('X-GitHub-Request-Id', randomUUID());
    c.header('X-GitHub-Media-Type', 'github.v3; format=json');
    c.header('X-Content-Type-Options', 'nosniff');
  };
}

function faulty({ hub, faults }: ApiParts): Middleware {
  return async (c, next) => {
    const fault = faults.take(c.req.method, c.req.path);
    if (!fault) return next();
    if (fault.answer === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.delayMs ?? 100));
    if (fault.answer === 'slow' || fault.answer === 'lost') await next();
    if (fault.answer === 'slow') return;
    if (fault.answer === 'lost' || fault.answer === 'reset') {
      c.env.outgoing.destroy();
      c.res = RESPONSE_ALREADY_SENT;
      return;
    }
    throw faultyAnswer(hub, fault);
  };
}

function faultyAnswer(hub: Hub, fault: ApiFault): ApiError {
  if (fault.answer === 'secondary-limit') {
    const words = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
    return new ApiError(403, words, { headers: { 'retry-after': String(fault.retryAfter ?? 60) } });
  }
  if (fault.answer === 'rate-limit') {
    const reset = String(Math.ceil(hub.clock.now().getTime() / 1000) + (fault.retryAfter ?? 60));
    const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset };
    return new ApiError(403, 'API rate limit exceeded for installation.', { headers });
  }
  return new ApiError(Number(fault.answer), 'Server Error');
}

function identified(hub: Hub): Middleware {
  return async (c, next) => {
    c.set('caller', identify(hub, c.req.header('authorization')));
    await next();
  };
}

function validated({ log, onRequest }: ApiParts): Middleware {
  return async (c, next) => {
    if (!onRequest) return next();
    const body = parsed(await c.req.text());
    const errors = onRequest(c.req.method, c.req.path, body);
    if (errors.length > 0) log.invalid.push({ method: c.req.method, path: c.req.path, body, errors });
    await next();
  };
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text; // The route answers 400; the validator says that it is no object.
  }
}

/** Answers not modified are free, for those who are known. */
function limited(limiter: RateLimiter): Middleware {
  return async (c, next) => {
    const caller = c.get('caller');
    const resource = resourceOf(c.req.path);
    const bucket = limiter.bucket(caller, resource);
    const free = c.req.path === '/rate_limit';
    if (!free && bucket.used >= bucket.limit) {
      const words = 'API rate limit exceeded for this caller. (Documentation has more details.)';
      limiter.count(caller, resource, false);
      throw new ApiError(403, words, { headers: limiter.headers(caller, resource) });
    }
    await next();
    if (c.res.headers.has('x-hono-already-sent')) return;
    limiter.count(caller, resource, !free && (c.res.status !== 304 || caller.kind === 'anonymous'));
    for (const [name, value] of Object.entries(limiter.headers(caller, resource))) c.header(name, value);
  };
}

/** No client that the stand-in knows sends a body without saying how long it is. */
const bounded: Middleware = async (c, next) => {
  if (c.req.header('transfer-encoding')) throw new ApiError(411, 'Length Required');
  if (Number(c.req.header('content-length') ?? 0) > LARGEST_BODY) throw new ApiError(413, 'Payload Too Large');
  await next();
};

/** GitHub's tags are of one token: after a renewal nothing is answered with 304. Of the App's own tokens that is not known. */
const tokenOf = (caller: Caller): string => (caller.kind === 'installation' ? caller.token.token : caller.kind);

const conditional: Middleware = async (c, next) => {
  await next();
  if (c.req.method !== 'GET' || c.res.status !== 200) return;
  const body = await c.res.clone().arrayBuffer();
  const etag = `W/"${createHash('sha256')
    .update(tokenOf(c.get('caller')))
    .update(Buffer.from(body))
    .digest('hex')}"`;
  c.header('ETag', etag);
  c.header('Cache-Control', 'private, max-age=60, s-maxage=60');
  const asked = c.req.header('if-none-match');
  if (!asked?.split(/,\s*/).some((one) => one.replace('W/', '') === etag.replace('W/', ''))) return;
  const headers = new Headers(c.res.headers);
  headers.delete('content-type');
  c.res = new Response(null, { status: 304, headers });
};

function oneWriteAtATime(hub: Hub): Middleware {
  return (c, next) => (c.req.method === 'GET' ? next() : hub.exclusively(() => next()));
}
