import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { type ApiParts, createApi } from './api.ts';
import type { Hub } from './hub.ts';
import { createOAuth } from './oauth.ts';
import { createPages } from './pages.ts';
import { serveGit } from './smart-http.ts';
import { fullNameOf } from './state.ts';

/** One server for REST (with and without `/api/v3`), logins, git and pages. */

const API_WORDS = new Set('app graphql installation repos repositories rate_limit search user users'.split(' '));
const OAUTH_WORDS = new Set(['login', 'applications']);
const ENTERPRISE = '/api/v3';
const ENTERPRISE_GRAPHQL = '/api/graphql';

export function createGitHubServer(parts: ApiParts): Server {
  const { hub, faults, log } = parts;
  const api = getRequestListener(createApi(parts).fetch, { overrideGlobalObjects: false });
  const oauth = getRequestListener(createOAuth(hub).fetch, { overrideGlobalObjects: false });
  const pages = getRequestListener(createPages(hub).fetch, { overrideGlobalObjects: false });

  const note = (request: IncomingMessage, response: ServerResponse, caller: 'git' | 'anonymous'): void => {
    const { method = 'GET', url = '/' } = request;
    const query = new URL(url, hub.origin).search;
    log.add({ method, path: pathOf(request), query, status: response.statusCode, caller, at: hub.clock.now() });
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url === ENTERPRISE_GRAPHQL ? '/graphql' : (request.url ?? '/');
    const enterprise = path.startsWith(`${ENTERPRISE}/`);
    request.url = byName(hub, enterprise ? path.slice(ENTERPRISE.length) : path);
    const first = /^\/([^/?]*)/.exec(request.url)?.[1] ?? '';
    if (!OAUTH_WORDS.has(first) && (enterprise || API_WORDS.has(first))) return api(request, response);
    if (isBroken(faults.take(request.method ?? 'GET', pathOf(request)), response)) return;
    if (OAUTH_WORDS.has(first)) {
      await oauth(request, response);
      return note(request, response, 'anonymous');
    }
    if (await serveGit(hub, request, response)) {
      return note(request, response, 'git');
    }
    return pages(request, response);
  };

  return createServer((request, response) => {
    serve(request, response).catch((error: Error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(`The stand-in GitHub failed: ${error.stack}`);
    });
  });
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?')[0]!;
}

/** `/repositories/ID/…` is `/repos/owner/name/…`, whatever its name is now. */
function byName(hub: Hub, url: string): string {
  const found = /^\/repositories\/(\d+)(?=[/?]|$)/.exec(url);
  const repository = found && hub.state.repositories.get(Number(found[1]));
  return repository ? `/repos/${fullNameOf(repository)}${url.slice(found[0].length)}` : url;
}

/** Faults for git and pages: an error or a broken connection. */
function isBroken(fault: ReturnType<ApiParts['faults']['take']>, response: ServerResponse): boolean {
  if (!fault || fault.answer === 'slow') return false;
  if (typeof fault.answer === 'number') response.writeHead(fault.answer).end();
  else response.destroy();
  return true;
}
