import type { Archive } from '../archive/archive.ts';
import {
  decideArchive,
  decideOutput,
  decideRow,
  type Keeps,
  oldBefore,
  type RetentionDecision,
} from '../core/retention.ts';
import type { RetentionStore } from '../store/store.ts';

/**
 * One page of what may be old: decide, remove, note it. The bytes go first, then the note: who dies between the two does
 * the page again. What is shown as removed is never there for ever.
 */
export interface Sweep {
  keep: Keeps;
  store: RetentionStore;
  archive: Pick<Archive, 'remove' | 'removeLog'>;
  now: Date;
  /** Nothing is removed: what would go is told. */
  isDry?: boolean;
}

export type SweptKind = 'sources' | 'artifacts' | 'logs' | 'events' | 'effects';
export const SWEPT_KINDS: readonly SweptKind[] = ['sources', 'artifacts', 'logs', 'events', 'effects'];

/** What became, or would become, of something that was looked at. */
export interface Swept {
  kind: SweptKind;
  id: string;
  /** For people: `rakudo/rakudo at 1a2b3c4d5e`. */
  name: string;
  decision: RetentionDecision;
  count: number;
  /** What it takes; 0 when others that stay have the same bytes. */
  bytes: number;
  /** Its bytes' name in the archive, which others may share. */
  sha256?: string;
}

/** `next`: where the next page begins; absent at the end of the kind. */
export interface SweptPage {
  swept: Swept[];
  next?: string;
}

const PAGE = 200;
const EVENTS = 2_000;
/** Who puts a blob stores that it refers to it when all that it has to put is there: an upload of hours, at most. */
const UNUSED_MS = 6 * 3_600_000;

export async function sweepPage(kind: SweptKind, after: string | undefined, sweep: Sweep): Promise<SweptPage> {
  const before = oldBefore(sweep.keep[kind === 'effects' ? 'events' : kind], sweep.now);
  if (!before) return { swept: [] };
  switch (kind) {
    case 'sources':
      return sweepArchives(before, after, sweep);
    case 'artifacts':
      return sweepArtifacts(before, after, sweep);
    case 'logs':
      return sweepLogs(before, after, sweep);
    case 'events':
      return sweepPayloads(before, after, sweep);
    case 'effects':
      return sweepEffects(before, sweep);
  }
}

async function sweepArchives(before: Date, after: string | undefined, sweep: Sweep): Promise<SweptPage> {
  const { store, keep, now } = sweep;
  // Artifacts that go in this very sweep keep nothing any more.
  const found = await store.archives(before, oldBefore(keep.artifacts, now), { after, limit: PAGE });
  const wanted = found.map(
    ({ id, size, repository, sha, uses, isElsewhere }): Swept => ({
      kind: 'sources',
      id,
      name: `${repository} at ${sha.slice(0, 10)}`,
      decision: decideArchive(uses, keep.sources, now),
      count: 1,
      bytes: isElsewhere ? 0 : size,
      sha256: isElsewhere ? undefined : id,
    }),
  );
  const swept = await removeBlobs(wanted, sweep);
  await note(swept, sweep, (ids) => store.archivesRemoved(ids, now));
  return { swept, next: nextOf(found) };
}

async function sweepArtifacts(before: Date, after: string | undefined, sweep: Sweep): Promise<SweptPage> {
  const { store, keep, now } = sweep;
  const found = await store.artifacts(before, { after, limit: PAGE });
  const wanted = found.map(
    ({ id, name, size, sha256, isElsewhere, ...age }): Swept => ({
      kind: 'artifacts',
      id,
      name: `${name} of run ${age.runId}`,
      decision: decideOutput(age, keep.artifacts, now),
      count: 1,
      bytes: isElsewhere ? 0 : size,
      sha256: isElsewhere ? undefined : sha256,
    }),
  );
  const swept = await removeBlobs(wanted, sweep);
  await note(swept, sweep, (ids) => store.artifactsRemoved(ids, now));
  return { swept, next: nextOf(found) };
}

