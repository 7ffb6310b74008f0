import type { IncomingMessage, ServerResponse } from 'node:http';

/** What all hooks have in common as HTTP requests: they are read whole, within bounds, and answered in one piece. */

/** Only what such a header may have: its value goes into log lines and keys. */
export function hookHeader(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' && /^[\w.=:-]{1,200}$/.test(value) ? value : undefined;
}

/** The body's bytes; undefined when it is larger than `mostBytes`, slower than `readMs`, or broken off. What was not read
 *  stays unread: answer with `hangUp`. */
export async function readHookBody(
  req: IncomingMessage,
  limits: { mostBytes: number; readMs: number },
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => req.destroy(), limits.readMs);
  try {
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length;
      if (bytes > limits.mostBytes) return undefined;
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

export interface HookAnswer {
  status: number;
  text: string;
  /** Default: text/plain. */
  type?: string;
  /** The request was not read to its end: nothing can follow it on this connection. */
  hangUp?: boolean;
}

/** Time to read the answer of a refused hook. */
const LINGER_MS = 500;

export function answerHook(
  res: ServerResponse,
  { status, text, type = 'text/plain', hangUp = false }: HookAnswer,
): void {
  res.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(text),
    connection: hangUp ? 'close' : 'keep-alive',
  });
  if (!hangUp) {
    res.end(text);
    return;
  }
  // Closing at once, with bytes unread, resets the connection, and the answer is lost with it.
  res.write(text);
  setTimeout(() => res.destroy(), LINGER_MS);
}
