import { manifestMessages } from './messages-manifest.ts';
import { isBranchRef } from './ref.ts';
import { cutText, stripAnsi } from './text.ts';

/**
 * What a pin file says: which commit of another repository this one is built with. It is written by people and by
 * release scripts; of Raku's 3,049 real ones six are malformed: conflict markers, two lines, `YYYY.MM`.
 *
 * - `describe`: `2026.07-9-gd4d8fa314`, what `git describe` prints: that commit; the tag in it is decoration.
 * - `tag`: `2026.08`, its commit when it is annotated. A tag only (`refs/tags/…`), whoever looks it up: were branches
 *   taken as well, `main` would be a pin that moves.
 * - `sha`: whole, or at least 7 digits of it. Seven digits may be a date as well, so a tag of that name comes first.
 *
 * Everything else is malformed, with the reason in words. Whether the commit exists is another question.
 */
export type Pin = Revision | MalformedPin;

export interface Revision {
  kind: 'describe' | 'tag' | 'sha';
  /** The pin without the white space around it. */
  text: string;
  /** Of `describe` and `sha`: what the commit's sha begins with, in lower-case hex. */
  sha?: string;
}

export interface MalformedPin {
  kind: 'malformed';
  /** The end of a sentence about the file. */
  why: string;
  /** The file, cut and without control characters, for showing. */
  text: string;
}

/** No pin file is longer, with all its white space. */
export const PIN_BYTES = 1_000;

const SHOWN_BYTES = 300;

/** `content`: the file, or at least its first `PIN_BYTES` + 1 bytes. */
export function readPin(content: Uint8Array | string): Pin {
  // A character has at least one byte: what is left out would not be read.
  const bytes = typeof content === 'string' ? Buffer.from(content.slice(0, PIN_BYTES + 1)) : content;
  const text = decoded(bytes.subarray(0, PIN_BYTES));
  const why = bytes.length > PIN_BYTES ? manifestMessages.pin.huge(PIN_BYTES) : mistakeOf(text);
  return why === undefined ? wellFormed(text.trim()) : { kind: 'malformed', why, text: shown(text) };
}

const decoded = (bytes: Uint8Array): string => new TextDecoder('utf-8').decode(bytes);

const shown = (text: string): string => cutText(stripAnsi(text).trim(), SHOWN_BYTES);

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const ABBREVIATED = /^[0-9a-f]{7,39}$/;
const DESCRIBED = /.-\d+-g([0-9a-f]{7,40}|[0-9a-f]{64})$/;

function wellFormed(text: string): Revision {
  const described = DESCRIBED.exec(text)?.[1];
  if (described) return { kind: 'describe', text, sha: described };
  return SHA.test(text) || ABBREVIATED.test(text) ? { kind: 'sha', text, sha: text } : { kind: 'tag', text };
}

/** What the text may name, in the order in which it is looked up. */
export function readings(pin: Revision): Revision[] {
  return pin.kind === 'sha' && ABBREVIATED.test(pin.text) ? [{ kind: 'tag', text: pin.text }, pin] : [pin];
}

/** The first thing that is wrong with the file, if something is. */
function mistakeOf(content: string): string | undefined {
  const said = manifestMessages.pin;
  if (/[\0-\x08\x0e-\x1f\x7f\uFFFD]/.test(content)) return said.binary;
  const text = content.trim();
  if (text === '') return said.empty;
  const lines = text.split(/\r\n|[\n\v\f\r\x85\u2028\u2029]/).filter((line) => line.trim() !== '');
  if (lines.some((line) => /^(?:<{7}|={7}|>{7}|\|{7})/.test(line))) return said.conflict;
  if (lines.length > 1) return said.lines(lines.length);
  if (/\s/.test(text)) return said.spaces;
  if (/-dirty$/.test(text)) return said.dirty;
  if (/-\d+-g[0-9a-f]*$/i.test(text) && !DESCRIBED.test(text)) return said.cutDescribe;
  // `YYYY.MM`, a template that was never filled in, and names that move: main, HEAD, latest.
  if (!/\d/.test(text) && !ABBREVIATED.test(text) && !SHA.test(text)) return said.noVersion;
  return isTagName(text) ? undefined : said.notAName;
}

/** The rules of git-check-ref-format(1), and plain ASCII without a leading dash: nobody could tell others apart, or give
 *  them to git safely. */
const isTagName = (text: string): boolean =>
  /^[!-~]+$/.test(text) && !text.startsWith('-') && isBranchRef(`refs/heads/${text}`);