async function sweepLogs(before: Date, after: string | undefined, sweep: Sweep): Promise<SweptPage> {
  const { store, keep, now, archive } = sweep;
  const found = await store.logs(before, { after, limit: PAGE });
  const swept = found.map(({ id, name, size, ...age }): Swept => {
    const decision = decideOutput(age, keep.logs, now);
    return { kind: 'logs', id, name: `${name} of run ${age.runId}`, decision, count: 1, bytes: size };
  });
  for (const { id, decision } of swept) if (decision.goes && !sweep.isDry) await archive.removeLog(id);
  await note(swept, sweep, (ids) => store.logsRemoved(ids, now));
  return { swept, next: nextOf(found) };
}

async function sweepPayloads(before: Date, after: string | undefined, sweep: Sweep): Promise<SweptPage> {
  const { store, keep, now } = sweep;
  const { rows, next } = await store.payloads(before, { after, limit: EVENTS });
  const wanted = rows.map(
    ({ id, key, size, rawSha256, isElsewhere, ...age }): Swept => ({
      kind: 'events',
      id,
      name: key,
      decision: decideRow(age, keep.events, now),
      count: 1,
      bytes: size,
      sha256: isElsewhere ? undefined : rawSha256,
    }),
  );
  const swept = await removeBlobs(wanted, sweep);
  await note(swept, sweep, (ids) => store.removePayloads(ids));
  return { swept, next };
}

/** All of them alike: what is done says no more than its event's history does. */
async function sweepEffects(before: Date, { store, isDry }: Sweep): Promise<SweptPage> {
  const count = isDry ? await store.countEffects(before) : await store.removeEffects(before, EVENTS);
  if (count === 0) return { swept: [] };
  const decision = { goes: true, endedAt: before } as const;
  const swept: Swept[] = [{ kind: 'effects', id: '', name: 'done effects', decision, count, bytes: 0 }];
  return { swept, next: !isDry && count === EVENTS ? 'more' : undefined };
}

/** What somebody has put or used again since stays for this time: its new owner may not be stored yet. */
async function removeBlobs(wanted: Swept[], { archive, isDry }: Sweep): Promise<Swept[]> {
  const stay = new Set<string>();
  const sha256s = new Set(wanted.flatMap(({ decision, sha256 }) => (decision.goes && sha256 ? [sha256] : [])));
  if (!isDry) {
    for (const sha256 of sha256s) if (!(await archive.remove(sha256, { unusedForMs: UNUSED_MS }))) stay.add(sha256);
  }
  return wanted.map((each) =>
    each.decision.goes && each.sha256 && stay.has(each.sha256)
      ? { ...each, decision: { goes: false, because: 'used-lately' } }
      : each,
  );
}

async function note(swept: Swept[], { isDry }: Sweep, removed: (ids: string[]) => Promise<void>): Promise<void> {
  const ids = swept.flatMap(({ id, decision }) => (decision.goes ? [id] : []));
  if (ids.length > 0 && !isDry) await removed(ids);
}

const nextOf = (found: { id: string }[]): string | undefined => (found.length < PAGE ? undefined : found.at(-1)!.id);

/** How many went, and their bytes. */
export type Totals = Partial<Record<SweptKind, { count: number; bytes: number }>>;

/** Bytes that several share are counted once: `counted` remembers them. */
export function addTotals(totals: Totals, swept: Swept[], counted = new Set<string>()): Totals {
  const sum: Totals = { ...totals };
  for (const { kind, decision, count, bytes, sha256 } of swept) {
    if (!decision.goes) continue;
    const before = sum[kind] ?? { count: 0, bytes: 0 };
    const isNew = sha256 === undefined || !counted.has(sha256);
    if (sha256 !== undefined) counted.add(sha256);
    sum[kind] = { count: before.count + count, bytes: before.bytes + (isNew ? bytes : 0) };
  }
  return sum;
}
