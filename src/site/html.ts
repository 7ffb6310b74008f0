import { html, raw } from 'hono/html';
import { loginMessages } from '../core/messages-buttons.ts';
import type { Progress, RunState, RunVerdict, Verdict } from '../core/model.ts';
import type { Forge } from './links.ts';

/** Markup whose foreign parts are escaped already. Only `html` and the constants of this file make it. */
export type Html = ReturnType<typeof raw>;

/** What each page needs besides its own rows. */
export interface PageContext {
  now: Date;
  version: string;
  demoUrl?: string;
  /** Absent: there is no forge to log in at. */
  account?: Account;
  hasStacks: boolean;
  forge: Forge;
  asset(name: 'site.css' | 'site.js' | 'log.js' | 'runs.js' | 'icon.svg'): string;
}

/** Who reads the page. `logout`: what the token of that form is made of. `trouble`: why he may see less than he should.
 *  `isMoreBehind`: there are private repositories, which somebody who is logged in may see. */
export type Account =
  | {
      kind: 'in';
      login: string;
      logout: readonly string[];
      formToken(about: readonly string[]): string;
      trouble?: string;
    }
  | { kind: 'out'; loginUrl: string; isMoreBehind: boolean }
  | { kind: 'off'; why: string };

export interface PageOptions {
  title: string;
  /** Which entry of the navigation is the current one. */
  section?: 'runs' | 'stacks' | 'flappers' | 'ledger' | 'service';
  /** Seconds; for readers without JavaScript. */
  refresh?: number;
  scripts?: ('site.js' | 'log.js' | 'runs.js')[];
  /** What a chat shows of a link to this page. */
  description?: string;
  body: Html;
}

export function page(context: PageContext, options: PageOptions): Html {
  const link = (section: PageOptions['section'], href: string, words: string) =>
    fragment`<a class="tab" href="${href}"${section === options.section ? raw(' aria-current="page"') : ''}>${words}</a>`;
  return fragment`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${options.title} · RCB</title>
${options.description === undefined ? '' : preview(options.title, options.description)}
<link rel="stylesheet" href="${context.asset('site.css')}">
<link rel="icon" type="image/svg+xml" href="${context.asset('icon.svg')}">
<link rel="alternate" type="application/atom+xml" href="/feed.atom" title="Failures on default branches">
${options.refresh ? fragment`<noscript><meta http-equiv="refresh" content="${options.refresh}"></noscript>` : ''}
${(options.scripts ?? ['site.js']).map((name) => fragment`<script src="${context.asset(name)}" defer></script>`)}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top"><div class="wide">
<a class="brand" href="/">${icon('brand')}RCB</a>
<nav aria-label="Site">
${link('runs', '/runs', 'Runs')}
${context.hasStacks ? link('stacks', '/stacks', 'Stack') : ''}
${link('flappers', '/flappers', 'Flappers')}
${link('ledger', '/ledger', 'Ledger')}
${link('service', '/service', 'Service')}
${context.demoUrl ? fragment`<a class="tab" href="${context.demoUrl}">Demo</a>` : ''}
</nav>
${accountCorner(context.account)}
</div></header>
<main id="main" class="wide" tabindex="-1">
${context.account?.kind === 'in' && context.account.trouble ? troubleLine(context.account.trouble) : ''}${options.body}
</main>
<footer class="wide"><span>RCB ${context.version}</span><span>Times are UTC</span><a href="/api/runs">JSON</a></footer>
</body>
</html>`;
}

const troubleLine = (trouble: string): Html => fragment`<div class="notice" role="status"><p>${trouble}</p></div>\n`;

function accountCorner(account: Account | undefined): Html {
  if (account?.kind === 'out')
    return fragment`<p class="account"><a href="${account.loginUrl}" rel="nofollow">${loginMessages.logIn}</a></p>`;
  if (account?.kind !== 'in') return fragment``;
  const form = account.formToken(account.logout);
  return fragment`<form class="account" method="post" action="/logout"><span>${foreign(account.login)}</span><input type="hidden" name="form" value="${form}"><button type="submit">${loginMessages.logOut}</button></form>`;
}

