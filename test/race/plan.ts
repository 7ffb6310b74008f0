/** What the race is about, by one seed: which events and effects there are, and what happens to each. */
import { createHash } from 'node:crypto';
import type { Effect } from '../../src/core/effect.ts';
import type { NewEvent } from '../../src/core/event.ts';

export const SUBJECTS = 500;
export const LANES = 50;
export const LEASE_MS = 4_000;
/** Every fifth lane is spaced. */
export const SPACING_MS = 15;

/** What its handler does with an event:
 *  `done` at once · `later` twice it cannot be handled yet · `fails` once · `parked` until a person starts it again. */
export type Fate = 'done' | 'later' | 'fails' | 'parked';

/** A number in [0, 1) that belongs to the text. */
export function drawn(text: string): number {
  return createHash('sha1').update(text).digest().readUInt32BE(0) / 2 ** 32;
}

export const eventKey = (subject: number, place: number): string =>
  `race:${String(subject).padStart(4, '0')}:${String(place).padStart(5, '0')}`;

export function eventAt(subject: number, place: number): NewEvent {
  return { key: eventKey(subject, place), event: { kind: 'hook.noted', hook: `s${subject}` } };
}

/** An effect's outcome is an event as well: an easy one. */
export function fateOf(key: string): Fate {
  if (!key.startsWith('race:') || isSilent(key)) return 'done';
  const number = drawn(`fate ${key}`);
  if (number < 0.01) return 'parked';
  if (number < 0.03) return 'later';
  return number < 0.035 ? 'fails' : 'done';
}

/** Its handler writes nothing, so that it ends together with others; it is followed by an event. */
export const isSilent = (key: string): boolean => /^race:.*[369]$/.test(key);

/** The same in SQL. */
export const IS_SILENT = "NEW.key ~ '^race:.*[369]$'";

/** How long an event is worked on, or an effect is performed; milliseconds. */
export const workMs = (name: string): number => Math.floor(drawn(`work ${name}`) ** 4 * 60);

export const effectOf = (index: number): Effect => ({
  kind: 'check.report',
  runId: 'race',
  checkId: `c${index}`,
  installation: `race:${index % LANES}`,
});

export const isSpaced = (lane: string): boolean => Number(lane.split(':').at(-1)) % 5 === 0;

export const effectFails = (target: string): boolean => drawn(`effect ${target}`) < 0.005;
