import { createPublicKey, createVerify, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Hub } from './hub.ts';
import { timestamp } from './hub.ts';
import { ApiError } from './rest/errors.ts';
import type { Clock, Installation, Permissions, Repository, User } from './state.ts';
import { covers, fullNameOf, isoSeconds, permissionOf, roleOf } from './state.ts';

export interface Credentials {
  appId: number;
  privateKey: string;
  publicKey: string;
  webhookSecret: string;
}

let keys: { privateKey: string; publicKey: string } | undefined;

/** Generated once per process: an RSA key takes a good part of a second. */
export function appKeys(): { privateKey: string; publicKey: string } {
  keys ??= generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return keys;
}

export function publicKeyOf(privateKey: string): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
}

export interface InstallationToken {
  token: string;
  installationId: number;
  expiresAt: Date;
  permissions: Permissions;
  /** Absent: all that the installation covers. */
  repositoryIds?: Set<number>;
}

export type Caller =
  | { kind: 'app' }
  | { kind: 'installation'; installation: Installation; token: InstallationToken }
  /** `throughApp`: by a token that the App has got for him, not by one of his own. */
  | { kind: 'user'; user: User; throughApp?: boolean }
  | { kind: 'anonymous' };

const TOKEN_LIFE = 3600_000;

/** Tokens that were given out. */
export class Tokens {
  readonly #installation = new Map<string, InstallationToken>();
  readonly #user = new Map<string, User>();

  issue(clock: Clock, installation: Installation, narrowed: Partial<InstallationToken> = {}): InstallationToken {
    const token: InstallationToken = {
      token: `ghs_${randomBytes(18).toString('hex')}`,
      installationId: installation.id,
      expiresAt: new Date(clock.now().getTime() + TOKEN_LIFE),
      permissions: narrowed.permissions ?? installation.permissions,
      repositoryIds: narrowed.repositoryIds,
    };
    this.#installation.set(token.token, token);
    return token;
  }

  issueToUser(user: User): string {
    const token = `ghp_${randomBytes(18).toString('hex')}`;
    this.#user.set(token, user);
    return token;
  }

  installationToken(token: string): InstallationToken | undefined {
    return this.#installation.get(token);
  }

  userOf(token: string): User | undefined {
    return this.#user.get(token);
  }
}

/** Who calls, by the Authorization header (bearer, token or basic); throws 401 when the credentials are not good. */
export function identify(hub: Hub, authorization: string | undefined): Caller {
  const secret = secretOf(authorization);
  if (!secret) return { kind: 'anonymous' };
  if (secret.split('.').length === 3) {
    verifyJwt(hub, secret);
    return { kind: 'app' };
  }
  const own = hub.tokens.userOf(secret);
  if (own) return { kind: 'user', user: own };
  const user = hub.oauth.userOf(secret);
  if (user) return { kind: 'user', user, throughApp: true };
  return installationCaller(hub, secret);
}

function secretOf(authorization: string | undefined): string | undefined {
  if (!authorization) return undefined;
  const [scheme = '', value = ''] = authorization.split(' ');
  if (scheme.toLowerCase() !== 'basic') return value;
  return Buffer.from(value, 'base64').toString('utf8').split(':').slice(1).join(':');
}

function installationCaller(hub: Hub, secret: string): Caller {
  const token = hub.tokens.installationToken(secret);
  const installation = token && hub.state.installations.get(token.installationId);
  if (!token || !installation || token.expiresAt <= hub.clock.now()) throw new ApiError(401, 'Bad credentials');
  if (installation.suspendedAt) throw new ApiError(403, 'This installation has been suspended');
  return { kind: 'installation', installation, token };
}

/** Ten minutes, and a little for clocks that differ. */
const LONGEST_JWT = 660;
const EXP_WORDS =
  "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires";
const IAT_WORDS = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";

