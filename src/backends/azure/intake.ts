import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Archive } from '../../archive/archive.ts';
import type { Event } from '../../core/event.ts';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { answerHook, type HookAnswer, readHookBody } from '../../forge/hook-request.ts';
import type { Log } from '../../log.ts';
import type { Queue, Told } from '../../queue/queue.ts';
import { buildSubject, isHookAuthorized, parseAzureHook } from './hooks.ts';

export const AZURE_HOOK_PATH = '/hooks/azure';
/** Azure sends no larger payloads. */
const MOST_BYTES = 2 * 1024 * 1024;
const READ_MS = 10_000;
/** Raw payloads up to this size are in the row, larger ones in the archive. */
const RAW_IN_ROW = 64 * 1024;

export interface AzureIntakeOptions {
  /** AZURE_HOOK_PASSWORD; '' lets nobody in. */
  password: string;
  /** By name. `organisation` in lower case. */
  backends: { name: string; organisation: string }[];
  queue: Pick<Queue, 'push'>;
  archive: Pick<Archive, 'put'>;
  now(): Date;
  log: Log;
}

/**
 * `POST /hooks/azure`: service hooks. Whoever knows the password is answered 202, whatever he tells and how often: any
 * other answer puts the subscription on probation, and Azure then loses events for hours (facts: "Delivery rules" of
 * Azure's service hooks). 503, when it cannot be stored, makes Azure send it again within minutes.
 */
export function azureHookHandler(options: AzureIntakeOptions) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    if (req.url?.split('?', 1)[0] !== AZURE_HOOK_PATH) return false;
    answerHook(res, await answerTo(req, options));
    return true;
  };
}

async function answerTo(req: IncomingMessage, options: AzureIntakeOptions): Promise<HookAnswer> {
  const { log, queue } = options;
  if (req.method !== 'POST') return { status: 405, text: words.hookMethod, hangUp: true };
  if (!isHookAuthorized(req.headers.authorization, options.password)) {
    log.warn(words.hookRefused);
    return { status: 401, text: words.hookRefused, hangUp: true };
  }
  const body = await readHookBody(req, { mostBytes: MOST_BYTES, readMs: READ_MS });
  try {
    await queue.push([await toldOf(body, options)]);
    return { status: 202, text: '', hangUp: body === undefined };
  } catch (error) {
    log.error(
      { err: error },
      "A hook of Azure's could not be stored; Azure sends it again, and polling finds the build",
    );
    return { status: 503, text: words.hookNotStored, hangUp: body === undefined };
  }
}

async function toldOf(body: Buffer | undefined, options: AzureIntakeOptions): Promise<Told> {
  const at = options.now().toISOString();
  if (body === undefined) return unread(`hook:azure:unread:${at}`, words.hookTooLarge, {});
  const hook = parseAzureHook(body);
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  const raw = await keepRaw(body, options.archive);
  if (hook.kind === 'unread') return unread(`hook:azure:${digest}`, hook.why, raw);
  // Sent again, it has the same id.
  const key = `hook:azure:${hook.eventId ?? digest}`;
  const told = { source: 'hook', delivery: key, ...raw } as const;
  const backends = hook.kind === 'build' ? backendsOf(hook.organisation, options) : [];
  if (hook.kind === 'other' || backends.length === 0) {
    const event = { kind: 'hook.noted', hook: 'azure', what: hook.eventType } as const;
    return { ...told, done: true, event: { key, event } };
  }
  const subject = buildSubject(backends[0]!.organisation, hook.id);
  const names = backends.map(({ name }) => name);
  const event: Event = { kind: 'build.hinted', subject, backends: names, externalId: hook.id, at };
  return { ...told, event: { key, event, occurredAt: hook.occurredAt } };
}

/** Where no organisation is told, all of the first backend's. */
function backendsOf(told: string | undefined, { backends }: AzureIntakeOptions): AzureIntakeOptions['backends'] {
  const organisation = told ?? backends[0]?.organisation;
  return backends.filter((backend) => backend.organisation === organisation);
}

const unread = (key: string, why: string, raw: Pick<Told, 'raw' | 'rawSha256'>): Told => ({
  source: 'hook',
  delivery: key,
  parked: why,
  ...raw,
  event: { key, event: { kind: 'hook.unread', hook: 'azure', why } },
});

async function keepRaw(body: Buffer, archive: Pick<Archive, 'put'>): Promise<Pick<Told, 'raw' | 'rawSha256'>> {
  const text = body.toString('utf8');
  // PostgreSQL's text cannot hold a NUL.
  if (body.length <= RAW_IN_ROW && !text.includes('\0')) return { raw: text };
  return { rawSha256: (await archive.put(Readable.from([body]), { mask: true })).sha256 };
}
