/** An answer of GitHub's as it was parsed, with the tag under which GitHub knows it. */
export interface KeptAnswer {
  etag: string;
  value: unknown;
  /** By what it was parsed: one address is asked for by several, each for other fields. */
  schema: unknown;
  /** Of the `Link` header. */
  links: Record<string, string>;
}

/** Keys and tags, and what the objects themselves take. */
const OVERHEAD = 500;

/**
 * Answers to be asked for again with `If-None-Match`: a 304 costs nothing (docs.github.com, "Best practices for using the
 * REST API"). In memory, and bounded: what was not asked for the longest time goes first. Keys name who asked: what they
 * are shown may differ, and GitHub's tags are of one token. So each answer is paid for once in the hour that an
 * installation's token lives.
 */
export class KeptAnswers {
  readonly #mostBytes: number;
  readonly #answers = new Map<string, KeptAnswer & { bytes: number }>();
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string, schema: unknown): KeptAnswer | undefined {
    const found = this.#answers.get(key);
    if (!found || found.schema !== schema) return undefined;
    // A map's order is that of insertion: now it is the newest.
    this.#answers.delete(key);
    this.#answers.set(key, found);
    return found;
  }

  set(key: string, answer: KeptAnswer): void {
    this.delete(key);
    const bytes = 2 * (key.length + (JSON.stringify(answer.value)?.length ?? 0)) + OVERHEAD;
    // One giant must not drive out all the others.
    if (bytes > this.#mostBytes / 4) return;
    this.#answers.set(key, { ...answer, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#answers.keys()) {
      if (this.#bytes <= this.#mostBytes) return;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#bytes -= this.#answers.get(key)?.bytes ?? 0;
    this.#answers.delete(key);
  }
}
