import type { Clock } from '../clock.ts';
import type { Author } from '../core/model.ts';
import { type Keyring, NONCE_BYTES, open, seal } from '../core/secret-box.ts';
import {
  challengeOf,
  IDLE_MS,
  isAlive,
  isLoginAlive,
  isSameText,
  type LoginUnderWay,
  needsTouch,
  SESSION_MS,
  type Session,
  sessionIdOf,
} from '../core/session.ts';
import { type ForgeLogin, LoginError, type UserTokens } from '../forge/forge-login.ts';
import { createRemembered } from './remembered.ts';
import type { Sessions } from './sessions.ts';

/**
 * Logging in with the account at the forge. What has to be remembered until the browser is back from there is in a sealed
 * cookie of that browser, so that asking to log in stores nothing, and an answer of the forge is of use in the browser
 * that asked for it only.
 */
export interface LoginOptions {
  forge: ForgeLogin;
  sessions: Sessions;
  keyring: Keyring;
  /** Of a quality for secrets. */
  randomBytes(size: number): Buffer;
}

/** `word`: what the browser holds. */
export interface Visitor {
  word: string;
  session: Session;
}

export interface Login {
  /** Where to send the browser, and what it keeps until it is back. */
  begin(back: string): { url: string; kept: string };
  /** The word of a new session; throws LoginFailed. */
  finish(kept: string | undefined, answer: LoginAnswer, signal: AbortSignal): Promise<{ word: string; back: string }>;
  /** undefined: nobody, or not any more. `isActive`: it is a person who looks, not a page that keeps itself fresh. */
  visitor(word: string, isActive: boolean): Promise<Visitor | undefined>;
  /** Is it still the user's will, and the user? Whoever took it back at the forge is logged out here, too. */
  confirm(visitor: Visitor, signal: AbortSignal): Promise<boolean>;
  /** Which repositories he may read, of those that these installations (keys) give; it may be a minute old. `signal`: how long
   *  the answer is waited for. */
  readable(visitor: Visitor, installations: readonly string[], signal: AbortSignal): Promise<Readable>;
  end(visitor: Visitor, signal: AbortSignal): Promise<void>;
}

/** `unknown`: the forge could not be asked. `ended`: he has taken back there what he agreed to, and is logged out. */
export type Readable =
  | { kind: 'known'; keys: ReadonlySet<string> }
  | { kind: 'unknown'; cause: LoginError }
  | { kind: 'ended' };

/** The query with which the forge sends a browser back. */
export interface LoginAnswer {
  state?: string;
  code?: string;
  error?: string;
}

export class LoginFailed extends Error {
  readonly kind: 'other-browser' | 'denied' | LoginError['kind'];

