import type { Archive } from '../archive/archive.ts';
import { ArchiveError } from '../archive/archive.ts';
import { archiveFilesMessages as words } from '../core/messages-archive-files.ts';
import { FILE_LIMITS, type FileList, listFiles, NoArchive, type OpenedFile, openFile } from './archive-files.ts';

/**
 * Looks into archives for readers of the site. It costs time and disk, and everybody may ask: so few looks at a time, a
 * short queue, an end in time, and lists are remembered, for what has a sha256 never changes.
 */
export interface ArchiveLists {
  list(sha256: string): Promise<FileList>;
  /** undefined: there is no such entry. */
  open(sha256: string, index: number): Promise<OpenedFile | undefined>;
}

const AT_ONCE = 2;
const MOST_WAITING = 10;
const LOOK_SECONDS = 30;
/** Of all remembered lists together. */
const MOST_REMEMBERED = 100_000;

export function openArchiveLists(archive: Pick<Archive, 'get'>): ArchiveLists {
  const remembered = new Map<string, FileList>();
  const gate = new Gate(AT_ONCE, MOST_WAITING);
  const look = <T>(
    sha256: string,
    read: (body: Awaited<ReturnType<Archive['get']>>, signal: AbortSignal) => Promise<T>,
  ) =>
    gate.pass(async () => {
      const signal = AbortSignal.timeout(LOOK_SECONDS * 1000);
      try {
        return await read(await archive.get(sha256), signal);
      } catch (error) {
        throw signal.aborted ? new NoArchive(words.unreadable(words.tooSlow(LOOK_SECONDS))) : error;
      }
    });
  return {
    async list(sha256) {
      const known =
        remembered.get(sha256) ?? (await look(sha256, (body, signal) => listFiles(body, FILE_LIMITS, signal)));
      // The one that was asked for last is forgotten last.
      remembered.delete(sha256);
      remembered.set(sha256, known);
      forgetOldest(remembered);
      return known;
    },
    open: (sha256, index) => look(sha256, (body, signal) => openFile(body, index, FILE_LIMITS, signal)),
  };
}

function forgetOldest(remembered: Map<string, FileList>): void {
  let entries = 0;
  for (const { entries: each } of remembered.values()) entries += each.length + 1;
  for (const [sha256, { entries: each }] of remembered) {
    if (entries <= MOST_REMEMBERED) return;
    entries -= each.length + 1;
    remembered.delete(sha256);
  }
}

class Gate {
  readonly #waiting: (() => void)[] = [];
  readonly #mostWaiting: number;
  #free: number;

  constructor(atOnce: number, mostWaiting: number) {
    this.#free = atOnce;
    this.#mostWaiting = mostWaiting;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else if (this.#waiting.length >= this.#mostWaiting) throw new ArchiveError('io', words.busy);
    else await new Promise<void>((begin) => this.#waiting.push(begin));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
