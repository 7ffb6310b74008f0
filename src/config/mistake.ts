/** One thing that is wrong with the configuration, in words for the person who wrote it. Never holds a secret's value. */
export interface Mistake {
  /** The file's name as it was given, or `environment`. */
  file: string;
  /** From 1; absent in the environment, and where the whole file is meant. */
  line?: number;
  column?: number;
  /** `backends[0].slots`, or an environment variable's name; empty: the whole file. */
  key: string;
  found: string;
  expected: string;
  /** A whole sentence. */
  hint?: string;
}

const mostShown = 200;

/** All mistakes, one line each, under a heading that counts them. */
export function formatMistakes(mistakes: Mistake[]): string {
  const heading = `${mistakes.length === 1 ? '1 mistake' : `${mistakes.length} mistakes`} in the configuration:`;
  const lines = mistakes.slice(0, mostShown).map((mistake) => `  ${formatMistake(mistake)}`);
  if (mistakes.length > mostShown) lines.push(`  … and ${mistakes.length - mostShown} more.`);
  return [heading, ...lines].join('\n');
}

export function formatMistake({ file, line, column, key, found, expected, hint }: Mistake): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  const sentence = `found ${found}, expected ${expected}.`;
  return [`${place}:`, key && `${key}:`, sentence, hint].filter(Boolean).join(' ');
}

/** A value as a message shows it: short, on one line, without credentials of a URL. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (an empty value)';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return String(value);
  const harmless = value.replace(/\/\/[^/]*@/g, '//…@');
  return JSON.stringify(harmless.length > 60 ? `${harmless.slice(0, 59)}…` : harmless);
}

/** `a`, `a or b`, `a, b or c`. */
export function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** `Did you mean "backends"?`, when one of the words is near enough to be a slip of the finger. */
export function didYouMean(word: string, words: readonly string[]): string | undefined {
  const near = words
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && `Did you mean "${near.candidate}"?`;
}

/** How many letters must be put in, left out, replaced or swapped with their neighbour (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  // Words of very different length are not worth the table, and an attacker's long key must cost nothing.
  if (Math.abs(a.length - b.length) > 8) return Number.POSITIVE_INFINITY;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) best = Math.min(best, beforeLast[j - 2]! + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
