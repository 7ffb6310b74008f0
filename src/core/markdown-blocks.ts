/**
 * The block structure of Markdown, as far as it decides where words stand: in a paragraph, in a quote, in a code block.
 *
 * It follows CommonMark 0.31.2, "Overview of the parsing strategy", phase 1: each line first continues the containers
 * (quotes, list items) that it can, then opens new ones, and what is left of it goes to a leaf. One pass, no looking back.
 */
export interface Blocks {
  /** The paragraphs, headings and blocks of raw HTML outside quotes and code blocks, without their containers' marks. */
  segments: string[];
  /** Labels of link reference definitions, normalised by `linkLabel`. */
  labels: Set<string>;
}

type Container = { kind: 'quote' } | { kind: 'item'; indent: number };
type Leaf =
  | { kind: 'paragraph'; lines: string[] }
  | { kind: 'fence'; character: string; length: number }
  /** `end`: what its last line contains; without it, a blank line ends it. */
  | { kind: 'html'; lines: string[]; end?: RegExp };

/** GitHub's own parser has such a limit, too: without one, a line of a million marks would cost each line after it. */
const DEEPEST = 50;

export function blocksOf(markdown: string): Blocks {
  const scanner = new BlockScanner();
  for (const line of markdown.split(/\r\n|\n|\r/)) scanner.take(withoutTabs(line));
  return scanner.end();
}

/** CommonMark, "Matches": labels are compared without case and with one space for many. */
export const linkLabel = (label: string): string => label.trim().replace(/\s+/g, ' ').toLowerCase();

class BlockScanner {
  private readonly blocks: Blocks = { segments: [], labels: new Set() };
  private containers: Container[] = [];
  private leaf: Leaf | undefined;

  take(line: string): void {
    const { rest, matched } = this.continueContainers(line);
    const isContinued = matched === this.containers.length;
    if (isContinued && this.leaf?.kind === 'fence') this.inFence(rest, this.leaf);
    else if (isContinued && this.leaf?.kind === 'html') this.inHtml(rest, this.leaf);
    else this.openBlocks(rest, matched);
  }

  end(): Blocks {
    this.closeTo(0);
    return this.blocks;
  }

  /** How many of the open containers this line continues, and what it has after their marks. */
  private continueContainers(line: string): { rest: string; matched: number } {
    let rest = line;
    let matched = 0;
    for (const container of this.containers) {
      const indent = indentOf(rest);
      if (container.kind === 'quote') {
        if (indent > 3 || rest[indent] !== '>') break;
        rest = rest.slice(quoteMarkEnd(rest, indent));
      } else if (indent === rest.length) {
        rest = '';
      } else if (indent >= container.indent) {
        rest = rest.slice(container.indent);
      } else break;
      matched += 1;
    }
    return { rest, matched };
  }