/** GitHub's own words: @octokit/auth-app reads them to learn that the clocks differ. */
function verifyJwt(hub: Hub, jwt: string): void {
  const [head = '', body = '', signature = ''] = jwt.split('.');
  const verifier = createVerify('RSA-SHA256').update(`${head}.${body}`);
  const header = decoded(head);
  const claims = decoded(body);
  if (header['alg'] !== 'RS256' || !verifier.verify(hub.credentials.publicKey, Buffer.from(signature, 'base64url'))) {
    throw new ApiError(401, 'A JSON web token could not be decoded');
  }
  const now = Math.floor(hub.clock.now().getTime() / 1000);
  const { iss, exp, iat } = claims;
  if (String(iss) !== String(hub.credentials.appId)) throw new ApiError(404, 'Integration not found');
  if (typeof exp !== 'number' || exp <= now) throw new ApiError(401, EXP_WORDS);
  if (typeof iat !== 'number' || iat > now) throw new ApiError(401, IAT_WORDS);
  if (exp > now + LONGEST_JWT) throw new ApiError(401, "'Expiration time' claim ('exp') is too far in the future");
}

function decoded(part: string): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    throw new ApiError(401, 'A JSON web token could not be decoded');
  }
}

/** Does the caller see this repository at all? What is public everybody sees. */
export function canSee(caller: Caller, repository: Repository): boolean {
  if (!repository.private) return true;
  if (caller.kind === 'installation') return reaches(caller, repository);
  return caller.kind === 'user' && permissionOf(roleOf(repository, caller.user)) !== 'none';
}

function reaches(caller: Caller & { kind: 'installation' }, repository: Repository): boolean {
  const narrowed = caller.token.repositoryIds;
  return covers(caller.installation, repository) && (!narrowed || narrowed.has(repository.id));
}

const FORBIDDEN = 'Resource not accessible by integration';

/** Throw unless the caller may do this: reading what is public needs nothing, everything else a permission. */
export function demand(caller: Caller, repository: Repository, permission: string, access: 'read' | 'write'): void {
  if (access === 'read' && !repository.private && caller.kind !== 'installation') return;
  if (caller.kind === 'installation') demandOfToken(caller, repository, permission, access);
  else if (caller.kind === 'user') demandOfUser(caller.user, repository, permission, access);
  else throw new ApiError(401, 'Requires authentication');
}

function demandOfToken(
  caller: Caller & { kind: 'installation' },
  repository: Repository,
  permission: string,
  access: 'read' | 'write',
): void {
  if (!reaches(caller, repository)) {
    if (access === 'read' && !repository.private) return;
    throw new ApiError(403, FORBIDDEN);
  }
  const granted = caller.token.permissions[permission];
  if (granted === 'write' || (granted === 'read' && access === 'read')) return;
  throw new ApiError(403, FORBIDDEN, {
    headers: { 'x-accepted-github-permissions': `${permission}=${access}` },
  });
}

function demandOfUser(user: User, repository: Repository, permission: string, access: 'read' | 'write'): void {
  // Everybody who reads a repository may comment on it; only apps write checks.
  const role = permissionOf(roleOf(repository, user));
  const enough = access === 'read' || permission === 'issues' ? role !== 'none' : role === 'write' || role === 'admin';
  if (permission === 'checks' && access === 'write') throw new ApiError(403, 'You must authenticate via a GitHub App.');
  if (!enough) throw new ApiError(403, `Must have push access to ${fullNameOf(repository)}.`);
}

/** The user in whose name a caller acts: an app acts as its bot. */
export function actorOf(hub: Hub, caller: Caller): User {
  if (caller.kind === 'user') return caller.user;
  return hub.app.bot;
}

export function tokenAnswer(token: InstallationToken): object {
  return { token: token.token, expires_at: isoSeconds(token.expiresAt), permissions: token.permissions };
}

export function suspend(hub: Hub, installation: Installation, by: User | undefined): void {
  installation.suspendedAt = by ? timestamp(hub) : undefined;
  installation.suspendedBy = by;
  installation.updatedAt = timestamp(hub);
}
