import { createHash, randomBytes } from 'node:crypto';
import { Hono } from 'hono';
import { html } from 'hono/html';
import { z } from 'zod';
import type { Hub } from './hub.ts';
import { page, pageHeaders } from './pages.ts';
import { type Clock, permissionOf, roleOf, type User } from './state.ts';

/** The user authorisation of a GitHub App (docs.github.com, "Generating a user access token for a GitHub App"). */

interface Code {
  user: User;
  redirectUri: string;
  challenge?: string;
  until: number;
}

interface Grant {
  user: User;
  access: string;
  accessUntil: number;
  refresh: string;
  refreshUntil: number;
}

const CODE_LIFE = 10 * 60_000;
const ACCESS_LIFE = 8 * 3_600_000;
const REFRESH_LIFE = 184 * 24 * 3_600_000;

/** What was given out. */
export class OAuth {
  readonly clientId = `Iv23${randomBytes(8).toString('hex')}`;
  readonly clientSecret = randomBytes(20).toString('hex');
  /** As registered with the App; absent: any. */
  callbackUrl?: string;
  /** Who sits before the browser, and has agreed before; absent: the page asks. */
  signedIn?: User;
  readonly #clock: Clock;
  readonly #codes = new Map<string, Code>();
  #grants: Grant[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  newCode(user: User, redirectUri: string, challenge: string | undefined): string {
    const code = randomBytes(10).toString('hex');
    this.#codes.set(code, { user, redirectUri, challenge, until: this.#now() + CODE_LIFE });
    return code;
  }

  /** Good once. */
  redeem(code: string, redirectUri: string | undefined, verifier: string | undefined): Grant | string {
    const known = this.#codes.get(code);
    this.#codes.delete(code);
    if (!known || known.until <= this.#now()) return 'bad_verification_code';
    if (redirectUri !== undefined && redirectUri !== known.redirectUri) return 'redirect_uri_mismatch';
    const shown = verifier && createHash('sha256').update(verifier).digest('base64url');
    if (known.challenge !== undefined && shown !== known.challenge) return 'bad_verification_code';
    return this.grant(known.user);
  }

  /** Both tokens are void afterwards. */
  renew(refresh: string): Grant | string {
    const known = this.#grants.find((grant) => grant.refresh === refresh && grant.refreshUntil > this.#now());
    if (!known) return 'bad_refresh_token';
    this.#grants = this.#grants.filter((grant) => grant !== known);
    return this.grant(known.user);
  }

  userOf(access: string): User | undefined {
    return this.#grants.find((grant) => grant.access === access && grant.accessUntil > this.#now())?.user;
  }

  revoke(access: string): boolean {
    const before = this.#grants.length;
    this.#grants = this.#grants.filter((grant) => grant.access !== access);
    return this.#grants.length < before;
  }

  /** The user takes back what he has agreed to, in his settings. */
  revokeAllOf(user: User): void {
    this.#grants = this.#grants.filter((grant) => grant.user !== user);
  }

  countOf(user: User): number {
    return this.#grants.filter((grant) => grant.user === user).length;
  }

  grant(user: User): Grant {
    const now = this.#now();
    const access = `ghu_${randomBytes(18).toString('hex')}`;
    const refresh = `ghr_${randomBytes(38).toString('hex')}`;
    const grant = { user, access, accessUntil: now + ACCESS_LIFE, refresh, refreshUntil: now + REFRESH_LIFE };
    this.#grants.push(grant);
    return grant;
  }

  #now(): number {
    return this.#clock.now().getTime();
  }
}

const tokenRequest = z.object({
  client_id: z.string(),
  client_secret: z.string(),
  code: z.string().optional(),
  redirect_uri: z.string().optional(),
  code_verifier: z.string().optional(),
  grant_type: z.string().optional(),
  refresh_token: z.string().optional(),
});

