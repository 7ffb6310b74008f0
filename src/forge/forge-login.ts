import type { Author } from '../core/model.ts';

/** PORT. People who say to the site who they are, by their account at the forge. Verbs throw LoginError and nothing else. */
export interface ForgeLogin {
  /** Where a browser is sent to; it comes back to `redirectUrl` with `state` and a code. `challenge`: PKCE, S256. */
  authorizeUrl(asked: { state: string; challenge: string; redirectUrl: string }): string;
  /** Tokens for a code, which is good for one exchange. */
  exchange(given: { code: string; verifier: string; redirectUrl: string }, signal: AbortSignal): Promise<UserTokens>;
  /** New ones for old ones, which are void afterwards. */
  refresh(tokens: UserTokens, signal: AbortSignal): Promise<UserTokens>;
  /** Whose they are. */
  userOf(tokens: UserTokens, signal: AbortSignal): Promise<Author>;
  /** Keys of the repositories that they may read through these installations (keys), asked as they themselves. What is not
   *  certain is not among them: of an installation that is not there for them, or gives no more, nothing. */
  repositoriesOf(tokens: UserTokens, installations: readonly string[], signal: AbortSignal): Promise<string[]>;
  /** They are void afterwards; they may have been before. */
  revoke(tokens: UserTokens, signal: AbortSignal): Promise<void>;
}

export interface UserTokens {
  access: string;
  /** ISO 8601; absent: it does not end by itself. */
  accessUntil?: string;
  /** Absent: the App's tokens do not expire. */
  refresh?: string;
}

/** `refused`: these are not good (any more). `setup`: the App's own credentials or addresses are not. `away`: nobody knows;
 *  asking again later may help. */
export class LoginError extends Error {
  readonly kind: 'refused' | 'setup' | 'away';

  constructor(kind: LoginError['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LoginError';
    this.kind = kind;
  }
}
