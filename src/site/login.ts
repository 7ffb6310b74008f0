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
  end(visitor: Visitor, signal: AbortSignal): Promise<void>;
}

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

  async function isStillUser(session: Session, signal: AbortSignal): Promise<boolean> {
    const tokens = await renewed(session, signal);
    return tokens !== undefined && (await forge.userOf(tokens, signal)).id === session.user.id;
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
        await sessions.remove(session.id);
        return undefined;
      }
      if (isActive && needsTouch(session, now)) await sessions.touch(session.id, now);
      return { word, session };
    },
    async confirm({ session }, signal) {
      try {
        if (await isStillUser(session, signal)) return true;
      } catch (error) {
        if (!(error instanceof LoginError)) throw error;
        // What its person may do is asked again before anything is done, by the App and by the account's id.
        if (error.kind !== 'refused') return true;
        // Two at once: the other one has renewed the token, and the old one is void since.
        const now = await sessions.find(session.id);
        if (now && now.tokens !== session.tokens) return true;
      }
      await sessions.remove(session.id);
      return false;
    },
    async end({ session }, signal) {
      await sessions.remove(session.id);
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

/** What is in a box was written by us: it opens with our key only. */
function opened<T>(box: string, keyring: Keyring, context: string): T | undefined {
  const text = open(box, keyring, context);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}