/** OpenGraph: chats and forges show it below a link. */
const preview = (title: string, description: string): Html =>
  fragment`<meta name="description" content="${description}">
<meta property="og:site_name" content="RCB">
<meta property="og:type" content="website">
<meta property="og:title" content="${title}">
<meta property="og:description" content="${description}">`;

/** `html` without its promise: nothing here interpolates one. */
export function fragment(strings: TemplateStringsArray, ...values: unknown[]): Html {
  return html(strings, ...values) as Html;
}

/** Many pieces at once, without the cost of a template. */
export const joined = (pieces: Html[]): Html => raw(pieces.join(''));

const PATHS = {
  check: '<path d="M3 8.5 6.5 12 13 4.5"/>',
  cross: '<path d="m4 4 8 8m0-8-8 8"/>',
  warning: '<path d="M8 2 1.5 13.5h13L8 2Zm0 4.5v3.2m0 1.9v.1"/>',
  slash: '<circle cx="8" cy="8" r="5.8"/><path d="m4 12 8-8"/>',
  replaced: '<path d="M2.5 11.5v-3a3 3 0 0 1 3-3h7.5m-3-3 3 3-3 3"/>',
  pause: '<circle cx="8" cy="8" r="5.8"/><path d="M6.5 6v4m3-4v4"/>',
  queued: '<circle cx="8" cy="8" r="5.8" stroke-dasharray="2 2.5"/>',
  running: '<circle cx="8" cy="8" r="5.8" opacity=".3"/><path d="M8 2.2A5.8 5.8 0 0 1 13.8 8"/>',
  download: '<path d="M8 2v8m-3.2-3L8 10.2 11.2 7M3 13.5h10"/>',
  brand:
    '<circle cx="3.8" cy="8" r="2"/><circle cx="12.2" cy="3.8" r="2"/><circle cx="12.2" cy="12.2" r="2"/><path d="m5.6 7.1 4.8-2.4M5.6 8.9l4.8 2.4"/>',
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): Html {
  return raw(
    `<svg class="icon icon-${name}" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">${PATHS[name]}</svg>`,
  );
}

export type StateWord =
  | Exclude<RunState | Progress, 'finished'>
  | RunVerdict
  | 'nothing to run'
  | 'pending'
  | 'done'
  | 'parked'
  | 'merged'
  | 'not merged'
  | 'to be asked again'
  | 'taken back';

const SIGNS: Record<StateWord, { icon: IconName; tone: 'good' | 'bad' | 'warn' | 'live' | 'quiet' }> = {
  passed: { icon: 'check', tone: 'good' },
  failed: { icon: 'cross', tone: 'bad' },
  error: { icon: 'warning', tone: 'warn' },
  cancelled: { icon: 'slash', tone: 'quiet' },
  superseded: { icon: 'replaced', tone: 'quiet' },
  waiting: { icon: 'pause', tone: 'warn' },
  resolving: { icon: 'running', tone: 'live' },
  packing: { icon: 'running', tone: 'live' },
  building: { icon: 'running', tone: 'live' },
  running: { icon: 'running', tone: 'live' },
  queued: { icon: 'queued', tone: 'quiet' },
  pending: { icon: 'queued', tone: 'quiet' },
  'nothing to run': { icon: 'slash', tone: 'quiet' },
  done: { icon: 'check', tone: 'quiet' },
  parked: { icon: 'warning', tone: 'warn' },
  merged: { icon: 'check', tone: 'good' },
  'not merged': { icon: 'cross', tone: 'bad' },
  'to be asked again': { icon: 'warning', tone: 'warn' },
  'taken back': { icon: 'slash', tone: 'quiet' },
};

const isStateWord = (word: string): word is StateWord => Object.hasOwn(SIGNS, word);

/** A verdict or state as symbol and word: the colour only repeats what they say. */
export function badge(word: string, options: { size?: 'large'; count?: number } = {}): Html {
  const sign = isStateWord(word) ? SIGNS[word] : ({ icon: 'warning', tone: 'warn' } as const);
  const count = options.count === undefined ? '' : fragment`<span class="count">${options.count}</span> `;
  return fragment`<span class="badge tone-${sign.tone}${options.size ? ' badge-large' : ''}">${icon(sign.icon)}<span>${count}${word}</span></span>`;
}

