import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Archive } from '../../archive/archive.ts';
import { branchSubject, pullRequestSubject } from '../../core/event.ts';
import { branchFactKey, commentFactKey, pullRequestFactKey } from '../../core/fact-key.ts';
import type { RepositoryRef } from '../../core/model.ts';
import type { Queue, Told } from '../../queue/queue.ts';
import type { Store } from '../../store/store.ts';
import { type ParsedHook, parseHook } from './hooks.ts';

/** A verified delivery. `id`: X-GitHub-Delivery, the same on a redelivery. */
export interface Delivery {
  id: string;
  name: string;
  body: string;
}

/** How long a hook waits for a database that is away: GitHub gives up after 10 s, and nobody redelivers by himself. */
const PATIENCE_MS = 6_000;

/** What it takes to make a fact of a delivery. */
export interface TellingOptions {
  store: Pick<Store, 'branch' | 'pullRequest'>;
  archive: Pick<Archive, 'put'>;
  /** What is told of others' repositories is keyed by its delivery: on the day when they are served, nothing that was told
   *  before may look like handled. */
  isServed(repository: RepositoryRef): boolean;
}

export interface IntakeOptions extends TellingOptions {
  queue: Pick<Queue, 'push'>;
  /** Is the database unreachable, by this error? */
  isAway(error: unknown): boolean;
  now(): Date;
}

/** Raw payloads up to this size are in the row, larger ones in the archive. */
const RAW_IN_ROW = 64 * 1024;

/** Turn a delivery into a stored event. When this resolves, the fact is committed: now the hook may be answered. */
export async function receiveDelivery(delivery: Delivery, options: IntakeOptions): Promise<void> {
  const parsed = parseHook(delivery.name, delivery.body);
  const until = options.now().getTime() + PATIENCE_MS;
  for (;;) {
    try {
      await options.queue.push([await toldOf(delivery, parsed, 'hook', options)]);
      return;
    } catch (error) {
      if (!options.isAway(error) || options.now().getTime() > until) throw error;
      await sleep(200);
    }
  }
}

/** What a delivery tells when it is read back from the forge's list, because it never came. */
export const readBack = (delivery: Delivery, options: TellingOptions): Promise<Told> =>
  toldOf(delivery, parseHook(delivery.name, delivery.body), 'poll', options);

async function toldOf(
  delivery: Delivery,
  parsed: ParsedHook,
  source: 'hook' | 'poll',
  options: TellingOptions,
): Promise<Told> {
  const base = { source, delivery: delivery.id } as const;
  const ownKey = `delivery:${delivery.id}`;
  if ('event' in parsed) {
    const { event, occurredAt } = parsed;
    return { ...base, event: { key: await keyOf(parsed.event, ownKey, options), event, occurredAt } };
  }
  const hook = delivery.name.slice(0, 100);
  if ('noted' in parsed)
    return { ...base, done: true, event: { key: ownKey, event: { kind: 'hook.noted', hook, what: parsed.noted } } };
  const event = { key: ownKey, event: { kind: 'hook.unread', hook, why: parsed.unread } } as const;
  return { ...base, event, parked: parsed.unread, ...(await keepRaw(delivery.body, options.archive)) };
}

async function keepRaw(body: string, archive: Pick<Archive, 'put'>): Promise<Pick<Told, 'raw' | 'rawSha256'>> {
  // PostgreSQL's text cannot hold a NUL.
  if (Buffer.byteLength(body) <= RAW_IN_ROW && !body.includes('\0')) return { raw: body };
  const { sha256 } = await archive.put(Readable.from([Buffer.from(body)]), { mask: true });
  return { rawSha256: sha256 };
}

/** A telling of a moving thing is keyed by what is known of it; of anything else, by itself. */
async function keyOf(
  event: Extract<ParsedHook, { event: unknown }>['event'],
  ownKey: string,
  { store, isServed }: TellingOptions,
): Promise<string> {
  if ('repository' in event && !isServed(event.repository)) return ownKey;
  switch (event.kind) {
    case 'branch.hinted': {
      const subject = branchSubject(event.repository.key, event.ref);
      return branchFactKey(subject, await store.branch(subject), event.sha);
    }
    case 'pull-request.hinted': {
      const subject = pullRequestSubject(event.repository.key, event.number);
      return pullRequestFactKey(subject, await store.pullRequest(subject), event.told);
    }
    case 'comment.told':
      return commentFactKey(event.repository.key, event.comment);
    default:
      return ownKey;
  }
}
