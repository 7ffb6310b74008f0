import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * What the API's front adds to the server behind it, as far as RCB can see it: who asks, symbolic codes of errors, `ok`
 * as the answer to a written `_meta`, and no commands but the known ones. (Source: OBS's API documentation.)
 */
export interface Front {
  url: string;
  /** Nothing is deleted as long as this is set: what is there can be looked at. */
  keepsAll: boolean;
  close(): Promise<void>;
}

const CODES: Record<number, string> = {
  400: 'bad_request',
  403: 'permission_denied',
  404: 'not_found',
  409: 'conflict',
  500: 'internal_error',
};
const COMMANDS = /^(wipe|restartbuild|killbuild|abortbuild|rebuild|unpublish|sendsysrq)$/;

export async function startFront(backendPort: number, user: string, password: string): Promise<Front> {
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const server = http.createServer((req, res) => {
    const url = new URL(req.url!, 'http://obs');
    const refused = refusalOf(req, url, wanted) ?? (front.keepsAll ? keptOf(req) : undefined);
    if (refused) {
      req.resume();
      return say(res, ...refused);
    }
    if (req.method !== 'GET' && url.pathname.startsWith('/source')) url.searchParams.set('user', user);
    relay(req, res, url, backendPort);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const front: Front = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keepsAll: false,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return front;
}

type Refusal = [status: number, code: string, summary: string, headers?: http.OutgoingHttpHeaders];

function refusalOf(req: http.IncomingMessage, { pathname, searchParams }: URL, wanted: string): Refusal | undefined {
  if (req.headers.authorization !== wanted) {
    const headers = { 'www-authenticate': 'Basic realm="Use your login"' };
    return [401, 'authentication_required', 'Authentication required', headers];
  }
  if (!/^\/(source|build|published|search)\b/.test(pathname)) return [404, 'not_found', 'no route'];
  const command = searchParams.get('cmd') ?? '';
  if (req.method === 'POST' && /^\/build\/[^/]+$/.test(pathname) && !COMMANDS.test(command)) {
    return [400, 'illegal_request', `unsupported POST command ${command}`];
  }
  return undefined;
}

const keptOf = ({ method }: http.IncomingMessage): Refusal | undefined =>
  method === 'DELETE' ? [500, 'internal_error', 'not now'] : undefined;

function relay(req: http.IncomingMessage, res: http.ServerResponse, url: URL, port: number): void {
  const headers: http.OutgoingHttpHeaders = { ...req.headers, host: `127.0.0.1:${port}`, connection: 'close' };
  delete headers['authorization'];
  const path = url.pathname + url.search;
  const behind = http.request({ host: '127.0.0.1', port, method: req.method, path, headers }, (answer) => {
    const status = answer.statusCode!;
    if (status >= 400) {
      void text(answer).then((said) => {
        const summary = /<summary>(.*?)<\/summary>/s.exec(said)?.[1] ?? '';
        say(res, status, CODES[status] ?? String(status), summary, {}, ' origin="backend"');
      });
    } else if (req.method === 'PUT' && url.pathname.endsWith('/_meta')) {
      answer.resume().on('end', () => say(res, 200, 'ok', 'Ok'));
    } else {
      res.writeHead(status, answer.headers);
      answer.pipe(res);
    }
  });
  behind.on('error', (error) => say(res, 502, 'backend_unreachable', error.message));
  // Who gives up a long poll gives it up behind the front, too.
  res.on('close', () => behind.destroy());
  req.pipe(behind);
}

function say(
  res: http.ServerResponse,
  status: number,
  code: string,
  summary: string,
  headers: http.OutgoingHttpHeaders = {},
  origin = '',
): void {
  if (res.headersSent) return void res.destroy();
  res.writeHead(status, { 'content-type': 'application/xml; charset=utf-8', ...headers });
  res.end(`<status code="${code}"${origin}>\n  <summary>${summary}</summary>\n</status>\n`);
}
