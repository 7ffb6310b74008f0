import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { loadAssets } from '../../src/site/assets.ts';
import { isAllowedHost, isOwnForm } from './own-form.ts';
import { mistakePage, playPage } from './play-page.ts';
import type { Playground } from './playground.ts';
import { changeKinds } from './rocket.ts';

/** The page on which a visitor of the demo does what people do on GitHub. Forms and redirects; no script is needed. */

export interface PlayOptions {
  /** 0: any free one. */
  port: number;
  playground: Playground;
  /** RCB's own site, no slash at the end. */
  siteUrl: string;
}

export interface Play {
  url: string;
  stop(): Promise<void>;
}

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  // Not "no-referrer": with that, browsers send forms with the origin "null".
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const LARGEST_FORM = 64 * 1024;

export async function startPlay(options: PlayOptions): Promise<Play> {
  const listener = getRequestListener(createPlay(options).fetch, { overrideGlobalObjects: false });
  const server = createServer(listener);
  await new Promise<void>((done, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', done);
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

function createPlay({ playground, siteUrl }: PlayOptions): Hono {
  const app = new Hono();
  const assets = loadAssets();
  const own = { '/play.css': asset('play.css', 'text/css; charset=utf-8') };
  const look = {
    styles: [assets['site.css'].path, '/play.css'],
    script: assets['site.js'].path,
    icon: assets['icon.svg'].path,
    siteUrl,
  };
  app.use(async (c, next) => {
    if (!isAllowedHost(c.req.header('Host'))) return c.text('This page answers to localhost only.', 403);
    if (c.req.method === 'POST' && !isOwnForm(c.req)) return c.text("Only this page's own forms are taken.", 403);
    await next();
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
  });
  app.use(bodyLimit({ maxSize: LARGEST_FORM, onError: (c) => refuse(c, 'The form holds too much text.') }));
  app.onError((error, c) => {
    // What a form asked for and cannot be done; anything else is a mistake of ours, and node prints it.
    if (error instanceof RangeError) return refuse(c, error.message);
    console.error(error);
    return c.html(mistakePage(look, `The demo failed: ${error.message}`).toString(), 500);
  });
  const refuse = (c: Context, words: string) => c.html(mistakePage(look, words).toString(), 400);

  for (const { path, type, body } of [...Object.values(assets), ...Object.values(own)]) {
    app.get(path, (c) => c.body(body, 200, { 'Content-Type': type }));
  }
  app.get('/', async (c) => c.html((await playPage(look, playground)).toString()));
  for (const [path, act] of Object.entries(actions)) {
    app.post(path, async (c) => {
      const parsed = await act(await c.req.parseBody(), playground);
      return typeof parsed === 'string' ? c.redirect(`/#${parsed}`, 303) : refuse(c, parsed.wrong);
    });
  }
  app.notFound((c) => c.html(mistakePage(look, 'There is no such page here.').toString(), 404));
  return app;
}

function asset(name: string, type: string) {
  return { path: `/${name}`, type, body: readFileSync(new URL(name, import.meta.url)) };
}

/** Answers the id on the page where what was done can be seen. */
type Action = (form: unknown, playground: Playground) => Promise<string | { wrong: string }>;

const number = z.coerce.number().int().min(1).max(1e9);
const line = (what: string) =>
  z
    .string()
    .transform((text) => text.replace(/\s+/g, ' ').trim())
    .pipe(z.string().min(1, `${what} is empty`).max(200, `${what} is longer than 200 characters`));

function action<T>(schema: z.ZodType<T>, act: (form: T, playground: Playground) => Promise<string>): Action {
  return async (form, playground) => {
    const parsed = schema.safeParse(form);
    if (parsed.success) return act(parsed.data, playground);
    return { wrong: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ') };
  };
}

const actions: Record<string, Action> = {
  '/open': action(
    z.object({ title: line('The title'), kind: z.enum([...changeKinds, 'fork']) }),
    async ({ title, kind }, playground) => `pull-${(await playground.open(kind, title)).number}`,
  ),
  '/push': action(z.object({ number, kind: z.enum(changeKinds) }), async ({ number, kind }, playground) => {
    await playground.push(number, kind, `One more commit (${kind})`);
    return `pull-${number}`;
  }),
  '/comment': action(
    z.object({ number, text: z.string().trim().min(1, 'The comment is empty').max(5_000, 'The comment is too long') }),
    async ({ number, text }, playground) => {
      await playground.comment(number, text);
      return `pull-${number}`;
    },
  ),
  '/close': action(z.object({ number }), async ({ number }, playground) => {
    await playground.close(number);
    return 'closed';
  }),
  '/commit': action(
    z.object({ message: line('The message'), kind: z.enum(changeKinds) }),
    async ({ message, kind }, playground) => {
      await playground.commitToMain(kind, message);
      return 'main-branch';
    },
  ),
};
