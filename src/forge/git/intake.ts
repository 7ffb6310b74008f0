import type { IncomingMessage, ServerResponse } from 'node:http';
import { branchSubject } from '../../core/event.ts';
import { branchFactKey } from '../../core/fact-key.ts';
import type { RepositoryRef } from '../../core/model.ts';
import { isBranchRef } from '../../core/ref.ts';
import type { Log } from '../../log.ts';
import type { Queue, Told } from '../../queue/queue.ts';
import type { Store } from '../../store/store.ts';
import { answerHook, type HookAnswer, hookHeader, readHookBody } from '../hook-request.ts';
import { identityOf, type PlainRepository } from './repositories.ts';
import {
  DELIVERY_HEADER,
  GIT_HOOK_PATH,
  isSigned,
  isZero,
  type PushAnswer,
  type PushTold,
  pushTold,
  SIGNATURE_HEADER,
} from './wire.ts';

const MOST_BYTES = 1024 * 1024;
const READ_MS = 10_000;
/** Of one push; a mirror's first push may bring thousands, and polling finds them in its own time. */
const MOST_BRANCHES = 200;

export interface GitIntakeOptions {
  repositories: PlainRepository[];
  secret: string;
  queue: Pick<Queue, 'push'>;
  store: Pick<Store, 'branch'>;
  publicUrl(): string;
  now(): Date;
  log: Log;
}

type Answer = HookAnswer & { json?: PushAnswer };

/** `POST /hooks/git`: what a `post-receive` hook on this machine tells. Answers 202 once it is committed. */
export function gitHookHandler(options: GitIntakeOptions) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    if (req.url?.split('?', 1)[0] !== GIT_HOOK_PATH) return false;
    const { json, ...answer } = await answerTo(req, options);
    answerHook(res, json ? { ...answer, text: JSON.stringify(json), type: 'application/json' } : answer);
    return true;
  };
}

async function answerTo(req: IncomingMessage, options: GitIntakeOptions): Promise<Answer> {
  if (req.method !== 'POST')
    return { status: 405, text: 'Hooks of git repositories tell their pushes here, by POST', hangUp: true };
  const delivery = hookHeader(req, DELIVERY_HEADER);
  const body = await readHookBody(req, { mostBytes: MOST_BYTES, readMs: READ_MS });
  if (body === undefined) return { status: 413, text: 'More than 1 MB, or slower than 10 s', hangUp: true };
  if (!isSigned(body, hookHeader(req, SIGNATURE_HEADER) ?? '', options.secret)) {
    options.log.warn({ bytes: body.length }, 'Refused a push that a git hook told: its signature is wrong');
    return {
      status: 401,
      text: 'The signature is wrong: run "rcb hook install" again, with this bot\'s data directory',
    };
  }
  const push = parse(body);
  if ('unread' in push) return { status: 400, text: push.unread };
  const identity = await identityOf(push.told.path);
  const repository = options.repositories.find(({ path }) => path === identity);
  if (!repository) return { status: 404, text: `RCB does not watch ${identity}: add it under "git:" in rcb.yaml` };
  try {
    return { status: 202, text: '', json: await store(push.told, repository, delivery, options) };
  } catch (error) {
    options.log.error({ err: error, repository: repository.name }, 'A push could not be stored; polling will find it');
    return { status: 503, text: 'It could not be stored now; polling will find it' };
  }
}

function parse(body: Buffer): { told: PushTold } | { unread: string } {
  try {
    const parsed = pushTold.safeParse(JSON.parse(body.toString('utf8')));
    if (parsed.success) return { told: parsed.data };
    const [issue] = parsed.error.issues;
    return { unread: `Not as "rcb hook post-receive" writes it: ${issue?.path.join('.')}: ${issue?.message}` };
  } catch {
    return { unread: 'It is not JSON' };
  }
}

async function store(
  told: PushTold,
  { key, name }: PlainRepository,
  delivery: string | undefined,
  { queue, store, publicUrl, now }: GitIntakeOptions,
): Promise<PushAnswer> {
  // A ref that is named twice has the last of its values.
  const heads = new Map(
    told.updates
      .filter(({ ref }) => isBranchRef(ref))
      .map((update) => [update.ref, isZero(update.new) ? null : update.new]),
  );
  const branches = [...heads].slice(0, MOST_BRANCHES).map(([ref, sha]) => ({ ref, sha }));
  const repository: RepositoryRef = { key, name };
  const facts: Told[] = [];
  for (const { ref, sha } of branches) {
    const subject = branchSubject(key, ref);
    facts.push({
      source: 'hook',
      delivery: delivery && `${delivery}:${ref}`,
      event: {
        key: branchFactKey(subject, await store.branch(subject), sha),
        event: { kind: 'branch.hinted', repository, ref, sha },
      },
    });
  }
  if (told.updates.length > heads.size && delivery) facts.push(notedTags(delivery));
  const startedAt = now().getTime();
  const pushed = await queue.push(facts);
  // A poll may have told it first, by an interval or two; other instances' clocks differ by a little.
  const since = new Date(startedAt - (pushed.some(({ known }) => known) ? 60_000 : 5_000)).toISOString();
  return { repository: name, site: publicUrl(), branches, since, notes: notesOn(told, heads.size) };
}

/** Tags are in the ledger, and nothing follows from them. */
const notedTags = (delivery: string): Told => ({
  source: 'hook',
  delivery,
  done: true,
  event: { key: `delivery:${delivery}`, event: { kind: 'hook.noted', hook: 'git-tags' } },
});

function notesOn(told: PushTold, branches: number): string[] {
  const odd = told.updates.find(({ ref }) => ref.startsWith('refs/heads/') && !isBranchRef(ref));
  return [
    ...(odd ? [`${JSON.stringify(odd.ref.slice(0, 100))} is not tested: its name is too long or malformed`] : []),
    ...(branches > MOST_BRANCHES ? [`${branches - MOST_BRANCHES} more branches are looked at by the next poll`] : []),
  ];
}
