import { z } from 'zod';

/** What the address bar may say, page by page. A form sends empty fields: they count as absent. */
export const absentWhenEmpty = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional());

/** What a person writes: blanks around it mean nothing. */
const absentWhenBlank = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (typeof value === 'string' ? value.trim() || undefined : value), schema.optional());

export const positive = (what: string, max: number) =>
  z.coerce
    .number(`${what} must be a number`)
    .int(`${what} must be a whole number`)
    .min(1, `${what} must be at least 1`)
    .max(max, `${what} must be at most ${max}`);

export const key = (what: string) =>
  z
    .string(`${what} must be given`)
    .max(500, `${what} is longer than 500 characters`)
    .refine((text) => !text.includes('\u0000'), `${what} must not contain a NUL character`);

const paging = {
  before: absentWhenEmpty(z.string().regex(/^[\w-]{1,64}$/, 'before must be an id from an earlier page')),
  limit: absentWhenEmpty(positive('limit', 200)),
};

const RUN_STATES = ['waiting', 'resolving', 'packing', 'building', 'finished'] as const;
const RUN_VERDICTS = ['passed', 'failed', 'error', 'cancelled', 'superseded'] as const;
const FACT_STATES = ['pending', 'running', 'done', 'parked'] as const;

export const oneOf = <const T extends readonly [string, ...string[]]>(what: string, words: T) =>
  z.enum(words, `${what} must be one of ${words.join(', ')}`);

const TOLD_BY = ['hook', 'poll', 'both'] as const;
const PERIODS = ['hour', 'day', '30-days'] as const;

export const words = {
  runStates: RUN_STATES,
  runVerdicts: RUN_VERDICTS,
  factStates: FACT_STATES,
  toldBy: TOLD_BY,
  periods: PERIODS,
};

export const runsQuery = z.object({
  repository: absentWhenEmpty(key('repository')),
  number: absentWhenEmpty(positive('number', 2_147_483_647)),
  sha: absentWhenEmpty(
    z
      .string()
      .trim()
      .toLowerCase()
      .regex(/^[0-9a-f]{4,64}$/, 'sha must be 4 to 64 hexadecimal digits'),
  ),
  state: absentWhenEmpty(oneOf('state', RUN_STATES)),
  verdict: absentWhenEmpty(oneOf('verdict', RUN_VERDICTS)),
  ref: absentWhenEmpty(key('ref')),
  author: absentWhenEmpty(key('author').max(100, 'author is longer than 100 characters')),
  backend: absentWhenEmpty(key('backend').max(100, 'backend is longer than 100 characters')),
  text: absentWhenBlank(key('text').max(200, 'text is longer than 200 characters')),
  ...paging,
});

/** Milliseconds since 1970: the id of the last event, as the stream gave it. */
export const liveQuery = z.object({
  since: absentWhenEmpty(
    z
      .string()
      .regex(/^\d{1,15}$/, 'since must be the id of an event of this stream')
      .transform(Number),
  ),
});

export const stackQuery = z.object(paging);

/** `label` stands to the left of the verdict. */
export const badgeQuery = z.object({
  branch: absentWhenBlank(key('branch').max(255, 'branch is longer than 255 characters')),
  label: absentWhenBlank(key('label').max(60, 'label is longer than 60 characters')),
});

export const feedQuery = z.object({ repository: absentWhenBlank(key('repository')) });

export const ledgerQuery = z.object({
  subject: absentWhenEmpty(key('subject')),
  state: absentWhenEmpty(oneOf('state', FACT_STATES)),
  kind: absentWhenEmpty(key('kind')),
  told: absentWhenEmpty(oneOf('told', TOLD_BY)),
  /** Hooks from which nothing follows: the page hides them unless asked, the JSON shows them. */
  noted: absentWhenEmpty(oneOf('noted', ['shown', 'hidden'])),
  /** Of the totals. */
  over: absentWhenEmpty(oneOf('over', PERIODS)),
  ...paging,
});

export const totalsQuery = z.object({ over: absentWhenEmpty(oneOf('over', PERIODS)) });
export type Period = (typeof PERIODS)[number];
export const PERIOD_MS: Record<Period, number> = { hour: 3_600_000, day: 86_400_000, '30-days': 30 * 86_400_000 };

export const factQuery = z.object({ key: key('key').min(1, 'key must name a fact') });

/** One page of a log. More lines than this make a browser slow, not a reader fast. */
export const MAX_LINES = 5000;
const MAX_LINE = 2_000_000_000;

/** `120`, or `120-140`: as anchors have it (`#L120-L140`), for readers without JavaScript. */
const lines = z
  .string()
  .trim()
  .regex(/^L?\d{1,10}(-L?\d{1,10})?$/, 'line must be a number, or two with a dash between them')
  .transform((text) => text.match(/\d+/g)!.map(Number))
  .refine((numbers) => numbers.every((each) => each >= 1 && each <= MAX_LINE), `line must be 1 to ${MAX_LINE}`)
  .transform((numbers) => ({ from: Math.min(...numbers), to: Math.max(...numbers) }));

const LOOKS = ['first', 'next', 'previous'] as const;

export const logQuery = z.object({
  from: absentWhenEmpty(positive('from', MAX_LINE)),
  count: absentWhenEmpty(positive('count', MAX_LINES)),
  attempt: absentWhenEmpty(positive('attempt', 1_000_000)),
  line: absentWhenEmpty(lines),
  /** What to search for, as it is: no pattern. */
  q: absentWhenEmpty(
    z
      .string()
      .max(200, 'q is longer than 200 characters')
      .regex(/^[^\n\r]*$/, 'q must be one line'),
  ),
  /** Which look found nothing, and up to where it looked, if not everywhere. */
  none: absentWhenEmpty(oneOf('none', LOOKS)),
  looked: absentWhenEmpty(positive('looked', MAX_LINE)),
});

/** `line`: look before or behind it. `at`: where the reader is, and stays when there is nothing. */
export const gotoQuery = logQuery.extend({ to: oneOf('to', LOOKS), at: absentWhenEmpty(positive('at', MAX_LINE)) });
export const compareQuery = z.object({
  attempt: absentWhenEmpty(positive('attempt', 1_000_000)),
  moved: absentWhenEmpty(oneOf('moved', ['shown'])),
});
export type Look = (typeof LOOKS)[number];
/** In an archive. */
export const filesQuery = z.object({ in: absentWhenEmpty(z.string().max(4096, 'in is longer than 4096 characters')) });

export type RunsQuery = z.infer<typeof runsQuery>;
export type LedgerQuery = z.infer<typeof ledgerQuery>;
export type LogQuery = z.infer<typeof logQuery>;

/** What the reader of a page did wrong, in words for them. */
export class BadQuery extends Error {}

export function parseQuery<T extends z.ZodType>(schema: T, query: Record<string, string>): z.infer<T> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  throw new BadQuery(parsed.error.issues.map((issue) => issue.message).join('; '));
}
