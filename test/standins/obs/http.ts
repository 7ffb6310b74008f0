import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { escapeXml } from './state.ts';

/** A request as the routes see it, and the answers they give. */
export interface Asked {
  method: string;
  path: string[];
  query: URLSearchParams;
  body: Buffer;
  type: string;
}

export interface Answer {
  status: number;
  body: string | Buffer;
  type: string;
  headers?: Record<string, string>;
}

export const xmlAnswer = (body: string, status = 200): Answer => ({
  status,
  body: `${body}\n`,
  type: 'application/xml',
});
export const bytesAnswer = (body: Buffer, type = 'application/octet-stream'): Answer => ({ status: 200, body, type });
export const ok = (): Answer => xmlAnswer('<status code="ok"><summary>Ok</summary></status>');

/** The front has words for codes; what it relays from behind it has numbers. */
export function refusal(status: number, code: string, summary: string): Answer {
  const origin = /^\d+$/.test(code) ? ' origin="backend"' : '';
  return xmlAnswer(
    `<status code="${code}"${origin}><summary>${escapeXml(summary)}</summary><details/></status>`,
    status,
  );
}

export const notFound = (what: string, code = 'not_found'): Answer => refusal(404, code, what);

export async function readRequest(req: IncomingMessage): Promise<Asked> {
  const url = new URL(req.url!, 'http://obs');
  return {
    method: req.method!,
    path: url.pathname.split('/').slice(1).map(decodeURIComponent),
    query: url.searchParams,
    body: await buffer(req),
    type: req.headers['content-type'] ?? '',
  };
}

export function send(res: ServerResponse, { status, body, type, headers }: Answer): void {
  if (res.destroyed) return;
  res.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), ...headers });
  res.end(body);
}

/** The server behind the front is strict. */
export function unknownParameter({ query }: Asked, known: string[]): Answer | undefined {
  const strange = [...query.keys()].find((key) => !known.includes(key));
  return strange === undefined ? undefined : refusal(400, '400', `unknown parameter '${strange}'`);
}
