import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import { type Mistake, shown } from './mistake.ts';

/** Keys and list indices from the top of the file. */
export type Path = readonly PropertyKey[];

export interface YamlFile {
  value: unknown;
  /** Where the key at this path stands, or the value if it is a list's entry; the nearest that exists above it. */
  locate(path: Path): { line: number; column: number } | undefined;
  mistakes: Mistake[];
}

/** Far more than anybody writes by hand; little enough to be told what is wrong with it at once. */
export const largestFile = 256_000;
const mostSyntaxErrors = 20;
const deepestNesting = 50;
const mostAliasedNodes = 100;

/** Parse a YAML file of untrusted shape in bounded time; whatever is wrong with it is a mistake, nothing throws. */
export function parseYamlFile(file: string, bytes: Uint8Array): YamlFile {
  if (bytes.length > largestFile)
    return broken(file, 'a file of more than 256 kB', 'a configuration of at most 256 kB');
  const text = decodeUtf8(bytes);
  if (text === undefined) return broken(file, 'bytes that are no UTF-8', 'a text in UTF-8');
  // The parser is recursive: what would exhaust its stack is found by counting before.
  if (isNestedTooDeeply(text)) return broken(file, `more than ${deepestNesting} levels of nesting`, 'a flat file');

  const lines = new LineCounter();
  // Duplicate keys are looked for below, in linear time.
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
  });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const mistakes = [...document.errors, ...document.warnings]
    .slice(0, mostSyntaxErrors)
    .map<Mistake>(({ message, pos }) => ({
      file,
      ...at(pos[0]),
      key: '',
      found: `text that is no YAML (${firstLine(message)})`,
      expected: 'YAML 1.2',
    }));
  if (mistakes.length > 0) return { value: undefined, locate: () => undefined, mistakes };

  const dangling = danglingAliases(file, document, at);
  if (dangling.length > 0) return { value: undefined, locate: () => undefined, mistakes: dangling };
  const plain = plainValue(document);
  if (plain === undefined) {
    return broken(file, 'aliases that multiply', `aliases that stand for ${mostAliasedNodes} values at most`);
  }
  return { value: plain.value, locate: locator(document, at), mistakes: duplicateKeys(file, document, at) };
}

function broken(file: string, found: string, expected: string): YamlFile {
  return { value: undefined, locate: () => undefined, mistakes: [{ file, key: '', found, expected }] };
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Counts brackets (quoted ones too: a configuration has no use for fifty of them) and levels that one line opens
 *  (`- - - -`, `? ? ?`) or that indentation does. An upper bound, in linear time. */
function isNestedTooDeeply(text: string): boolean {
  let brackets = 0;
  for (const character of text) {
    if (character === '[' || character === '{') brackets++;
    else if (character === ']' || character === '}') brackets = Math.max(0, brackets - 1);
    if (brackets > deepestNesting) return true;
  }
  const lines: { indent: number; levels: number }[] = [];
  let levels = 0;
  for (const line of text.split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue;
    const lead = /^[ \t]*(?:[-?:][ \t]+)*/.exec(line)?.[0] ?? '';
    const indent = lead.length - lead.trimStart().length;
    while (lines.length > 0 && lines.at(-1)!.indent >= indent) levels -= lines.pop()!.levels;
    const opened = 1 + (lead.match(/[-?:]/g)?.length ?? 0);
    lines.push({ indent, levels: opened });
    levels += opened;
    if (levels > deepestNesting) return true;
  }
  return false;
}

type Position = { line: number; column: number };
type Locate = (offset: number) => Position;

/** Every node of the document with its path, each once: aliases are not followed. Not in the document's order. */
function* nodesOf(document: Document): Generator<{ node: unknown; path: Path }> {
  const open: { node: unknown; path: Path }[] = [{ node: document.contents, path: [] }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, path } = next;
    yield next;
    if (isSeq(node))
      for (const [index, item] of node.items.entries()) open.push({ node: item, path: [...path, index] });
    if (isMap(node)) for (const pair of node.items) open.push({ node: pair.value, path: [...path, keyOf(pair)] });
  }
}

/** Aliases before or without their anchor. */
function danglingAliases(file: string, document: Document, at: Locate): Mistake[] {
  const anchors = new Map<string, number>();
  const aliases: { name: string; offset: number; path: Path }[] = [];
  for (const { node, path } of nodesOf(document)) {
    const offset = offsetOf(node) ?? 0;
    if (isAlias(node)) aliases.push({ name: node.source, offset, path });
    else if (isNode(node) && node.anchor) {
      anchors.set(node.anchor, Math.min(offset, anchors.get(node.anchor) ?? Number.POSITIVE_INFINITY));
    }
  }
  return aliases
    .filter(({ name, offset }) => (anchors.get(name) ?? Number.POSITIVE_INFINITY) > offset)
    .map(({ name, offset, path }) => ({
      file,
      ...at(offset),
      key: formatPath(path),
      found: `the alias ${shown(`*${name}`)} without an anchor before it`,
      expected: 'a value, or in quotes if it is a glob',
    }));
}

function duplicateKeys(file: string, document: Document, at: Locate): Mistake[] {
  const mistakes: Mistake[] = [];
  for (const { node, path } of nodesOf(document)) {
    if (!isMap(node)) continue;
    const seen = new Map<string, number>();
    for (const pair of node.items) {
      const key = keyOf(pair);
      const offset = offsetOf(pair.key) ?? 0;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, offset);
      else mistakes.push({ file, ...at(offset), key: formatPath([...path, key]), ...twice(at(first).line) });
    }
  }
  return mistakes;
}

function twice(line: number): Pick<Mistake, 'found' | 'expected'> {
  return { found: `the key for the second time (first in line ${line})`, expected: 'each key once' };
}

function plainValue(document: Document): { value: unknown } | undefined {
  try {
    return { value: document.toJS({ maxAliasCount: mostAliasedNodes }) };
  } catch (error) {
    // The one thing that `yaml` throws on a document without errors.
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

function locator(document: Document, at: Locate): YamlFile['locate'] {
  const indices = new WeakMap<object, Map<string, Pair>>();
  const pairOf = (map: { items: Pair[] }, key: string) => {
    const index = indices.get(map) ?? new Map(map.items.map((pair) => [keyOf(pair), pair]));
    indices.set(map, index);
    return index.get(key);
  };
  return (path) => {
    let node: unknown = document.contents;
    let offset = offsetOf(node);
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(document);
      const pair = isMap(node) ? pairOf(node, String(step)) : undefined;
      const child: unknown = isSeq(node) ? node.items[Number(step)] : pair?.value;
      const below = offsetOf(pair ? pair.key : child);
      if (below === undefined) break;
      offset = below;
      node = child;
    }
    return offset === undefined ? undefined : at(offset);
  };
}

function keyOf(pair: Pair): string {
  return String(isScalar(pair.key) ? pair.key.value : pair.key);
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function firstLine(text: string): string {
  return (text.split(/[\n;]/)[0] ?? '').slice(0, 120);
}

/** `backends[0].slots`, `stack[0].pins["Raku/nqp"]`. */
export function formatPath(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      const key = String(step);
      const short = key.length > 60 ? `${key.slice(0, 59)}…` : key;
      if (!/^[\w-]+$/.test(short)) return `[${JSON.stringify(short)}]`;
      return index === 0 ? short : `.${short}`;
    })
    .join('');
}
