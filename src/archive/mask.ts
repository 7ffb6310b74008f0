/**
 * Masks known secrets in a stream of bytes.
 *
 * - Every byte of every occurrence of a secret is masked; occurrences that overlap become one `***`.
 * - Masked forms of a secret: as it is; URL-encoded; base64 and base64url, also when it is the middle of what was
 *   encoded (`user:TOKEN`); and of a secret with several lines (a private key) each line of 16 characters or more, since
 *   a log may indent its lines. Not masked: other encodings, and a secret with something in its middle.
 * - A secret of fewer than 6 characters is ignored: it would mask ordinary words and say nothing.
 * - The result does not depend on how the bytes were cut into parts, and masking may start anew wherever a part was
 *   consumed to: nothing that is masked lies across such a point. This is what makes a log resumable.
 */
export interface SecretPatterns {
  /** Length of the longest pattern; 0 when there is nothing to mask. */
  readonly longest: number;
  readonly shortest: number;
  /** By first byte: what could begin there. */
  readonly byFirstByte: ReadonlyMap<number, readonly Buffer[]>;
  /** By the last two bytes of the search window: what could end there, longest first. */
  readonly byPair: ReadonlyMap<number, readonly Buffer[]>;
  /** By two bytes: how far the search window may move on. */
  readonly shift: Uint16Array;
}

/** What came of the first `consumed` bytes. The others may be the beginning of a secret: give them again, with more. */
export interface MaskedPart {
  text: Buffer;
  consumed: number;
}

export const shortestSecret = 6;
export const longestSecret = 64 * 1024;
const shortestLine = 16;
const mask = Buffer.from('***');

/** No more than this many bytes are ever held back. */
export function longestHold(patterns: SecretPatterns): number {
  return runLimit(patterns) + 2 * patterns.longest;
}

// A secret that overlaps itself ("aaaaaa") could make a run without end; it is cut, where its last occurrence ends.
function runLimit(patterns: SecretPatterns): number {
  return 4 * patterns.longest;
}

export function compileSecrets(secrets: readonly string[]): SecretPatterns {
  const forms = new Map<string, Buffer>();
  for (const secret of secrets) {
    for (const form of formsOf(secret)) forms.set(form.toString('latin1'), form);
  }
  const patterns = [...forms.values()].sort((a, b) => b.length - a.length);
  const longest = patterns[0]?.length ?? 0;
  const shortest = patterns.at(-1)?.length ?? 0;
  return {
    longest,
    shortest,
    byFirstByte: Map.groupBy(patterns, (pattern) => pattern[0]!),
    byPair: Map.groupBy(patterns, (pattern) => pairAt(pattern, shortest - 1)),
    shift: shiftTable(patterns, shortest),
  };
}

/** Mask a part of a stream. `isLast`: nothing follows, so nothing is held back. */
export function maskPart(patterns: SecretPatterns, raw: Buffer, isLast: boolean): MaskedPart {
  if (patterns.longest === 0) return { text: raw, consumed: raw.length };
  const undecided = isLast ? raw.length : firstPossibleStart(patterns, raw);
  const pieces: Buffer[] = [];
  let consumed = 0;
  for (const run of secretRuns(patterns, raw)) {
    // What starts at `undecided` could overlap this run and lengthen it: then the run waits as well.
    if (run.start >= undecided) break;
    if (run.end > undecided) return { text: joined(pieces, raw.subarray(consumed, run.start)), consumed: run.start };
    pieces.push(raw.subarray(consumed, run.start), mask);
    consumed = run.end;
  }
  return { text: joined(pieces, raw.subarray(consumed, undecided)), consumed: undecided };
}

/** Mask a whole stream. */
export async function* maskStream(
  patterns: SecretPatterns,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const raw = Buffer.concat([held, chunk]);
    const { text, consumed } = maskPart(patterns, raw, false);
    held = raw.subarray(consumed);
    if (text.length > 0) yield text;
  }
  if (held.length > 0) yield maskPart(patterns, held, true).text;
}

