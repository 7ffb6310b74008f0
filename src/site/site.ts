import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import type { Archive } from '../archive/archive.ts';
import type { Clock } from '../clock.ts';
import type { KnownFlapper } from '../core/flapper.ts';
import type { KnownLimits } from '../core/messages-ledger.ts';
import type { Html, PageContext } from './html.ts';
import type { BackendState, Health } from './pages/service.ts';
import type { Reader } from './reader.ts';

/** What the files of routes share: the site's parts, its headers, and how it answers. */
export interface SiteOptions {
  reader: Reader;
  archive: Pick<Archive, 'get' | 'stat' | 'readLog'>;
  /** Where others reach us, for the absolute URLs of the JSON. */
  publicUrl: string;
  /** GitHub's pages, e.g. `https://github.com`. */
  githubUrl: string;
  version: string;
  health(): Promise<Health>;
  /** Prometheus' text format; absent: `/metrics` is a 404. */
  metrics?(): Promise<string>;
  clock: Clock;
  /** The list of rcb.yaml and its preset; absent: none. */
  knownFlappers?: readonly KnownFlapper[];
  demoUrl?: string;
  /** Shown beside what waits because of them. */
  limits?: KnownLimits;
  backends(): Promise<BackendState[]>;
  /** Told of every fault that a reader saw as a 5xx or as a download that broke off. */
  onError?(error: unknown, path: string): void;
}

/** Streams are written to node's response itself: serve it by `siteHandler`. */
export type Site = Hono<{ Bindings: HttpBindings }>;
export type SiteContext = Context<{ Bindings: HttpBindings }>;

const PAGE_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const FOR_EVER = 'public, max-age=31536000, immutable';

/** On every answer that does not say otherwise. */
export const SAFETY = {
  'Content-Security-Policy': PAGE_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

/** Made anew for each request: it knows what time it is. */
export type Show = () => PageContext;

export const respond = (c: SiteContext, page: Html, status: 200 | 400 | 404 | 410 | 500 | 503 = 200) =>
  c.html(page.toString(), status);

/** Something that the address names and we do not have. */
export class NotFound extends Error {
  readonly isGone: boolean;
  constructor(message: string, isGone = false) {
    super(message);
    this.isGone = isGone;
  }
}

/** Ids are short words; what cannot be one is not looked up (PostgreSQL refuses NUL, for instance). */
export function rowId(text: string | undefined): string {
  if (text !== undefined && /^[\w-]{1,64}$/.test(text)) return text;
  throw new NotFound('The address does not name anything here: check that it was copied whole.');
}
