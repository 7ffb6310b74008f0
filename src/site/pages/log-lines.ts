import type { LogLine } from '../../archive/archive.ts';
import { DEEPEST_FOLD } from '../../core/log-folds.ts';
import { type LineParts, readLogLine, type Stamp, stampText } from '../../core/log-line.ts';
import { createLineRenderer, type LineRenderer } from '../ansi.ts';
import { fragment, type Html, joined, number } from '../html.ts';
import { searchPattern } from '../log-finder.ts';

/** What is shown at the lines of a log, beside the log. */
export interface LineOptions {
  /** Lines that somebody asked for. */
  target?: { from: number; to: number };
  /** Highlighted. */
  text?: string;
  /** Lines that are known to tell of failed tests, whatever they look like. */
  tests?: ReadonlySet<number>;
  /** The groups and phases that the first line is in, the outermost first. */
  around?: LogLine[];
}

interface Shown {
  line: LogLine;
  parts: LineParts;
  isTarget: boolean;
}

/** The lines of one window, in order: flat, for the script that appends them. */
export function logLines(lines: LogLine[], options: LineOptions = {}): Html {
  const draw = lineDrawer(options);
  return joined(lines.map((line) => draw(shownOf(line, options))));
}

/**
 * The same with what folds in <details>, so that it folds without the script. A phase is open; a group is, if a reader
 * looks for something in it, or it goes on before or behind the window. The head of what began before the window stands
 * above it, without an anchor: the line itself is elsewhere.
 */
export function foldedLines(lines: LogLine[], options: LineOptions): Html {
  const { around = [] } = options;
  const draw = lineDrawer(options);
  const root: Fold = { items: [], isPhase: true, isWanted: true, isEnded: true };
  const open = [root];
  for (const line of around) openAround(shownOf(line, {}), open);
  for (const line of lines) place(shownOf(line, options), open, options);
  return joined(root.items.map((item) => drawItem(item, draw)));
}

export const hasStamps = (lines: LogLine[]): boolean => lines.some(({ text }) => readLogLine(text).stamp);

interface Fold {
  head?: Shown;
  items: (Shown | Fold)[];
  isPhase: boolean;
  isWanted: boolean;
  isEnded: boolean;
  /** It began before the window. */
  isAround?: true;
}

function openAround(head: Shown, open: Fold[]): void {
  const isPhase = head.parts.fold === 'phase';
  const begun: Fold = { head, items: [], isPhase, isWanted: true, isEnded: false, isAround: true };
  open.at(-1)!.items.push(begun);
  open.push(begun);
}

function place(shown: Shown, open: Fold[], options: LineOptions): void {
  const { fold } = shown.parts;
  if (fold === 'phase' || fold === 'end-phase') for (const inner of open.slice(2)) inner.isEnded = true;
  if (fold === 'phase') for (const before of open.splice(1)) before.isEnded = true;
  if (fold === 'phase' || (fold === 'group' && open.length <= DEEPEST_FOLD)) {
    const begun: Fold = { head: shown, items: [], isPhase: fold === 'phase', isWanted: false, isEnded: false };
    open.at(-1)!.items.push(begun);
    open.push(begun);
  } else open.at(-1)!.items.push(shown);
  if (isWanted(shown, options)) for (const around of open) around.isWanted = true;
  if (fold === 'end-group' && open.length > 1 && !open.at(-1)!.isPhase) open.pop()!.isEnded = true;
  if (fold === 'end-phase') for (const ended of open.splice(1)) ended.isEnded = true;
}

function isWanted({ line, parts, isTarget }: Shown, { text, tests }: LineOptions): boolean {
  if (isTarget || parts.mark !== undefined || tests?.has(line.number)) return true;
  return text !== undefined && searchPattern(text).test(line.text);
}

const FLAGS = { open: fragment` open`, growing: fragment` data-growing`, phase: fragment` data-phase` };

