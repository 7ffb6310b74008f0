import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../../log.ts';
import { answerHook, type HookAnswer, hookHeader, readHookBody } from '../hook-request.ts';
import type { Delivery } from './intake.ts';

/** GitHub never sends more than 25 MB (docs.github.com, "Webhook events and payloads"). */
const MOST_BYTES = 25 * 1024 * 1024;
/** A sender that stalls is cut off; GitHub itself gives up after 10 s. */
const READ_MS = 20_000;

export interface WebhookOptions {
  path: string;
  /** Any of them may have signed: two while one is rotated. */
  secrets: string[];
  /** Resolves when the delivery is committed. */
  receive(delivery: Delivery): Promise<void>;
  log: Log;
}

type NodeHandler = (req: IncomingMessage, res: ServerResponse) => Promise<boolean>;

/**
 * Verify, store, answer: nothing else is done in the request. What is signed is answered 200 once it is committed,
 * whatever it says; what cannot be stored now is answered 503, so that GitHub lists it as failed and can redeliver it.
 * This stands in for Probot's own middleware, which knows one secret and answers signed nonsense with 400.
 */
export function webhookHandler(options: WebhookOptions): NodeHandler {
  return async (req, res) => {
    if (req.url?.split('?', 1)[0] !== options.path) return false;
    answerHook(res, await answerTo(req, options));
    return true;
  };
}

async function answerTo(req: IncomingMessage, { secrets, receive, log }: WebhookOptions): Promise<HookAnswer> {
  if (req.method !== 'POST') return { status: 405, text: 'GitHub delivers hooks here, by POST\n' };
  const id = hookHeader(req, 'x-github-delivery');
  const name = hookHeader(req, 'x-github-event');
  const signature = hookHeader(req, 'x-hub-signature-256');
  if (!id || !name || !signature) {
    return {
      status: 400,
      text: 'X-GitHub-Delivery, X-GitHub-Event and X-Hub-Signature-256 are needed\n',
      hangUp: true,
    };
  }
  const body = await readHookBody(req, { mostBytes: MOST_BYTES, readMs: READ_MS });
  if (body === undefined) {
    log.warn({ delivery: id, hook: name }, 'A hook was not read to its end: too large or too slow');
    return { status: 413, text: 'More than 25 MB, or slower than 20 s\n', hangUp: true };
  }
  if (!isSigned(body, signature, secrets)) {
    log.warn(
      { delivery: id, hook: name, bytes: body.length },
      'Refused a hook: its signature is wrong. Is WEBHOOK_SECRET the App’s?',
    );
    return { status: 401, text: 'The signature is wrong\n' };
  }
  try {
    await receive({ id, name, body: body.toString('utf8') });
  } catch (error) {
    // Not the error itself: a database's message quotes what it was given, and that is the payload.
    const why = error instanceof Error ? error.message.trim().split('\n').at(-1)?.slice(0, 300) : String(error);
    log.error({ why, delivery: id, hook: name }, 'A hook could not be stored; GitHub is told so and can redeliver it');
    return { status: 503, text: 'It could not be stored; please redeliver it\n' };
  }
  return { status: 200, text: 'stored\n' };
}

/** Over the raw bytes, in constant time: a payload that is not UTF-8 has a right signature as well. */
function isSigned(body: Buffer, signature: string, secrets: string[]): boolean {
  const given = Buffer.from(signature);
  return secrets.some((secret) => {
    const right = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
    return given.length === right.length && timingSafeEqual(given, right);
  });
}