  constructor(kind: LoginFailed['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LoginFailed';
    this.kind = kind;
  }
}

export const CALLBACK_PATH = '/login/callback';
const KEPT = 'login';
const WORD_BYTES = 32;
/** A token that ends within this is renewed before it is used. */
const RENEW_MS = 60_000;
/** Who was shut out at the forge may read on for so long. */
const READABLE_MS = 60_000;
const MOST_READERS = 1_000;

export function openLogin({ forge, sessions, keyring, randomBytes }: LoginOptions, at: Place): Login {
  const { clock } = at;
  const redirectUrl = `${at.publicUrl.replace(/\/+$/, '')}${CALLBACK_PATH}`;
  const newWord = () => randomBytes(WORD_BYTES).toString('base64url');
  const sealed = (value: object, context: string) =>
    seal(JSON.stringify(value), keyring, context, randomBytes(NONCE_BYTES));

  async function newSession(tokens: UserTokens, user: Author): Promise<string> {
    const word = newWord();
    const id = sessionIdOf(word);
    const now = clock.now();
    const ended = { createdAt: before(now, SESSION_MS), usedAt: before(now, IDLE_MS) };
    await sessions.add({ id, user, tokens: sealed(tokens, id), createdAt: now, usedAt: now }, ended);
    return word;
  }

  /** With a good token; undefined: there is none any more. */
  async function renewed(session: Session, signal: AbortSignal): Promise<UserTokens | undefined> {
    const tokens = opened<UserTokens>(session.tokens, keyring, session.id);
    if (!tokens?.accessUntil || Date.parse(tokens.accessUntil) - clock.now().getTime() > RENEW_MS) return tokens;
    const fresh = await forge.refresh(tokens, signal);
    await sessions.replaceTokens(session.id, session.tokens, sealed(fresh, session.id));
    return fresh;
  }

  const readables = createRemembered<Readable>({
    clock,
    forMs: READABLE_MS,
    most: MOST_READERS,
    isLasting: ({ kind }) => kind === 'known',
  });

  async function remove({ id }: Session): Promise<void> {
    readables.forget(id);
    await sessions.remove(id);
  }

  /** Asked with the user's token; undefined: he has none any more, and the session is over. */
  async function asUser<T>(
    session: Session,
    signal: AbortSignal,
    question: (tokens: UserTokens) => Promise<T>,
    renewals = 1,
  ): Promise<{ answer: T } | undefined> {
    try {
      const tokens = await renewed(session, signal);
      if (tokens) return { answer: await question(tokens) };
    } catch (error) {
      if (!(error instanceof LoginError) || error.kind !== 'refused') throw error;
      // Two at once: the other one has renewed the token, and the old one is void since.
      const now = await sessions.find(session.id);
      if (now && now.tokens !== session.tokens && renewals > 0) return asUser(now, signal, question, renewals - 1);
    }
    await remove(session);
    return undefined;
  }

  async function askReadable(session: Session, installations: readonly string[]): Promise<Readable> {
    // Others wait for the answer, too: that whoever asked first has gone does not end the question.
    const { signal } = new AbortController();
    try {
      const told = await asUser(session, signal, (tokens) => forge.repositoriesOf(tokens, installations, signal));
      return told ? { kind: 'known', keys: new Set(told.answer) } : { kind: 'ended' };
    } catch (cause) {
      if (!(cause instanceof LoginError)) throw cause;
      return { kind: 'unknown', cause };
    }
  }

  return {
    begin(back) {
      const kept: LoginUnderWay = { state: newWord(), verifier: newWord(), back, at: clock.now().toISOString() };
      const challenge = challengeOf(kept.verifier);
      return { url: forge.authorizeUrl({ state: kept.state, challenge, redirectUrl }), kept: sealed(kept, KEPT) };
    },
    async finish(kept, { state, code, error }, signal) {
      const underWay = kept === undefined ? undefined : opened<LoginUnderWay>(kept, keyring, KEPT);
      if (!underWay || !isLoginAlive(underWay, clock.now()) || !isSameText(state ?? '', underWay.state))
        throw new LoginFailed('other-browser', 'The state is not that of this browser');
      if (error === 'access_denied') throw new LoginFailed('denied', 'The user did not agree');
      if (error !== undefined || code === undefined)
        throw new LoginFailed('setup', `The forge sent the browser back with ${error?.slice(0, 100) ?? 'no code'}`);
      try {
        const tokens = await forge.exchange({ code, verifier: underWay.verifier, redirectUrl }, signal);
        const word = await newSession(tokens, await forge.userOf(tokens, signal));
        return { word, back: underWay.back };
      } catch (cause) {
        if (!(cause instanceof LoginError)) throw cause;
        throw new LoginFailed(cause.kind, cause.message, { cause });
      }
    },
    async visitor(word, isActive) {
      const now = clock.now();
      const session = await sessions.find(sessionIdOf(word));
      if (!session) return undefined;
      if (!isAlive(session, now)) {
        await remove(session);
        return undefined;
      }
      if (isActive && needsTouch(session, now)) await sessions.touch(session.id, now);
      return { word, session };
    },
    async confirm({ session }, signal) {
      try {
        const told = await asUser(session, signal, (tokens) => forge.userOf(tokens, signal));
        if (!told) return false;
        if (told.answer.id === session.user.id) return true;
      } catch (error) {
        // What its person may do is asked again before anything is done, by the App and by the account's id.
        if (error instanceof LoginError) return true;
        throw error;
      }
      await remove(session);
      return false;
    },
    async readable({ session }, installations, signal) {
      if (installations.length === 0) return { kind: 'known', keys: new Set() };
      const asked = [...new Set(installations)].sort();
      const answer = readables.ask(session.id, JSON.stringify(asked), () => askReadable(session, asked));
      return untilGone(answer, signal);
    },
    async end({ session }, signal) {
      await remove(session);
      const tokens = opened<UserTokens>(session.tokens, keyring, session.id);
      if (tokens) await forge.revoke(tokens, signal);
    },
  };
}

export interface Place {
  publicUrl: string;
  clock: Clock;
}

const before = (now: Date, ms: number): Date => new Date(now.getTime() - ms);

/** Who does not wait any longer is told that nobody knows; the question goes on, and its answer is there for the next page. */
async function untilGone(answer: Promise<Readable>, signal: AbortSignal): Promise<Readable> {
  const gone = Promise.withResolvers<Readable>();
  const leave = () => gone.resolve({ kind: 'unknown', cause: new LoginError('away', 'The answer was not waited for') });
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  return Promise.race([answer, gone.promise]).finally(() => signal.removeEventListener('abort', leave));
}

/** What is in a box was written by us: it opens with our key only. */
function opened<T>(box: string, keyring: Keyring, context: string): T | undefined {
  const text = open(box, keyring, context);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}
