import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { CookieOptions } from 'hono/utils/cookie';
import { z } from 'zod';
import { loginMessages } from '../core/messages-buttons.ts';
import { formToken, isFormToken, LOGIN_MS, returnPath, SESSION_MS } from '../core/session.ts';
import { EVERYTHING, seesAll } from '../core/sight.ts';
import type { Account } from './html.ts';
import { CALLBACK_PATH, type Login, LoginFailed } from './login.ts';
import { readForm, requireOwnOrigin, smallForm } from './own-form.ts';
import { rateLimit } from './rate-limit.ts';
import { NotFound, Refused, type Site, type SiteContext, type SiteOptions } from './site.ts';

/** Coming and going: /login, the way back from the forge, /logout; and who it is that asks for any other page. */
export function addLogin(site: Site, options: SiteOptions, login: Login | undefined): void {
  const { publicUrl, clock } = options;
  const cookies = cookiesOf(publicUrl);
  const mayFinish = rateLimit(FINISHES, MINUTE_MS, clock);

  site.get('/login', (c) => {
    if (!login) throw new NotFound(loginMessages.off(options.loginOff ?? NO_FORGE));
    const back = returnPath(c.req.query('return'));
    if (c.get('visitor')) return c.redirect(back, 302);
    const { url, kept } = login.begin(back);
    cookies.set(c, 'login', kept, LOGIN_MS);
    return c.redirect(url, 302);
  });
  if (!login) return;
  site.get(CALLBACK_PATH, async (c) => {
    const kept = cookies.get(c, 'login');
    cookies.clear(c, 'login');
    if (!mayFinish(addressOf(c))) throw new Refused(429, loginMessages.tooManyHeading, loginMessages.tooManyLogins);
    const { state, code, error } = c.req.query();
    try {
      const { word, back } = await login.finish(kept, { state, code, error }, c.req.raw.signal);
      const former = c.get('visitor');
      if (former) await login.end(former, c.req.raw.signal).catch(tell(options, c));
      cookies.set(c, 'session', word, SESSION_MS);
      return c.redirect(back, 302);
    } catch (failure) {
      throw refusalOf(failure, options, c);
    }
  });
  site.post('/logout', smallForm, async (c) => {
    requireOwnOrigin(c, publicUrl);
    const visitor = c.get('visitor');
    const { form } = await readForm(c, z.object({ form: z.string().max(200) }));
    if (visitor && !isFormToken(form, visitor.word, LOGOUT))
      throw new Refused(403, loginMessages.oldFormHeading, loginMessages.oldForm);
    // Here it is over whether or not the forge hears of it.
    if (visitor) await login.end(visitor, c.req.raw.signal).catch(tell(options, c));
    cookies.clear(c, 'session');
    return c.redirect('/', 303);
  });
}

const LOGOUT = ['logout'];
const MINUTE_MS = 60_000;
const FINISHES = 30;
const NO_FORGE = 'this bot serves no GitHub App';

/** Before every page: a session that cannot be read just now is nobody's. */
export function addVisitors(site: Site, options: SiteOptions, login: Login | undefined): void {
  if (!login) return;
  const cookies = cookiesOf(options.publicUrl);
  site.use(async (c, next) => {
    const word = WITHOUT_VISITOR.test(c.req.path) ? undefined : cookies.get(c, 'session');
    // A page that keeps itself fresh is not somebody who reads it.
    const isActive = (c.req.header('Sec-Fetch-Mode') ?? 'navigate') === 'navigate';
    if (word !== undefined) c.set('visitor', await login.visitor(word, isActive).catch(tell(options, c)));
    await next();
    const { headers } = c.res;
    const isSent = headers.has('x-hono-already-sent');
    if (c.get('visitor') && !isSent && !headers.has('Cache-Control')) c.header('Cache-Control', 'private, no-store');
  });
}

/** They show nothing of anybody, and answer while the database does not. */
const WITHOUT_VISITOR = /^\/(assets|healthz|readyz|metrics)\b/;

/** What a page knows of who reads it. */
export function accountOf(c: SiteContext, { publicUrl, login, loginOff }: SiteOptions): Account | undefined {
  if (!login) return loginOff === undefined ? undefined : { kind: 'off', why: loginOff };
  const visitor = c.get('visitor');
  if (visitor) {
    const { word, session } = visitor;
    const trouble = c.get('isSightUnknown') ? loginMessages.sightUnknown : undefined;
    const token = (about: readonly string[]) => formToken(word, about);
    return { kind: 'in', login: session.user.login, formToken: token, logout: LOGOUT, trouble };
  }
  const { pathname, search } = new URL(c.req.url);
  const back = returnPath(c.req.method === 'GET' ? pathname + search : '/');
  // By the public address: the forge sends people there, and the cookie has to be of the same host.
  const url = new URL('/login', publicUrl);
  if (back !== '/') url.searchParams.set('return', back);
  return { kind: 'out', loginUrl: url.href, isMoreBehind: !seesAll(c.get('sight') ?? EVERYTHING) };
}

function refusalOf(failure: unknown, options: SiteOptions, c: SiteContext): unknown {
  if (!(failure instanceof LoginFailed)) return failure;
  if (failure.kind === 'setup') tell(options, c)(failure);
  const words = failure.kind === 'other-browser' ? loginMessages.otherBrowser : loginMessages[failure.kind];
  return new Refused(failure.kind === 'away' ? 503 : 400, loginMessages.failedHeading, words);
}

const tell =
  ({ onError }: SiteOptions, c: SiteContext) =>
  (error: unknown): undefined =>
    onError?.(error, c.req.path) as undefined;

/** Of the connection: whoever is behind one proxy is limited together. */
const addressOf = (c: SiteContext): string => c.env?.incoming?.socket?.remoteAddress ?? '';

type CookieName = 'session' | 'login';

/** Behind TLS they carry `__Host-`: set by this very host, over TLS, for all of its paths (RFC 6265bis). */
function cookiesOf(publicUrl: string) {
  const secure = new URL(publicUrl).protocol === 'https:';
  const prefix = secure ? 'host' : undefined;
  const options: CookieOptions = { path: '/', httpOnly: true, sameSite: 'Lax', secure, ...(prefix && { prefix }) };
  const name = (cookie: CookieName) => `rcb-${cookie}`;
  return {
    get: (c: SiteContext, cookie: CookieName) => getCookie(c, name(cookie), prefix),
    set: (c: SiteContext, cookie: CookieName, value: string, ms: number) =>
      setCookie(c, name(cookie), value, { ...options, maxAge: ms / 1000 }),
    clear: (c: SiteContext, cookie: CookieName) => deleteCookie(c, name(cookie), options),
  };
}