  private inFence(rest: string, fence: Extract<Leaf, { kind: 'fence' }>): void {
    const closing = /^ {0,3}(`+|~+) *$/.exec(rest)?.[1];
    if (closing?.[0] === fence.character && closing.length >= fence.length) this.leaf = undefined;
  }

  private inHtml(rest: string, html: Extract<Leaf, { kind: 'html' }>): void {
    if (!html.end && isBlank(rest)) this.closeLeaf();
    else html.lines.push(rest);
    if (html.end?.test(rest)) this.emit(html.lines);
  }

  private openBlocks(line: string, matched: number): void {
    let rest = line;
    let open = matched;
    // A paragraph whose containers the line does not continue still takes it, unless something new begins.
    let paragraph = this.leaf?.kind === 'paragraph' ? this.leaf : undefined;
    let start = this.startOf(rest, open, paragraph !== undefined);
    while (typeof start === 'object') {
      this.closeTo(open);
      this.containers.push(start.container);
      rest = rest.slice(start.length);
      open += 1;
      paragraph = undefined;
      start = this.startOf(rest, open, false);
    }
    if (start === 'leaf') this.openLeaf(rest, open, paragraph);
    else this.closeTo(open);
  }

  /** What a line begins with; `nothing`: it has no words, or none that could be for us. */
  private startOf(
    rest: string,
    open: number,
    isInParagraph: boolean,
  ): { container: Container; length: number } | 'leaf' | 'nothing' {
    const indent = indentOf(rest);
    if (indent === rest.length || open >= DEEPEST) return 'nothing';
    // Indented code, or a paragraph that goes on.
    if (indent > 3) return isInParagraph ? 'leaf' : 'nothing';
    if (rest[indent] === '>') return { container: { kind: 'quote' }, length: quoteMarkEnd(rest, indent) };
    const isParagraphHere = isInParagraph && open === this.containers.length;
    // The underline of a heading, or a line across.
    if ((isParagraphHere && /^ {0,3}(?:=+|-+) *$/.test(rest)) || isThematicBreak(rest)) return 'nothing';
    const item = itemIndent(rest, indent, isParagraphHere);
    return item === undefined ? 'leaf' : { container: { kind: 'item', indent: item }, length: item };
  }

  private openLeaf(line: string, open: number, paragraph: Extract<Leaf, { kind: 'paragraph' }> | undefined): void {
    const rest = line.trimStart();
    const fence = indentOf(line) > 3 ? undefined : fenceStart(rest);
    if (fence) {
      this.closeTo(open);
      this.leaf = { kind: 'fence', character: fence[0]!, length: fence.length };
    } else if (indentOf(line) <= 3 && /^#{1,6}(?: |$)/.test(rest)) {
      this.closeTo(open);
      this.emit([rest]);
    } else if (indentOf(line) <= 3 && this.openHtml(rest, open)) {
      return;
    } else if (paragraph) {
      paragraph.lines.push(rest);
    } else {
      this.closeTo(open);
      this.leaf = { kind: 'paragraph', lines: [rest] };
    }
  }

  private openHtml(rest: string, open: number): boolean {
    const start = HTML_STARTS.find(([mark]) => mark.test(rest));
    if (!start) return false;
    const end = start[1];
    this.closeTo(open);
    if (end?.test(rest)) this.emit([rest]);
    else this.leaf = { kind: 'html', lines: [rest], end };
    return true;
  }

  private closeTo(keep: number): void {
    this.closeLeaf();
    this.containers.length = Math.min(keep, this.containers.length);
  }

  private closeLeaf(): void {
    if (this.leaf?.kind === 'paragraph') this.emit([this.withoutDefinitions(this.leaf.lines.join('\n'))]);
    // One that waits for its end, a comment for instance, has everything up to the end of its container for itself.
    else if (this.leaf?.kind === 'html' && !this.leaf.end) this.emit(this.leaf.lines);
    this.leaf = undefined;
  }

  private emit(lines: string[]): void {
    this.leaf = undefined;
    const text = lines.join('\n');
    if (text && !this.containers.some((container) => container.kind === 'quote')) this.blocks.segments.push(text);
  }

  private withoutDefinitions(paragraph: string): string {
    let start = 0;
    for (;;) {
      DEFINITION.lastIndex = start;
      const definition = DEFINITION.exec(paragraph);
      if (!definition) return paragraph.slice(start);
      this.blocks.labels.add(linkLabel(definition[1]!));
      start = DEFINITION.lastIndex;
    }
  }
}

const DEFINITION =
  /\[((?:[^[\]\\]|\\.){1,999})\]:[ \n]*(?:<[^<>\n]*>|[^\s<]\S*)(?:[ \n]+(?:"[^"]*"|'[^']*'|\([^()]*\)))? *(?:\n|$)/y;

const indentOf = (line: string): number => {
  let indent = 0;
  while (line[indent] === ' ') indent += 1;
  return indent;
};

const isBlank = (line: string): boolean => indentOf(line) === line.length;

/** With spaces up to the next multiple of four instead. */
function withoutTabs(line: string): string {
  if (!line.includes('\t')) return line;
  const [first, ...parts] = line.split('\t');
  let column = first!.length;
  const spaced = [first!];
  for (const part of parts) {
    const spaces = 4 - (column % 4);
    spaced.push(' '.repeat(spaces), part);
    column += spaces + part.length;
  }
  return spaced.join('');
}

const quoteMarkEnd = (line: string, indent: number): number => indent + (line[indent + 1] === ' ' ? 2 : 1);

function isThematicBreak(line: string): boolean {
  if (!/^ *[-*_]/.test(line)) return false;
  const marks = line.replaceAll(' ', '');
  return marks.length >= 3 && /^(?:\*+|-+|_+)$/.test(marks);
}

/** The first line of a list's item: where its contents begin. An empty item, and a number other than 1, are no items in
 *  the middle of a paragraph. */
function itemIndent(line: string, indent: number, isInParagraph: boolean): number | undefined {
  const mark = /^(?:[-+*]|(\d{1,9})[.)])(?= |$)/.exec(line.slice(indent, indent + 11));
  if (!mark) return undefined;
  const markEnd = indent + mark[0].length;
  const spaces = indentOf(line.slice(markEnd));
  const isEmpty = markEnd + spaces === line.length;
  if (isInParagraph && (isEmpty || (mark[1] !== undefined && Number(mark[1]) !== 1))) return undefined;
  // Five spaces and more: one belongs to the mark, the others begin indented code.
  return markEnd + (isEmpty || spaces > 4 ? 1 : spaces);
}

/** The marks of an opening fence; what stands after backquotes contains none. */
const fenceStart = (rest: string): string | undefined =>
  /^(?:(`{3,})[^`]*|(~{3,}).*)$/s.exec(rest)?.slice(1).find(Boolean);

const BLOCK_TAGS =
  'address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|' +
  'fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|' +
  'menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|' +
  'track|ul';

/** CommonMark, "HTML blocks", kinds 1 to 6, in order, with what ends them. Kind 7, a single tag of any other name, makes
 *  no difference here: as a paragraph its tags and words are the same. */
const HTML_STARTS: [start: RegExp, end?: RegExp][] = [
  [/^<(?:script|pre|style|textarea)(?=[ >]|$)/i, /<\/(?:script|pre|style|textarea)>/i],
  [/^<!--/, /-->/],
  [/^<\?/, /\?>/],
  [/^<![a-z]/i, />/],
  [/^<!\[CDATA\[/, /\]\]>/],
  [new RegExp(`^</?(?:${BLOCK_TAGS})(?= |/?>|$)`, 'i')],
];
