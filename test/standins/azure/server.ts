import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Fault } from './faults.ts';
import type { StandInAzure } from './index.ts';
import { type Answer, answerOf, problem } from './routes.ts';

const SIGN_IN = '<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head></html>';

export function createAzureServer(azure: StandInAzure): Server {
  return createServer((request, response) => void serve(azure, request, response, 'home'));
}

/** Where pipeline artifacts are: another origin, which wants the same credentials. */
export function createArtifactServer(azure: StandInAzure): Server {
  return createServer((request, response) => void serve(azure, request, response, 'artifacts'));
}

async function serve(
  azure: StandInAzure,
  request: IncomingMessage,
  response: ServerResponse,
  host: 'home' | 'artifacts',
): Promise<void> {
  const method = request.method ?? 'GET';
  const home = `/${azure.organisation}`;
  const path = request.url ?? '/';
  const url = path.startsWith(home) ? path.slice(home.length) : path;
  const { authorization } = request.headers;
  const seen = { method, url, authorization, host, status: 0 };
  azure.requests.push(seen);
  const body = await bodyOf(request);
  const fault = azure.faults.take(method, url);
  if (fault?.does === 'hang') return;
  if (fault?.does === 'drop') return void request.socket.destroy();
  const isInside = path.startsWith(home) || host === 'artifacts';
  const answer = isInside ? answerFor(azure, { method, url, body, request, host }, fault) : signIn(azure);
  seen.status = answer.status;
  if (fault?.does === 'drop-after') return void request.socket.destroy();
  send(response, { ...answer, headers: { ...answer.headers, ...fault?.headers } }, fault?.does);
}

interface Asked {
  method: string;
  url: string;
  body: string;
  request: IncomingMessage;
  host: 'home' | 'artifacts';
}

function answerFor(azure: StandInAzure, { method, url, body, request, host }: Asked, fault?: Fault): Answer {
  if (fault?.does === 'sign-in') return signIn(azure);
  if (fault?.does === 'status') {
    const said = fault.body ?? problem('SomeException', 'trouble was asked for');
    return { status: fault.status ?? 500, body: said };
  }
  if (/^\/entra\//.test(url)) return entra(azure, body);
  if (!isKnown(azure, request.headers.authorization)) return signIn(azure);
  try {
    return answerOf(azure, {
      method,
      url: new URL(url, 'http://azure'),
      body,
      accept: request.headers.accept ?? '',
      host,
    });
  } catch (error) {
    return { status: 500, body: problem('StandInException', String((error as Error).stack)) };
  }
}

function isKnown(azure: StandInAzure, authorization = ''): boolean {
  const [scheme, value = ''] = authorization.split(' ');
  if (scheme === 'Bearer') return azure.tokens.has(value);
  const pair = Buffer.from(value, 'base64').toString();
  return scheme === 'Basic' && azure.tokens.has(pair.slice(pair.indexOf(':') + 1));
}

function signIn(azure: StandInAzure): Answer {
  const headers = { 'content-type': 'text/html; charset=utf-8' };
  if (azure.signIn === 'redirect')
    return { status: 302, headers: { ...headers, location: `${azure.url}/_signin` }, body: '' };
  return { status: 203, headers, body: Buffer.from(SIGN_IN) };
}

/** Microsoft Entra's token endpoint, client credentials. */
function entra(azure: StandInAzure, body: string): Answer {
  const form = new URLSearchParams(body);
  const given = azure.clients.get(form.get('client_secret') ?? '');
  const isRight =
    form.get('grant_type') === 'client_credentials' && form.get('scope')?.startsWith('499b84ac-1321-427f-');
  if (given === undefined || !isRight) {
    return { status: 401, body: { error: 'invalid_client', error_description: `secret ${form.get('client_secret')}` } };
  }
  azure.clients.set(form.get('client_secret')!, given + 1);
  const token = `entra-token-${given + 1}`;
  azure.tokens.add(token);
  return { status: 200, body: { token_type: 'Bearer', expires_in: azure.tokenLifeS, access_token: token } };
}

function send(response: ServerResponse, { status, headers = {}, body }: Answer, does?: Fault['does']): void {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(body === undefined || body === '' ? '' : JSON.stringify(body));
  const type = Buffer.isBuffer(body) ? {} : { 'content-type': 'application/json; charset=utf-8; api-version=7.1' };
  response.writeHead(status, { ...type, 'content-length': bytes.length, ...headers });
  if (does !== 'half' && does !== 'stall') return void response.end(bytes);
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => does === 'half' && response.destroy());
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
