import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { isSha } from '../core/ref.ts';
import { readSecret } from '../forge/git/secret.ts';
import {
  DELIVERY_HEADER,
  GIT_HOOK_PATH,
  type PushAnswer,
  type PushTold,
  pushAnswer,
  SIGNATURE_HEADER,
  signatureOf,
} from '../forge/git/wire.ts';
import { followRun } from './follow-run.ts';

/** `rcb hook post-receive`: what the hook calls. It says on the pusher's terminal what became of the push. */
export interface PostReceive {
  /** Git's: `<old> <new> <ref>` per line. */
  input: Readable;
  /** Git runs `post-receive` in the repository's own directory (githooks(5)). */
  directory: string;
  url: string;
  secretFile: string;
  /** Milliseconds to wait for the verdict; absent: do not wait. */
  waitMs?: number;
  say(line: string): void;
}

/** Never throws: a push is done when this runs, and must not look as if it had failed. */
export async function postReceive(options: PostReceive): Promise<void> {
  try {
    const updates = await readUpdates(options.input);
    if (updates.length === 0) return;
    const answer = await tell(updates, options);
    for (const note of answer.notes) options.say(`RCB: ${note}.`);
    await report(answer, options);
  } catch (error) {
    options.say(`RCB: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What is beyond is found by polling. */
const MOST_BYTES = 800_000;

async function readUpdates(input: Readable): Promise<PushTold['updates']> {
  const updates: PushTold['updates'] = [];
  let text = '';
  for await (const chunk of input.setEncoding('utf8')) if (text.length < MOST_BYTES) text += chunk;
  for (const line of text.slice(0, MOST_BYTES).split('\n')) {
    const [, before, after, ref] = /^([0-9a-f]+) ([0-9a-f]+) (\S+)$/.exec(line) ?? [];
    if (before && after && ref && isSha(before) && isSha(after)) updates.push({ ref, old: before, new: after });
  }
  return updates;
}

const LATER = 'The push is stored; RCB finds it by polling';

async function tell(updates: PushTold['updates'], { directory, url, secretFile }: PostReceive): Promise<PushAnswer> {
  const secret = await readSecret(secretFile).catch((error: Error) => {
    throw new Error(`the secret cannot be read (${error.message}). ${LATER}.`);
  });
  if (secret === undefined) throw new Error(`there is no secret in ${secretFile}: was RCB started? ${LATER}.`);
  const body = JSON.stringify({ path: directory, updates });
  const headers = {
    'content-type': 'application/json',
    [SIGNATURE_HEADER]: signatureOf(body, secret),
    [DELIVERY_HEADER]: randomBytes(12).toString('hex'),
  };
  const options = { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) };
  const response = await fetch(url + GIT_HOOK_PATH, options).catch((error: Error) => {
    throw new Error(`it does not answer at ${url} (${reasonOf(error)}). ${LATER} when it runs.`);
  });
  const text = await response.text();
  if (response.status !== 202) throw new Error(`${text.trim().slice(0, 300)} (${response.status}).`);
  return pushAnswer.parse(JSON.parse(text));
}

/** `fetch failed` says nothing; what it wraps does. */
function reasonOf(error: Error): string {
  const cause = error.cause as { code?: string; message?: string } | undefined;
  const words: Record<string, string> = { ECONNREFUSED: 'nobody listens there', ECONNRESET: 'the connection broke' };
  return words[cause?.code ?? ''] ?? cause?.message ?? error.message;
}

async function report(answer: PushAnswer, { url, waitMs, say }: PostReceive): Promise<void> {
  const pushed = answer.branches.flatMap(({ ref, sha }) => (sha === null ? [] : [{ ref, sha }]));
  if (pushed.length === 0) return;
  if (waitMs === undefined) {
    say(`RCB: ${pushed.length === 1 ? 'the push is' : `${pushed.length} branches are`} tested: ${answer.site}/`);
    return;
  }
  const { repository, site, since } = answer;
  const withLog = pushed.length === 1;
  const deadline = Date.now() + waitMs;
  await Promise.all(pushed.map((head) => followRun({ ...head, repository, url, site, since, withLog, deadline, say })));
}
