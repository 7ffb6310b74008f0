import { randomBytes } from 'node:crypto';
import type { NewEvent } from '../../src/core/event.ts';
import { type Keyring, keyringOf } from '../../src/core/secret-box.ts';
import type { Session } from '../../src/core/session.ts';
import { challengeOf } from '../../src/core/session.ts';
import { type ForgeLogin, LoginError, type UserTokens } from '../../src/forge/forge-login.ts';
import type { Reader } from '../../src/site/reader.ts';
import type { SiteOptions } from '../../src/site/routes.ts';
import type { Sessions } from '../../src/site/sessions.ts';
import { memoryReader, NOW, siteOf } from './site-fakes.ts';

/** Stand-ins for tests of logins: a forge that hands out codes, sessions in memory, a site whose clock can be set. */

const HOUR = 3_600_000;

export class MemoryForge implements ForgeLogin {
  user = { id: '5', login: 'lizmat' };
  readonly calls: string[] = [];
  /** By the verb that fails next. */
  failures: Partial<Record<'exchange' | 'refresh' | 'userOf' | 'repositoriesOf' | 'revoke', LoginError['kind']>> = {};
  /** What the user may read, by the installation that gives it. */
  repositories: Record<string, string[]> = {};
  /** Before each answer about repositories. */
  meanwhile = async (): Promise<void> => {};
  readonly #clock: () => Date;
  readonly #codes = new Map<string, { challenge: string; redirectUrl: string }>();
  readonly #tokens = new Set<string>();
  #serial = 0;

  constructor(clock: () => Date) {
    this.#clock = clock;
  }

  authorizeUrl({ state, challenge, redirectUrl }: Parameters<ForgeLogin['authorizeUrl']>[0]): string {
    const code = `code${++this.#serial}`;
    this.#codes.set(code, { challenge, redirectUrl });
    return `https://github.example/login/oauth/authorize?${new URLSearchParams({ state, code, redirectUrl })}`;
  }

  async exchange({ code, verifier, redirectUrl }: Parameters<ForgeLogin['exchange']>[0]): Promise<UserTokens> {
    this.#called('exchange');
    const known = this.#codes.get(code);
    this.#codes.delete(code);
    if (known?.challenge !== challengeOf(verifier) || known.redirectUrl !== redirectUrl)
      throw new LoginError('refused', 'bad_verification_code');
    return this.#newTokens();
  }

  async refresh({ refresh }: UserTokens): Promise<UserTokens> {
    this.#called('refresh');
    if (!this.#tokens.delete(refresh!)) throw new LoginError('refused', 'bad_refresh_token');
    return this.#newTokens();
  }

  async userOf({ access }: UserTokens) {
    this.#called('userOf');
    if (!this.#tokens.has(access)) throw new LoginError('refused', '401');
    return this.user;
  }

  async repositoriesOf({ access }: UserTokens, installations: readonly string[]) {
    this.#called('repositoriesOf');
    await this.meanwhile();
    if (!this.#tokens.has(access)) throw new LoginError('refused', '401');
    return installations.flatMap((installation) => this.repositories[installation] ?? []);
  }

  async revoke({ access }: UserTokens): Promise<void> {
    this.#called('revoke');
    this.#tokens.delete(access);
  }

  /** The user takes back what he has agreed to. */
  forget(): void {
    this.#tokens.clear();
  }

  #newTokens(): UserTokens {
    const [access, refresh] = [`ghu_${++this.#serial}`, `ghr_${this.#serial}`];
    this.#tokens.add(access).add(refresh);
    return { access, refresh, accessUntil: new Date(this.#clock().getTime() + 8 * HOUR).toISOString() };
  }

  #called(verb: keyof MemoryForge['failures']): void {
    this.calls.push(verb);
    const kind = this.failures[verb];
    if (kind) throw new LoginError(kind, `${verb}: ${kind}`);
  }
}

export function memorySessions(): Sessions & { rows: Map<string, Session> } {
  const rows = new Map<string, Session>();
  const change = (id: string, fields: Partial<Session>) => {
    const row = rows.get(id);
    if (row) rows.set(id, { ...row, ...fields });
    return row !== undefined;
  };
  return {
    rows,
    find: async (id) => rows.get(id),
    add: async (session) => void rows.set(session.id, session),
    touch: async (id, usedAt) => void change(id, { usedAt }),
    replaceTokens: async (id, from, to) => rows.get(id)?.tokens === from && change(id, { tokens: to }),
    remove: async (id) => void rows.delete(id),
  };
}

export const KEYS = ['a session key of thirty-two characters', 'the session key of the year before this'];

export interface LoginWorld extends ReturnType<typeof siteOf> {
  forge: MemoryForge;
  sessions: ReturnType<typeof memorySessions>;
  pressed: NewEvent[];
  /** Later by so many milliseconds. */
  pass(ms: number): void;
  now(): Date;
}

export function loginWorld(
  reader: Reader = memoryReader([]),
  change: Partial<SiteOptions> & { keyring?: Keyring; sessions?: ReturnType<typeof memorySessions> } = {},
): LoginWorld {
  const { keyring = keyringOf(KEYS), sessions = memorySessions(), ...options } = change;
  let at = NOW.getTime();
  const now = () => new Date(at);
  const forge = new MemoryForge(now);
  const pressed: NewEvent[] = [];
  const world = siteOf(reader, {
    clock: { now },
    login: { forge, sessions, keyring, randomBytes },
    press: async (event) => void pressed.push(event),
    ...options,
  });
  const pass = (ms: number) => {
    at += ms;
  };
  return { ...world, forge, sessions, pressed, pass, now };
}

/** What a browser keeps of the answers of a site. */
export class Jar {
  readonly cookies = new Map<string, string>();

  take(response: Response): Response {
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      if (/max-age=0\b/i.test(line)) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }

  get headers(): Record<string, string> {
    return { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
  }
}

/** To the forge and back; answers the callback's response. */
export async function logIn(
  world: LoginWorld,
  jar = new Jar(),
  back = '/runs',
): Promise<{ jar: Jar; response: Response }> {
  const away = jar.take(await world.get(`/login?return=${encodeURIComponent(back)}`, { headers: jar.headers }));
  const response = jar.take(await world.get(callbackOf(away), { headers: jar.headers }));
  return { jar, response };
}

/** Where the forge sends the browser back to. */
export function callbackOf(away: Response): string {
  const { searchParams } = new URL(away.headers.get('location')!);
  const query = new URLSearchParams({ code: searchParams.get('code')!, state: searchParams.get('state')! });
  return `/login/callback?${query}`;
}
