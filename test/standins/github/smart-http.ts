import { type ChildProcess, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { settlePush } from './actions/push.ts';
import { actorOf, type Caller, canSee, demand, identify } from './auth.ts';
import type { RefChange } from './events.ts';
import { gitEnvironment, NO_SHA, refs } from './git.ts';
import type { Hub } from './hub.ts';
import { ApiError } from './rest/errors.ts';
import type { Repository } from './state.ts';
import { fullNameOf } from './state.ts';

/** git clone, fetch and push over HTTP, by git's own CGI program; and archives, as codeload serves them. */

const GIT_PATH = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/;
const ARCHIVE_PATH = /^\/_codeload\/([^/]+)\/([^/]+)\/legacy\.tar\.gz\/([0-9a-f]{40})$/;

/** Answer what is git's; false when the path is somebody else's. */
export async function serveGit(hub: Hub, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const url = new URL(request.url ?? '/', hub.origin);
  const archive = ARCHIVE_PATH.exec(url.pathname);
  const found = archive ?? GIT_PATH.exec(url.pathname);
  if (!found) return false;
  const fullName = decodeURIComponent(`${found[1]}/${found[2]}`);
  try {
    if (archive) serveArchive(hub, request, response, fullName, archive[3]!);
    else await serveRepository(hub, request, response, fullName, found[3]!, url);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const challenge = error.status === 401 ? { 'WWW-Authenticate': 'Basic realm="GitHub"' } : {};
    response.writeHead(error.status, { ...challenge, ...error.headers }).end(error.message);
  }
  return true;
}

async function serveRepository(
  hub: Hub,
  request: IncomingMessage,
  response: ServerResponse,
  fullName: string,
  service: string,
  url: URL,
): Promise<void> {
  const push = service === 'git-receive-pack' || url.searchParams.get('service') === 'git-receive-pack';
  const caller = identify(hub, request.headers.authorization);
  const repository = hub.state.findRepository(fullName);
  if (!repository) return redirect(hub, caller, fullName, service, url);
  demandGit(caller, repository, push);
  if (service !== 'git-receive-pack') return backend(request, response, repository, service, url.search);
  await hub.exclusively(async () => {
    const before = await refs(repository.dir);
    // The client's answer ends when everything that follows from its push has happened.
    await backend(request, response, repository, service, url.search, async () => {
      await settlePush(hub, repository, actorOf(hub, caller), changesOf(before, await refs(repository.dir)));
    });
  });
}

function redirect(hub: Hub, caller: Caller, fullName: string, service: string, url: URL): never {
  const moved = hub.state.findMoved(fullName);
  if (moved && canSee(caller, moved)) {
    const location = `${hub.origin}/${fullNameOf(moved)}.git/${service}${url.search}`;
    throw new ApiError(301, 'Moved Permanently', { headers: { location } });
  }
  throw new ApiError(caller.kind === 'anonymous' ? 401 : 404, 'Repository not found.');
}

/** A stranger is asked for credentials, whether the repository is private or does not exist. */
function demandGit(caller: Caller, repository: Repository, push: boolean): void {
  if (!canSee(caller, repository)) {
    throw new ApiError(caller.kind === 'anonymous' ? 401 : 404, 'Repository not found.');
  }
  demand(caller, repository, 'contents', push ? 'write' : 'read');
}

function changesOf(before: Map<string, string>, after: Map<string, string>): RefChange[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((ref) => ({ ref, before: before.get(ref) ?? NO_SHA, after: after.get(ref) ?? NO_SHA }))
    .filter((change) => change.before !== change.after && !change.ref.startsWith('refs/pull/'));
}

function backend(
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  service: string,
  query: string,
  beforeEnd: () => Promise<void> = async () => undefined,
): Promise<void> {
  const env = cgiEnvironment(request, repository, service, query);
  // In a group of its own: when the client goes away in the middle, git http-backend 2.39 reads for ever,
  // and so do the programs that it started.
  const child = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const end = () => endGroup(child);
  child.stdin.on('error', () => undefined); // It may have answered before it has read everything.
  request.pipe(child.stdin);
  if (request.destroyed)
    end(); // Gone already, while others had the lock.
  else response.once('close', end);
  return new Promise((resolve, reject) => {
    pipeAnswer(child.stdout, response);
    child.on('error', reject);
    child.on('close', () => {
      response.off('close', end);
      if (!response.headersSent) response.writeHead(500);
      beforeEnd()
        .then(() => {
          response.end(); // Not waited for: the client may be gone, and others wait for the lock.
          resolve();
        })
        .catch(reject);
    });
  });
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, 'SIGTERM');
}

function cgiEnvironment(request: IncomingMessage, repository: Repository, service: string, query: string) {
  const header = (name: string) => String(request.headers[name] ?? '');
  return {
    ...gitEnvironment(),
    GIT_PROJECT_ROOT: join(repository.dir, '..'),
    GIT_HTTP_EXPORT_ALL: '1',
    REQUEST_METHOD: request.method ?? 'GET',
    PATH_INFO: `/${repository.id}.git/${service}`,
    QUERY_STRING: query.replace(/^\?/, ''),
    CONTENT_TYPE: header('content-type'),
    HTTP_CONTENT_ENCODING: header('content-encoding'),
    GIT_PROTOCOL: header('git-protocol'),
    REMOTE_USER: 'git',
    ...(request.headers['content-length'] ? { CONTENT_LENGTH: header('content-length') } : {}),
  };
}

/** A CGI program writes headers, an empty line, and then the body. */
function pipeAnswer(stdout: NodeJS.ReadableStream, response: ServerResponse): void {
  let head = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    stdout.off('data', onData);
    writeHead(response, head.subarray(0, end).toString('latin1'));
    response.write(head.subarray(end + 4));
    stdout.pipe(response, { end: false });
  };
  stdout.on('data', onData);
}

function writeHead(response: ServerResponse, head: string): void {
  const pairs = head.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  const headers = new Map(pairs.map(([name, value]) => [name!.toLowerCase(), value!.trim()]));
  const status = Number.parseInt(headers.get('status') ?? '200', 10);
  headers.delete('status');
  response.writeHead(status, Object.fromEntries(headers));
}

function serveArchive(
  hub: Hub,
  request: IncomingMessage,
  response: ServerResponse,
  fullName: string,
  sha: string,
): void {
  const repository = hub.state.findRepository(fullName);
  const caller = identify(hub, request.headers.authorization);
  if (!repository || !canSee(caller, repository)) throw new ApiError(404, 'Not Found');
  const prefix = `${repository.owner.login}-${repository.name}-${sha.slice(0, 7)}`;
  const child = spawn('git', ['archive', '--format=tar.gz', `--prefix=${prefix}/`, sha], {
    cwd: repository.dir,
    env: gitEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  response.on('close', () => child.kill());
  child.on('error', (error) => response.destroy(error));
  response.writeHead(200, {
    'Content-Type': 'application/x-gzip',
    'Content-Disposition': `attachment; filename=${prefix}.tar.gz`,
  });
  child.stdout.pipe(response);
}