/** Of a state or verdict, for what is too narrow for a badge. The word has to be beside it, or in its title. */
export const toneOf = (word: string) => (isStateWord(word) ? SIGNS[word].tone : 'warn');
export const verdictIcon = (word: string): Html => icon(isStateWord(word) ? SIGNS[word].icon : 'warning');

/** What ended without a verdict had nothing to run: that is neither a pass nor a failure. */
export const stateOf = (row: { state: string; verdict?: Verdict | RunVerdict }): string =>
  row.verdict ?? (row.state === 'finished' ? 'nothing to run' : row.state);

/** `3 minutes ago`, with the exact time for whoever points at it. */
export function timeAgo(at: Date | undefined, now: Date): Html {
  if (!at) return fragment`<span class="quiet">–</span>`;
  return fragment`<time datetime="${at.toISOString()}" title="${exactTime(at)}">${relativeTime(at, now)}</time>`;
}

export const exactTime = (at: Date): string => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'always' });

export function relativeTime(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 5 ? 'just now' : RELATIVE.format(Math.trunc(seconds), 'second');
}

/** `1 h 05 min`, `4 min 09 s`, `12 s`, `0.3 s`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** From start to end, or to now while it goes on; a dash before it started. */
export function duration(from: Date | undefined, to: Date | undefined, now: Date): Html {
  if (!from) return fragment`<span class="quiet">–</span>`;
  return fragment`<span class="number">${durationText((to ?? now).getTime() - from.getTime())}</span>`;
}

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Decimal units, as release pages show them; the exact number is for whoever points at it. */
export function size(bytes: number): Html {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < SIZES.length - 1) {
    value /= 1000;
    unit++;
  }
  const text = unit === 0 || value >= 99.95 ? String(Math.round(value)) : value.toFixed(1);
  return fragment`<span class="number" title="${number(bytes)} bytes">${text} ${SIZES[unit]!}</span>`;
}

const GROUPED = new Intl.NumberFormat('en');
export const number = (value: number): string => GROUPED.format(value);

/** A commit or digest: short to see, whole to point at. */
export function shortSha(sha: string, href?: string, length = 10): Html {
  const text = fragment`<code title="${sha}">${sha.slice(0, length)}</code>`;
  return href ? fragment`<a href="${href}">${text}</a>` : text;
}

/** Foreign text among ours: it may be written right to left, and must not turn what surrounds it. */
export const foreign = (text: string): Html => fragment`<bdi>${text}</bdi>`;

/** A sentence in which a pair of backquotes means code. */
export const coded = (text: string): Html =>
  joined(
    text
      .split(/(`[^`]+`)/)
      .map((piece) => (/^`[^`]+`$/.test(piece) ? fragment`<code>${piece.slice(1, -1)}</code>` : fragment`${piece}`)),
  );

/** The words for why something ended or waits; loud only where a person has to do something. */
export function whyLine(words: string | undefined, state: string): Html {
  if (!words) return fragment``;
  const tone = isStateWord(state) ? SIGNS[state].tone : 'warn';
  return fragment`<p class="why${tone === 'bad' ? '' : tone === 'warn' ? ' tone-warn' : ' tone-quiet'}"><bdi>${coded(words)}</bdi></p>`;
}

export const maybeLink = (href: string | undefined, words: unknown): Html =>
  href ? fragment`<a href="${href}">${words}</a>` : fragment`${words}`;

export function emptyState(heading: string, words: Html | string): Html {
  return fragment`<div class="empty"><p class="empty-heading">${heading}</p><p>${words}</p></div>`;
}

/** A table that turns into labelled blocks on a phone. Each cell names its column once more for that. */
export function table(caption: string, columns: string[], rows: unknown[][]): Html {
  return fragment`<table class="rows"><caption class="hidden">${caption}</caption>
<thead><tr>${columns.map((column) => fragment`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${rows.map(
    (cells) =>
      fragment`<tr>${cells.map((cell, i) => fragment`<td data-label="${columns[i] ?? ''}"><div>${cell}</div></td>`)}</tr>`,
  )}</tbody></table>`;
}
