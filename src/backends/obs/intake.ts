import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Event } from '../../core/event.ts';
import { obsMessages as words } from '../../core/messages-obs.ts';
import { answerHook, type HookAnswer, hookHeader, readHookBody } from '../../forge/hook-request.ts';
import type { Log } from '../../log.ts';
import type { Queue, Told } from '../../queue/queue.ts';
import {
  externalIdOfChange,
  MOST_HOOK_BYTES,
  OBS_HOOK_PATH,
  OBS_SIGNATURE_HEADER,
  type ObsChanged,
  parseObsHook,
} from './hook.ts';
import type { ObsMode } from './names.ts';

const READ_MS = 10_000;

export interface ObsIntakeOptions {
  /** OBS_HOOK_SECRET; absent: nobody is let in. */
  secret: string | undefined;
  backends: { name: string; project: string; mode: ObsMode }[];
  queue: Pick<Queue, 'push'>;
  now(): Date;
  log: Log;
}

/**
 * `POST /hooks/obs`: hints of a relay between OBS's message bus and us. What is about no build of ours is accepted, and
 * forgotten: the bus tells everybody everything. 503, when it cannot be stored, makes the relay tell it again.
 */
export function obsHookHandler(options: ObsIntakeOptions) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    if (req.url?.split('?', 1)[0] !== OBS_HOOK_PATH) return false;
    answerHook(res, await answerTo(req, options));
    return true;
  };
}

async function answerTo(req: IncomingMessage, options: ObsIntakeOptions): Promise<HookAnswer> {
  const { log, queue, secret } = options;
  if (req.method !== 'POST') return { status: 405, text: words.hookMethod, hangUp: true };
  if (!secret) {
    log.warn(words.hookWithoutSecret);
    return { status: 401, text: words.hookWithoutSecret, hangUp: true };
  }
  const body = await readHookBody(req, { mostBytes: MOST_HOOK_BYTES, readMs: READ_MS });
  if (!body) return { status: 413, text: words.hookTooLarge(MOST_HOOK_BYTES), hangUp: true };
  const hook = parseObsHook(body, hookHeader(req, OBS_SIGNATURE_HEADER), secret);
  if (!hook.ok) {
    log.warn({ why: hook.why }, words.hookRefused);
    return { status: hook.status, text: hook.why };
  }
  const told = toldOf(hook.changed, options);
  try {
    if (told.length > 0) await queue.push(told);
    return { status: 202, text: '' };
  } catch (error) {
    log.error(
      { err: error },
      "A hook of OBS's could not be stored; the relay tells it again, and polling finds the build",
    );
    return { status: 503, text: words.hookNotStored };
  }
}

/** Each build once, however much is told of it. */
function toldOf(changed: ObsChanged[], { backends, now }: ObsIntakeOptions): Told[] {
  const at = now().toISOString();
  const byBuild = new Map<string, { backends: string[]; changes: ObsChanged[] }>();
  for (const change of changed) {
    const ids = backends.map((backend) => ({ name: backend.name, id: externalIdOfChange(change, backend) }));
    for (const id of new Set(ids.flatMap((each) => each.id ?? []))) {
      const known = byBuild.get(id) ?? {
        backends: ids.flatMap((each) => (each.id === id ? each.name : [])),
        changes: [],
      };
      known.changes.push(change);
      byBuild.set(id, known);
    }
  }
  return [...byBuild].map(([externalId, { backends: names, changes }]): Told => {
    const subject = `build:obs:${externalId}`;
    const raw = JSON.stringify(changes);
    const digest = createHash('sha256').update(raw).digest('hex').slice(0, 16);
    // Hints have no ids. The same words later are another hint; at the same moment they are the relay's second try.
    const key = `hook:obs:${externalId}:${at.slice(0, 19)}:${digest}`;
    const event: Event = { kind: 'build.hinted', subject, backends: names, externalId, at };
    return { source: 'hook', delivery: key, raw, event: { key, event } };
  });
}
