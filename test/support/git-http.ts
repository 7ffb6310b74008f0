/** Repositories over smart HTTP: `git http-backend` behind a node server on loopback, as GitHub serves them. */
import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface GitHttp {
  /** Without a trailing slash; a repository is at `url/NAME.git`. */
  url: string;
  /** Of each request: method, path with query, authorization. */
  requests: { method: string; path: string; authorization?: string }[];
  close(): Promise<void>;
}

export interface GitHttpOptions {
  /** The directory that holds the bare repositories. */
  root: string;
  /** What every request has to bring, or it is answered 401. */
  authorization?: string;
  /** A look at each request before git sees it; true means that it was answered. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Stop sending after so many bytes of a pack, and never end the answer. */
  stallPackAfter?: number;
}

export async function serveGit(options: GitHttpOptions): Promise<GitHttp> {
  const requests: GitHttp['requests'] = [];
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    requests.push({ method: request.method ?? '', path: request.url ?? '', authorization });
    if (options.intercept?.(request, response)) return;
    if (options.authorization !== undefined && authorization !== options.authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    answerWithGit(options, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => closeServer(server),
  };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function answerWithGit(options: GitHttpOptions, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://loopback');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROJECT_ROOT: options.root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REQUEST_METHOD: request.method ?? 'GET',
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => {}); // A backend that has heard enough.
  request.pipe(child.stdin);
  response.once('close', () => child.kill());
  const stall = url.pathname.endsWith('/git-upload-pack') ? options.stallPackAfter : undefined;
  forwardCgi(child.stdout, response, stall).catch((error) => response.destroy(error));
}

/** A CGI answer: header lines, an empty line, the body. */
async function forwardCgi(output: AsyncIterable<Buffer>, response: ServerResponse, stall?: number): Promise<void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  let sent = 0;
  for await (const chunk of output) {
    let body = chunk;
    if (head) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) continue;
      writeHead(response, head.toString('latin1', 0, end));
      body = head.subarray(end + 4);
      head = undefined;
    }
    // The answers before the pack (ls-refs) are smaller than any pack worth stalling.
    if (stall !== undefined && sent + body.length > stall) {
      response.write(body.subarray(0, stall - sent));
      return;
    }
    sent += body.length;
    response.write(body);
  }
  response.end();
}

function writeHead(response: ServerResponse, head: string): void {
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name.toLowerCase() === 'status') response.statusCode = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
}