function joined(pieces: Buffer[], rest: Buffer): Buffer {
  return pieces.length === 0 ? rest : Buffer.concat([...pieces, rest]);
}

function formsOf(secret: string): Buffer[] {
  const plain = Buffer.from(secret);
  if (plain.length < shortestSecret) return [];
  if (plain.length > longestSecret) {
    throw new RangeError(`A secret of ${plain.length} bytes cannot be masked: ${longestSecret} is the most.`);
  }
  const encoded = [secret, encodeURIComponent(secret.toWellFormed()), ...base64Forms(plain), ...longLines(secret)];
  return encoded.map((form) => Buffer.from(form)).filter((form) => form.length >= shortestSecret);
}

/** Base64 depends on where in the encoded bytes the secret begins, modulo three; what depends on its neighbours is left out. */
function base64Forms(plain: Buffer): string[] {
  const forms = [plain.toString('base64'), plain.toString('base64').replace(/=+$/, '')];
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), plain]).toString('base64');
    forms.push(text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + plain.length) * 8) / 6)));
  }
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}

function longLines(secret: string): string[] {
  const lines = secret.split(/\r?\n/);
  if (lines.length < 2) return [];
  // The frame of a PEM file is no secret, and everybody's logs may show one.
  return lines.map((line) => line.trim()).filter((line) => line.length >= shortestLine && !line.startsWith('-----'));
}

interface Run {
  start: number;
  end: number;
}

/** Overlapping occurrences as one run, in order. */
function* secretRuns(patterns: SecretPatterns, raw: Buffer): Generator<Run, void> {
  const limit = runLimit(patterns);
  let run: Run | undefined;
  for (const found of occurrences(patterns, raw)) {
    if (run && found.start < run.end) {
      if (run.end - run.start < limit) run.end = Math.max(run.end, found.end);
      continue;
    }
    if (run) yield run;
    run = found;
  }
  if (run) yield run;
}

/** Wu and Manber 1994: look at two bytes, skip as far as no pattern can have them. Cost hardly grows with the patterns. */
function* occurrences(patterns: SecretPatterns, raw: Buffer): Generator<Run, void> {
  const { shift, shortest } = patterns;
  let last = shortest - 1;
  while (last < raw.length) {
    const pair = (raw[last - 1]! << 8) | raw[last]!;
    const distance = shift[pair]!;
    if (distance > 0) {
      last += distance;
      continue;
    }
    const start = last - shortest + 1;
    const found = patterns.byPair.get(pair)?.find((pattern) => beginsAt(raw, start, pattern));
    if (found) yield { start, end: start + found.length };
    last += 1;
  }
}

function beginsAt(raw: Buffer, start: number, pattern: Buffer): boolean {
  const end = start + pattern.length;
  return raw[start] === pattern[0] && end <= raw.length && raw.compare(pattern, 0, pattern.length, start, end) === 0;
}

/** Where the earliest secret may begin that more bytes would complete. */
function firstPossibleStart(patterns: SecretPatterns, raw: Buffer): number {
  for (let start = Math.max(0, raw.length - patterns.longest + 1); start < raw.length; start += 1) {
    const rest = raw.length - start;
    const candidates = patterns.byFirstByte.get(raw[start]!) ?? [];
    if (candidates.some((pattern) => pattern.length > rest && raw.compare(pattern, 0, rest, start) === 0)) return start;
  }
  return raw.length;
}

function shiftTable(patterns: readonly Buffer[], shortest: number): Uint16Array {
  const shift = new Uint16Array(patterns.length === 0 ? 0 : 65536).fill(shortest - 1);
  for (const pattern of patterns) {
    for (let last = 1; last < shortest; last += 1) {
      const pair = pairAt(pattern, last);
      shift[pair] = Math.min(shift[pair]!, shortest - 1 - last);
    }
  }
  return shift;
}

function pairAt(bytes: Buffer, last: number): number {
  return (bytes[last - 1]! << 8) | bytes[last]!;
}
