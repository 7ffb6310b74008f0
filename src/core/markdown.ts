import { blocksOf, linkLabel } from './markdown-blocks.ts';

/**
 * What of a comment's Markdown is its author's own plain text: not code, not a quote, not a link, not an HTML comment,
 * not struck out. CommonMark 0.31.2 with GitHub's strikethrough and bare links, and raw HTML read as a browser would.
 *
 * One scan, linear in time: whatever looks ahead either consumes what it saw, or remembers that there is nothing.
 * Where people and parsers could differ, less counts: a command that was not heard can be said again.
 */

/** Stands for what does not count. It is in no word, so nothing on its two sides becomes one. */
export const HIDDEN = '\uFFFC';

/** `isWord`: an angle bracket of one of ours begins at this index, and ends before the answered one. To GitHub such a
 *  thing is an unknown tag. */
export type AngleWord = (text: string, index: number) => number | undefined;

/** The paragraphs that count, with HIDDEN for each part that does not. */
export function plainParagraphs(markdown: string, angleWord: AngleWord): string[] {
  const { segments, labels } = blocksOf(markdown);
  const html = new OpenHtml(segments.findLastIndex((segment) => segment.includes('-->')));
  return segments.map((segment, index) => new InlineScanner(segment, index, labels, angleWord, html).plain());
}

/** Elements whose contents are no words of their author's: code, quotes, links, what is struck out or never shown. */
const APART = new Set(
  (
    'a,blockquote,code,del,iframe,kbd,noembed,noframes,plaintext,pre,q,s,samp,script,strike,style,svg,template,' +
    'textarea,title,tt,xmp'
  ).split(','),
);

/** What raw HTML has opened and not yet closed: that goes on over the ends of paragraphs. */
class OpenHtml {
  private readonly depths = new Map<string, number>();
  private open = 0;
  isComment = false;
  /** The last segment in which a comment could end. */
  readonly lastCommentEnd: number;

  constructor(lastCommentEnd: number) {
    this.lastCommentEnd = lastCommentEnd;
  }

  get isApart(): boolean {
    return this.open > 0;
  }

  tag(name: string, isClosing: boolean): void {
    if (!APART.has(name)) return;
    const depth = this.depths.get(name) ?? 0;
    if (isClosing && depth === 0) return;
    this.depths.set(name, isClosing ? depth - 1 : depth + 1);
    this.open += isClosing ? -1 : 1;
  }
}

/** An open `[`; of an image `![`. */
interface Bracket {
  at: number;
  isImage: boolean;
}

class InlineScanner {
  private at = 0;
  private readonly text: string;
  private readonly segment: number;
  private readonly labels: Set<string>;
  private readonly angleWord: AngleWord;
  private readonly html: OpenHtml;
  /** How much more is hidden from here on: a sum over it tells what is. */
  private readonly steps: Int32Array;
  private readonly brackets: Bracket[] = [];
  /** Before this, a `[` begins no link any more: links do not contain links. */
  private linkedUntil = 0;
  private lastBracket = -1;
  private readonly strikes = new Map<number, number>();
  private readonly runs: Map<number, { starts: number[]; next: number }>;
  /** What was looked for in vain up to the end. */
  private readonly absent = new Set<string>();

  constructor(text: string, segment: number, labels: Set<string>, angleWord: AngleWord, html: OpenHtml) {
    this.text = text;
    this.segment = segment;
    this.labels = labels;
    this.angleWord = angleWord;
    this.html = html;
    this.steps = new Int32Array(text.length + 1);
    this.runs = backquoteRuns(text);
  }

  plain(): string {
    if (this.html.isComment) this.at = this.commentEnd(0);
    while (this.at < this.text.length) {
      const wasApart = this.html.isApart;
      const next = this.next();
      if (wasApart) this.hide(next);
      this.at = next;
    }
    return this.withoutHidden();
  }

