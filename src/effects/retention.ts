import { RETENTION_CURSOR } from '../core/retention.ts';
import { IDLE_MS, SESSION_MS } from '../core/session.ts';
import { SourceError } from '../sources/sources.ts';
import type { Performed, World } from './effect.ts';
import { addTotals, SWEPT_KINDS, sweepPage, type Totals } from './sweep.ts';

/**
 * The hourly sweep, a page at a time, so that stopping waits for one page only, and what one page did is kept when the
 * next one fails. Where it stands is a cursor, moved with the end of each page. Once a day the mirrors are tidied as well,
 * and payloads are looked at from the first one on: what was parked at the last look may be done since.
 */
const STEPS = [...SWEPT_KINDS, 'mirrors', 'submodules'] as const;
type Step = (typeof STEPS)[number];

export { RETENTION_CURSOR };

/** As JSON. Without `step` no sweep is under way. */
export interface SweepCursor {
  step?: Step;
  after?: string;
  beganAt?: string;
  /** It also does what is done once a day. */
  isDaily?: boolean;
  /** When the last such one began. */
  dailyAt?: string;
  /** Up to here payloads were looked at. */
  eventsUpTo?: string;
  /** Of the sweep under way. */
  swept?: Totals;
  /** Mirrors that could not be tidied, and why. */
  trouble?: string[];
  last?: { beganAt: string; endedAt: string; swept: Totals; trouble: string[] };
}

const DAY_MS = 86_400_000;
const REST_MS = 20;
/** Longer than a run may take. */
const COMMIT_UNUSED_MS = 7 * DAY_MS;

/** Steps with nothing to do cost no turn of their own. */
export async function sweepRetention(world: World, signal: AbortSignal): Promise<Performed> {
  let cursor = begun((await world.store.cursor(RETENTION_CURSOR)) as SweepCursor | undefined, world.now());
  if (cursor.step === STEPS[0] && cursor.after === undefined) await removeSessions(world);
  for (;;) {
    signal.throwIfAborted();
    const { hasWorked, ...next } = await sweepStep(cursor, world, signal);
    cursor = next.cursor;
    if (cursor.step !== undefined && !hasWorked) continue;
    const cursors = [{ name: RETENTION_CURSOR, value: { ...cursor } }];
    return { events: [], cursors, forget: true, againMs: cursor.step === undefined ? undefined : REST_MS };
  }
}

function begun(cursor: SweepCursor = {}, now: Date): SweepCursor {
  if (cursor.step !== undefined && STEPS.includes(cursor.step)) return cursor;
  const isDaily = cursor.dailyAt === undefined || now.getTime() - Date.parse(cursor.dailyAt) >= DAY_MS;
  const beganAt = now.toISOString();
  const { eventsUpTo, last } = cursor;
  return {
    step: STEPS[0],
    beganAt,
    isDaily,
    dailyAt: isDaily ? beganAt : cursor.dailyAt,
    eventsUpTo: isDaily ? undefined : eventsUpTo,
    swept: {},
    trouble: [],
    last,
  };
}

/** Logins that have ended hold tokens that may still be good: they do not wait for a person to come back. */
const removeSessions = ({ retention, now }: World): Promise<void> =>
  retention.store.removeSessions(startOf(SESSION_MS, now()), startOf(IDLE_MS, now()));

const startOf = (ms: number, now: Date): Date => new Date(now.getTime() - ms);

interface Stepped {
  cursor: SweepCursor;
  hasWorked: boolean;
}

async function sweepStep(cursor: SweepCursor, world: World, signal: AbortSignal): Promise<Stepped> {
  const { step } = cursor;
  if (step === 'mirrors' || step === 'submodules') {
    return cursor.isDaily
      ? tidyStep(cursor, step, world, signal)
      : { cursor: following(cursor, world.now()), hasWorked: false };
  }
  const after = cursor.after ?? (step === 'events' ? cursor.eventsUpTo : undefined);
  const { keep, store } = world.retention;
  const page = await sweepPage(step!, after, { keep, store, archive: world.archive, now: world.now() });
  const moved: SweepCursor = {
    ...cursor,
    swept: addTotals(cursor.swept ?? {}, page.swept),
    ...(step === 'events' && { eventsUpTo: page.next ?? after }),
  };
  const hasWorked = page.swept.length > 0 || page.next !== undefined;
  if (page.next === undefined) return { cursor: following(moved, world.now()), hasWorked };
  return { cursor: { ...moved, after: page.next }, hasWorked };
}

/** One mirror a turn: on a large one git is at it for minutes. One that fails is tidied tomorrow. */
async function tidyStep(
  cursor: SweepCursor,
  step: 'mirrors' | 'submodules',
  world: World,
  signal: AbortSignal,
): Promise<Stepped> {
  const options = async () => ({ keep: await world.retention.store.neededCommits(), unusedForMs: COMMIT_UNUSED_MS });
  const attempt = async (name: string, tidy: () => Promise<unknown>) => {
    try {
      await tidy();
      return cursor;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return { ...cursor, trouble: [...(cursor.trouble ?? []), `${name}: ${error.message}`].slice(-20) };
    }
  };
  if (step === 'submodules') {
    const tidied = await attempt('submodules', async () =>
      world.sources.tidySubmodules({ ...(await options()), keep: [] }, signal),
    );
    return { cursor: following(tidied, world.now()), hasWorked: true };
  }
  const [mirror] = await world.retention.store.mirrored({ after: cursor.after, limit: 1 });
  if (!mirror) return { cursor: following(cursor, world.now()), hasWorked: false };
  const tidied = await attempt(mirror.name, async () =>
    // Nothing is fetched: it needs neither address nor authorization.
    world.sources.tidy({ ...mirror, url: '' }, await options(), signal),
  );
  return { cursor: { ...tidied, after: mirror.key }, hasWorked: true };
}

/** The next step; after the last one no sweep is under way. */
function following(cursor: SweepCursor, now: Date): SweepCursor {
  const { step, after: _, ...rest } = cursor;
  const next = STEPS[STEPS.indexOf(step!) + 1];
  if (next) return { ...rest, step: next };
  const { beganAt, swept = {}, trouble = [], dailyAt, eventsUpTo } = rest;
  return { dailyAt, eventsUpTo, last: { beganAt: beganAt!, endedAt: now.toISOString(), swept, trouble } };
}