function drawItem(item: Shown | Fold, draw: DrawLine): Html {
  if ('line' in item) return draw(item);
  const { isPhase, isEnded, isAround } = item;
  // The first line began another phase: nothing here is in this one.
  if (isAround && isEmpty(item)) return NOTHING;
  const isOpen = isPhase || item.isWanted || !isEnded;
  const start = fragment`<details class="lines"${isOpen ? FLAGS.open : ''}${isEnded ? '' : FLAGS.growing}${isPhase ? FLAGS.phase : ''}>`;
  // The head first: a colour lasts from a line to the next ones.
  const head = isAround ? drawAround(item.head!) : draw(item.head!, 'summary');
  return joined([start, head, ...item.items.map((each) => drawItem(each, draw)), END]);
}

const END = fragment`</details>`;
const NOTHING = fragment``;

const isEmpty = ({ items }: Fold): boolean =>
  items.every((item) => !('line' in item) && item.isAround && isEmpty(item));

/** Its colours end with it, and there is no second line of its number. */
function drawAround({ line, parts }: Shown): Html {
  const render = createLineRenderer();
  return fragment`<summary class="line around" data-tone="heading"><span data-n="${line.number}"></span>${parts.stamp ? stampColumn(parts.stamp) : ''}<span class="text">${lineText(parts, render)}</span></summary>`;
}

type DrawLine = (shown: Shown, tag?: 'div' | 'summary') => Html;

function shownOf(line: LogLine, { target }: LineOptions): Shown {
  const isTarget = target !== undefined && line.number >= target.from && line.number <= target.to;
  return { line, parts: readLogLine(line.text), isTarget };
}

function lineDrawer({ text, tests, target }: LineOptions): DrawLine {
  const render = createLineRenderer(text === undefined ? undefined : highlighter(text));
  return ({ line, parts, isTarget }, tag = 'div') => {
    const n = line.number;
    const mark = tests?.has(n) ? 'test' : parts.mark;
    const { fold, tone } = parts;
    const attributes = fragment`class="line${isTarget ? ' marked' : ''}" id="L${n}"${mark ? fragment` data-mark="${mark}"` : ''}${fold ? fragment` data-fold="${fold}"` : ''}${tone ? fragment` data-tone="${tone}"` : ''}`;
    // Without an anchor in the address, the browser shows what has the focus.
    const focus = target?.from === n ? AUTOFOCUS : '';
    const content = fragment`${parts.stamp ? stampColumn(parts.stamp) : ''}<span class="text">${lineText(parts, render)}${cutNote(line)}</span>`;
    // What folds is worked by a click, so its number is no link in it; the script makes it one.
    return tag === 'summary'
      ? fragment`<summary ${attributes}${focus}><span data-n="${n}"></span>${content}</summary>`
      : fragment`<div ${attributes}><a href="#L${n}" data-n="${n}" aria-label="Line ${n}${mark ? LABELS[mark] : ''}"${focus}></a>${content}</div>`;
  };
}

const LABELS = { test: ', failed test', error: ', error' };
const AUTOFOCUS = fragment` autofocus`;

function stampColumn(stamp: Stamp): Html {
  const whole = 'iso' in stamp ? stamp.iso : `${stamp.seconds} s after the start`;
  return fragment`<span class="at" title="${whole}">${stampText(stamp)}</span>`;
}

function lineText({ text, command }: LineParts, render: LineRenderer): Html {
  if (command === 0) return render(text);
  return fragment`<span class="cmd">${text.slice(0, command)}</span>${render(text.slice(command))}`;
}

const cutNote = ({ cut }: LogLine): Html | string =>
  cut ? fragment`<em class="cut">… (${number(cut)} bytes, see raw)</em>` : '';

/** In one piece of text; the rest of a line with more than that is not highlighted. */
const MOST_HIGHLIGHTS = 50;

function highlighter(wanted: string): (text: string) => Html {
  const pattern = searchPattern(wanted);
  return (text) => {
    const pieces: Html[] = [];
    let at = 0;
    for (const found of text.matchAll(pattern)) {
      if (pieces.length >= 2 * MOST_HIGHLIGHTS) break;
      pieces.push(fragment`${text.slice(at, found.index)}`, fragment`<mark>${found[0]}</mark>`);
      at = found.index + found[0].length;
    }
    return pieces.length === 0 ? fragment`${text}` : joined([...pieces, fragment`${text.slice(at)}`]);
  };
}