  /** Where it goes on behind what stands here. */
  private next(): number {
    switch (this.text[this.at]) {
      case '\\':
        return /[!-/:-@[-`{-~]/.test(this.text[this.at + 1] ?? '') ? this.hide(this.at + 2) : this.at + 1;
      case '`':
        return this.codeSpan();
      case '<':
        return this.angle();
      case '!':
        return this.text[this.at + 1] === '[' ? this.openBracket(true, this.at + 1) : this.at + 1;
      case '[':
        return this.openBracket(false, this.at);
      case ']':
        return this.closeBracket(this.at);
      case '~':
        return this.strike();
      default:
        return this.hidden(BARE_LINK) ?? this.at + (this.match(WORDS)?.[0].length ?? 1);
    }
  }

  private codeSpan(): number {
    const length = this.match(/`+/y)![0].length;
    const close = this.nextRun(length, this.at + length);
    return close === undefined ? this.at + length : this.hide(close + length);
  }

  private nextRun(length: number, from: number): number | undefined {
    const runs = this.runs.get(length);
    if (!runs) return undefined;
    while (runs.next < runs.starts.length && runs.starts[runs.next]! < from) runs.next += 1;
    return runs.starts[runs.next];
  }

  private angle(): number {
    const word = this.angleWord(this.text, this.at);
    if (word !== undefined) return word;
    if (this.text.startsWith('<!--', this.at)) return this.hidden(SHORT_COMMENT) ?? this.commentEnd(this.at + 4);
    const declaration = DECLARATIONS.find(([start]) => this.match(start));
    return declaration ? this.declarationEnd(declaration[1]) : (this.hidden(AUTOLINK) ?? this.tag());
  }

  private tag(): number {
    const tag = this.match(OPEN_TAG) ?? this.match(CLOSING_TAG);
    if (!tag) return this.at + 1;
    if (!tag[0].endsWith('/>')) this.html.tag(tag[1]!.toLowerCase(), tag[0][1] === '/');
    return this.hide(this.at + tag[0].length);
  }

  /** To GitHub a comment in a paragraph ends in it, or is none. Who began one meant it, up to its end anywhere. */
  private commentEnd(from: number): number {
    const end = this.find('-->', from);
    this.html.isComment = end === undefined && this.html.lastCommentEnd > this.segment;
    if (end !== undefined) return this.hide(end + 3);
    return this.html.isComment ? this.hide(this.text.length) : from;
  }

  private declarationEnd(mark: string): number {
    const found = this.find(mark, this.at + 2);
    return found === undefined ? this.at + 2 : this.hide(found + mark.length);
  }

  private openBracket(isImage: boolean, mark: number): number {
    this.brackets.push({ at: this.at, isImage });
    this.lastBracket = mark;
    return mark + 1;
  }

  private closeBracket(close: number): number {
    const bracket = this.brackets.pop();
    if (!bracket || (!bracket.isImage && bracket.at < this.linkedUntil)) return close + 1;
    this.at = close + 1;
    const end = this.linkEnd(bracket, close);
    if (end === undefined) return close + 1;
    if (!bracket.isImage) this.linkedUntil = close;
    return this.hide(end, bracket.at);
  }

  /** Behind what makes the brackets before it a link: a destination, another's label, or a label of its own. */
  private linkEnd(bracket: Bracket, close: number): number | undefined {
    const inline = this.text[this.at] === '(' ? this.destinationEnd() : undefined;
    if (inline !== undefined) return inline;
    const label = this.match(LABEL);
    const own = bracket.at + (bracket.isImage ? 2 : 1);
    const named = label?.[1] || (this.canBeLabel(own, close) ? this.text.slice(own, close) : '');
    return this.labels.has(linkLabel(named)) ? this.at + (label?.[0].length ?? 0) : undefined;
  }

  /** A label has no brackets in it, and an end. */
  private canBeLabel(start: number, end: number): boolean {
    return this.labels.size > 0 && this.lastBracket < start && end - start <= 999;
  }

  private destinationEnd(): number | undefined {
    const angle = this.match(ANGLE_DESTINATION);
    const end = angle ? this.at + angle[0].length : bareDestinationEnd(this.text, this.at + 1);
    LINK_END.lastIndex = end;
    return LINK_END.test(this.text) ? LINK_END.lastIndex : undefined;
  }

  /** GitHub strikes out between one or two tildes, and as many. */
  private strike(): number {
    const length = this.match(/~+/y)![0].length;
    const end = this.at + length;
    const opened = this.strikes.get(length);
    if (length > 2) return end;
    if (opened !== undefined && /\S/.test(this.text[this.at - 1] ?? ' ')) {
      this.strikes.clear();
      return this.hide(end, opened);
    }
    if (/\S/.test(this.text[end] ?? ' ')) this.strikes.set(length, this.at);
    return end;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text);
  }

  private find(what: string, from: number): number | undefined {
    if (this.absent.has(what)) return undefined;
    const found = this.text.indexOf(what, from);
    if (found !== -1) return found;
    this.absent.add(what);
    return undefined;
  }

  private hidden(pattern: RegExp): number | undefined {
    const match = this.match(pattern);
    return match ? this.hide(this.at + match[0].length) : undefined;
  }

  /** Answers the end. */
  private hide(end: number, start = this.at): number {
    const last = Math.min(end, this.text.length);
    this.steps[start]! += 1;
    this.steps[last]! -= 1;
    return last;
  }

  private withoutHidden(): string {
    const parts: string[] = [];
    let hidden = 0;
    let shownFrom = 0;
    for (let index = 0; index <= this.text.length; index += 1) {
      const was = hidden;
      hidden += this.steps[index]!;
      if (was === 0 && hidden > 0) parts.push(this.text.slice(shownFrom, index), HIDDEN);
      if (hidden === 0 && was > 0) shownFrom = index;
    }
    return hidden === 0 ? parts.join('') + this.text.slice(shownFrom) : parts.join('');
  }
}

/** Where runs of how many backquotes start. */
function backquoteRuns(text: string): Map<number, { starts: number[]; next: number }> {
  const runs = new Map<number, { starts: number[]; next: number }>();
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    const known = runs.get(run.length);
    if (known) known.starts.push(index);
    else runs.set(run.length, { starts: [index], next: 0 });
  }
  return runs;
}

/** Up to a space, or a parenthesis that closes none of its own. CommonMark asks for at least three levels of them, its
 *  reference parser has 32: without an end, each of a million would look at all the others. */
function bareDestinationEnd(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (/\s/.test(text[at] ?? '')) at += 1;
  for (; at < text.length; at += 1) {
    const character = text[at]!;
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    if (depth < 0 || depth > 32 || character <= ' ') break;
  }
  return at;
}

const DECLARATIONS: [start: RegExp, end: string][] = [
  [/<\?/y, '?>'],
  [/<!\[CDATA\[/y, ']]>'],
  [/<![a-z]/iy, '>'],
];

/** A bare link begins with a letter, and behind none: so letters are one step, and what is between them another. */
const WORDS = /[a-z0-9]+|[^\\`<![\]~a-z0-9]+/iy;
const BARE_LINK = /(?:https?:\/\/|www\.)[^\s<`\]]*/iy;
const SHORT_COMMENT = /<!--(?:>|->)/y;
const AUTOLINK = /<(?:[a-z][a-z0-9+.-]{1,31}:[^\s<>]*|[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9.-]{1,255})>/iy;

/** An attribute's whitespace, name and value have one reading each: no match is tried twice. */
const ATTRIBUTE = '\\s+[a-z_:][\\w.:-]*(?:\\s*=\\s*(?:"[^"]*"|\'[^\']*\'|[^\\s"\'=<>`]+))?';
const OPEN_TAG = new RegExp(`<([a-z][a-z0-9-]*)(?:${ATTRIBUTE}){0,200}\\s*/?>`, 'iy');
const CLOSING_TAG = /<\/([a-z][a-z0-9-]*)\s*>/iy;

const LABEL = /\[((?:[^[\]\\]|\\.){0,999})\]/y;
const ANGLE_DESTINATION = /\(\s*<(?:[^<>\n\\]|\\.)*>/y;
const LINK_END = /(?:\s+(?:"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'|\([^()\\]*(?:\\.[^()\\]*)*\)))?\s*\)/sy;
