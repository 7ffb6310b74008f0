import type { Archive } from '../archive/archive.ts';
import {
  decideArchive,
  decideOutput,
  decideRow,
  type Keeps,
  oldBefore,
  type RetentionDecision,
} from '../core/retention.ts';
import type { Leaving, RetentionStore, StoredOutput } from '../store/store.ts';

/**
 * One page of what may be old: decide, remove, note it. The bytes go first, then the note: who dies between the two does
 * the page again. What is shown as removed is never there for ever. Artifacts come before sources, which theirs keep.
 */
export interface Sweep {
  keep: Keeps;
  store: RetentionStore;
  archive: Pick<Archive, 'remove' | 'removeLog'>;
  now: Date;
  /** Nothing is removed: what would go is told, and remembered here, because what comes later depends on it. */
  dry?: Leaving;
}

export type SweptKind = 'artifacts' | 'logs' | 'sources' | 'events' | 'effects';
export const SWEPT_KINDS: readonly SweptKind[] = ['artifacts', 'logs', 'sources', 'events', 'effects'];
type RowKind = Exclude<SweptKind, 'effects'>;

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

export const nothingLeaves = (): Leaving => ({ artifacts: [], logs: [], sources: [], events: [] });

export async function sweepPage(kind: SweptKind, after: string | undefined, sweep: Sweep): Promise<SweptPage> {
  const before = oldBefore(sweep.keep[kind === 'effects' ? 'events' : kind], sweep.now);
  if (!before) return { swept: [] };
  return kind === 'effects' ? sweepEffects(before, sweep) : sweepRows(kind, before, after, sweep);
}

/** Of one kind: how a page of it is found and decided, and where it is noted that it went. */
interface Rows {
  find(before: Date, after: string | undefined, sweep: Sweep): Promise<SweptPage>;
  removed(ids: string[], sweep: Sweep): Promise<void>;
}

const ROWS: Record<RowKind, Rows> = {
  artifacts: {
    async find(before, after, sweep) {
      const found = await sweep.store.artifacts(before, { after, limit: PAGE });
      return { swept: found.map((each) => outputOf('artifacts', each, sweep)), next: nextOf(found) };
    },
    removed: (ids, { store, now }) => store.artifactsRemoved(ids, now),
  },
  logs: {
    async find(before, after, sweep) {
      const found = await sweep.store.logs(before, { after, limit: PAGE });
      return { swept: found.map((each) => outputOf('logs', each, sweep)), next: nextOf(found) };
    },
    removed: (ids, { store, now }) => store.logsRemoved(ids, now),
  },
  sources: {
    async find(before, after, { store, keep, now, dry }) {
      const found = await store.archives(before, dry?.artifacts ?? [], { after, limit: PAGE });
      const swept = found.map(({ id, size, repository, sha, uses }): Swept => {
        const name = `${repository} at ${sha.slice(0, 10)}`;
        const decision = decideArchive(uses, keep.sources, now);
        return { kind: 'sources', id, name, decision, count: 1, bytes: size, sha256: id };
      });
      return { swept, next: nextOf(found) };
    },
    removed: (ids, { store, now }) => store.archivesRemoved(ids, now),
  },
  events: {
    async find(before, after, { store, keep, now }) {
      const { rows, next } = await store.payloads(before, { after, limit: EVENTS });
      const swept = rows.map(({ id, key: name, size: bytes, rawSha256: sha256, ...age }): Swept => {
        const decision = decideRow(age, keep.events, now);
        return { kind: 'events', id, name, decision, count: 1, bytes, sha256 };
      });
      return { swept, next };
    },
    removed: (ids, { store }) => store.removePayloads(ids),
  },
};

function outputOf(kind: 'artifacts' | 'logs', found: StoredOutput, { keep, now }: Sweep): Swept {
  const { id, runId, name, size, sha256, ...facts } = found;
  const decision = decideOutput(facts, keep[kind], keep, now);
  return { kind, id, name: `${name} of run ${runId}`, decision, count: 1, bytes: size, sha256 };
}

const nextOf = (found: { id: string }[]): string | undefined => (found.length < PAGE ? undefined : found.at(-1)!.id);

async function sweepRows(kind: RowKind, before: Date, after: string | undefined, sweep: Sweep): Promise<SweptPage> {
  const { swept: found, next } = await ROWS[kind].find(before, after, sweep);
  const swept = await removeBytes(kind, await withoutShared(kind, found, sweep), sweep);
  const ids = leavingOf(swept);
  if (sweep.dry) sweep.dry[kind].push(...ids);
  else if (ids.length > 0) await ROWS[kind].removed(ids, sweep);
  return { swept, next };
}

const leavingOf = (swept: Swept[]): string[] => swept.flatMap(({ id, decision }) => (decision.goes ? [id] : []));

/** Bytes that something else names stay, and go with the last that names them. */
async function withoutShared(kind: RowKind, found: Swept[], { store, dry }: Sweep): Promise<Swept[]> {
  const sha256s = new Set(found.flatMap(({ decision, sha256 }) => (decision.goes && sha256 ? [sha256] : [])));
  if (sha256s.size === 0) return found;
  const before = dry ?? nothingLeaves();
  const named = await store.named([...sha256s], { ...before, [kind]: [...before[kind], ...leavingOf(found)] });
  return found.map((each) => (each.sha256 && named.has(each.sha256) ? { ...each, bytes: 0, sha256: undefined } : each));
}

/** What somebody has put or used again since stays for this time: its new owner may not be stored yet. */
async function removeBytes(kind: RowKind, found: Swept[], { archive, dry }: Sweep): Promise<Swept[]> {
  if (dry) return found;
  if (kind === 'logs') for (const id of leavingOf(found)) await archive.removeLog(id);
  const stay = new Set<string>();
  const sha256s = new Set(found.flatMap(({ decision, sha256 }) => (decision.goes && sha256 ? [sha256] : [])));
  for (const sha256 of sha256s) if (!(await archive.remove(sha256, { unusedForMs: UNUSED_MS }))) stay.add(sha256);
  return found.map((each) =>
    each.decision.goes && each.sha256 && stay.has(each.sha256)
      ? { ...each, decision: { goes: false, because: 'used-lately' } }
      : each,
  );
}

/** All of them alike: what is done says no more than its event's history does. */
async function sweepEffects(before: Date, { store, dry }: Sweep): Promise<SweptPage> {
  const count = dry ? await store.countEffects(before) : await store.removeEffects(before, EVENTS);
  if (count === 0) return { swept: [] };
  const decision = { goes: true, endedAt: before } as const;
  const swept: Swept[] = [{ kind: 'effects', id: '', name: 'done effects', decision, count, bytes: 0 }];
  return { swept, next: !dry && count === EVENTS ? 'more' : undefined };
}

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
