import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import type { Archive } from '../archive/archive.ts';
import type { Clock } from '../clock.ts';
import type { ArchiveQuery } from '../core/archive-key.ts';
import type { NewEvent } from '../core/event.ts';
import type { KnownFlapper } from '../core/flapper.ts';
import type { KnownLimits } from '../core/messages-ledger.ts';
import type { Sight } from '../core/sight.ts';
import type { Stack } from '../core/stack.ts';
import type { Html, PageContext } from './html.ts';
import type { LiveOptions } from './live.ts';
import type { LoginOptions, Visitor } from './login.ts';
import type { BackendState, Health } from './pages/service.ts';
import type { Reader, Readers } from './reader.ts';

/** What the files of routes share: the site's parts, its headers, and how it answers. */
export interface SiteOptions {
  readers: Readers;
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
  /** Repositories that are tested together: each stack has a page. */
  stacks?: readonly Pick<Stack, 'name' | 'repositories'>[];
  /** How lists are followed; tests hurry. */
  live?: Pick<LiveOptions, 'pollMs' | 'heartbeatMs' | 'maxReaders'>;
  backends(): Promise<BackendState[]>;
  /** Whether an address was signed for those who cannot log in, agents of back-ends. */
  isArchiveKey?(sha256: string, query: ArchiveQuery): boolean;
  /** Absent: nobody can log in; `loginOff` says why, where there is a forge. */
  login?: LoginOptions;
  loginOff?: string;
  /** Stores what a button tells; committed when it resolves. */
  press?(told: NewEvent): Promise<unknown>;
  /** Told of every fault that a reader saw as a 5xx or as a download that broke off. */
  onError?(error: unknown, path: string): void;
}

interface SiteEnv {
  Bindings: HttpBindings;
  Variables: {
    /** Who is logged in, if anybody. */
    visitor?: Visitor;
    /** What he may see; absent: that was not found out. */
    sight?: Sight;
    /** The forge could not be asked what he may see. */
    isSightUnknown?: boolean;
    /** Reads what he may see. */
    reader: Reader;
    /** Reads what everybody may see. */
    everybody: Reader;
  };
}

/** Streams are written to node's response itself: serve it by `siteHandler`. */
export type Site = Hono<SiteEnv>;
export type SiteContext = Context<SiteEnv>;

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
  // Others learn nothing by it. With "no-referrer" browsers would send our own forms with the origin "null".
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

/** Made anew for each request: it knows what time it is, and who asks. */
export type Show = (c: SiteContext) => PageContext;

export type PageStatus = 200 | 400 | 403 | 404 | 410 | 413 | 429 | 500 | 503;

export const respond = (c: SiteContext, page: Html, status: PageStatus = 200) => c.html(page.toString(), status);

/** What was asked is not done; the words say why, and what the reader can do. */
export class Refused extends Error {
  readonly status: Exclude<PageStatus, 200>;
  readonly heading: string;
  constructor(status: Refused['status'], heading: string, message: string) {
    super(message);
    this.status = status;
    this.heading = heading;
  }
}

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