export function createOAuth(hub: Hub): Hono {
  const routes = new Hono();
  routes.get('/login/oauth/authorize', (c) => {
    const asked = c.req.query();
    const { client_id, redirect_uri = hub.oauth.callbackUrl ?? '', state = '', code_challenge } = asked;
    if (client_id !== hub.oauth.clientId || !URL.canParse(redirect_uri)) return c.notFound();
    const back = (answer: Record<string, string>) => withQuery(redirect_uri, { ...answer, state });
    if (hub.oauth.callbackUrl !== undefined && redirect_uri !== hub.oauth.callbackUrl)
      return c.redirect(withQuery(hub.oauth.callbackUrl, { error: 'redirect_uri_mismatch', state }));
    const chosen = asked['stand_in_user'];
    const user = chosen === undefined ? hub.oauth.signedIn : hub.state.users.get(chosen.toLowerCase());
    if (user) return c.redirect(back({ code: hub.oauth.newCode(user, redirect_uri, code_challenge) }));
    pageHeaders(c);
    const self = (login: string) =>
      withQuery(`${hub.origin}/login/oauth/authorize`, { ...asked, stand_in_user: login });
    return c.html(whoPage(hub, self, back({ error: 'access_denied' })));
  });
  routes.post('/login/oauth/access_token', async (c) => {
    const isJson = c.req.header('content-type')?.includes('json');
    const parsed = tokenRequest.safeParse(isJson ? await c.req.json().catch(() => ({})) : await c.req.parseBody());
    const answer = parsed.success ? grantFor(hub, parsed.data) : 'incorrect_client_credentials';
    if (typeof answer === 'string') return c.json({ error: answer, error_description: `${answer}.`, error_uri: '' });
    return c.json({
      access_token: answer.access,
      expires_in: ACCESS_LIFE / 1000,
      refresh_token: answer.refresh,
      refresh_token_expires_in: REFRESH_LIFE / 1000,
      scope: '',
      token_type: 'bearer',
    });
  });
  routes.delete('/applications/:client/token', async (c) => {
    const credentials = Buffer.from(`${hub.oauth.clientId}:${hub.oauth.clientSecret}`).toString('base64');
    if (c.req.header('authorization')?.replace(/^basic /i, '') !== credentials)
      return c.json({ message: 'Bad credentials' }, 401);
    const { access_token } = await c.req.json<{ access_token: string }>();
    return hub.oauth.revoke(access_token) ? c.body(null, 204) : c.json({ message: 'Not Found' }, 404);
  });
  return routes;
}

function grantFor({ oauth }: Hub, asked: z.infer<typeof tokenRequest>): Grant | string {
  if (asked.client_id !== oauth.clientId || asked.client_secret !== oauth.clientSecret)
    return 'incorrect_client_credentials';
  if (asked.grant_type === 'refresh_token') return oauth.renew(asked.refresh_token ?? '');
  return oauth.redeem(asked.code ?? '', asked.redirect_uri, asked.code_verifier);
}

function withQuery(address: string, query: Record<string, string>): string {
  const url = new URL(address);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

/** The real page asks for a password; here everybody is whom he likes. */
function whoPage(hub: Hub, self: (login: string) => string, cancel: string) {
  const people = [...hub.state.users.values()].filter(({ type }) => type === 'User');
  const may = (user: User) =>
    [...hub.state.repositories.values()]
      .filter((one) => one.roles.has(user.id))
      .map((one) => {
        return `${permissionOf(roleOf(one, user))} in ${one.owner.login}/${one.name}`;
      });
  return page(
    `Log in to ${hub.app.name}`,
    html`<p>${hub.app.name} asks who you are. On the real GitHub you would log in; here you choose.</p>
<ul>${people.map(
      (user) =>
        html`<li><a href="${self(user.login)}">${user.login}</a> <span class="note">${may(user).join(', ') || 'reads what is public'}</span></li>`,
    )}</ul>
<p><a href="${cancel}">Cancel</a></p>`,
  );
}
