import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Author } from './model.ts';

/**
 * Who is logged in on the site, and for how long. The browser holds an opaque random word; we store its digest only, so
 * that nobody who reads the table can be somebody else.
 */
export interface Session {
  /** Digest of the word in the cookie. */
  id: string;
  user: Author;
  /** The user's tokens at the forge, sealed. */
  tokens: string;
  createdAt: Date;
  usedAt: Date;
}

const HOUR_MS = 3_600_000;
export const SESSION_MS = 8 * HOUR_MS;
export const IDLE_MS = HOUR_MS;
/** Between going to the forge and coming back. */
export const LOGIN_MS = 10 * 60_000;
/** `usedAt` is not written with every page. */
const TOUCH_MS = 5 * 60_000;

export const sessionIdOf = (word: string): string => createHash('sha256').update(word).digest('hex');

export function isAlive({ createdAt, usedAt }: Pick<Session, 'createdAt' | 'usedAt'>, now: Date): boolean {
  return now.getTime() - createdAt.getTime() < SESSION_MS && now.getTime() - usedAt.getTime() < IDLE_MS;
}

export const needsTouch = ({ usedAt }: Pick<Session, 'usedAt'>, now: Date): boolean =>
  now.getTime() - usedAt.getTime() >= TOUCH_MS;

/** PKCE's S256 (RFC 7636, section 4.2): what goes to the forge before, of what is shown to it after. */
export const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/** Proves that a form was made for this session, and for just this: another site cannot know the word. */
export const formToken = (word: string, about: readonly string[]): string =>
  createHmac('sha256', word).update(JSON.stringify(about)).digest('base64url');

export const isFormToken = (given: string, word: string, about: readonly string[]): boolean =>
  isSameText(given, formToken(word, about));

/** In constant time; of the lengths nothing is secret. */
export function isSameText(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}

const LONGEST_PATH = 500;

/** Where to go after a login: a path of this site and nothing else, whatever was asked for. Browsers take `//host`,
 *  `/\host` and `/<tab>/host` for another site. */
export function returnPath(given: string | undefined): string {
  if (given === undefined || given.length > LONGEST_PATH || !/^\/[\w.~!$&'()*+,;=:@%/?-]*$/.test(given)) return '/';
  return given.startsWith('//') || /^\/log(in|out)\b/.test(given) ? '/' : given;
}

/** What is kept in the browser, sealed, while its user is at the forge. */
export interface LoginUnderWay {
  /** Comes back in the address: who did not go there from this browser has another one. */
  state: string;
  verifier: string;
  back: string;
  /** ISO 8601. */
  at: string;
}

export const isLoginAlive = ({ at }: Pick<LoginUnderWay, 'at'>, now: Date): boolean => {
  const age = now.getTime() - Date.parse(at);
  return age >= 0 && age < LOGIN_MS;
};
