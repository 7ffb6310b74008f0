import { XMLParser, XMLValidator } from 'fast-xml-parser';

/**
 * XML as OBS speaks it: elements, attributes and text, nothing else, in the order in which they were written. Values
 * stay text: a srcmd5 of digits only, and a version `1.10`, are no numbers. Document types are refused, so no entity can
 * grow or reach out.
 */
export interface XmlElement {
  name: string;
  attributes: ReadonlyMap<string, string>;
  children: XmlElement[];
  /** Its own text, its children's left out. */
  text: string;
}

export class XmlError extends Error {
  override readonly name = 'XmlError';
}

/** More than the largest answer that is asked for: the list of all projects of a large server. */
const MOST_CHARACTERS = 16 * 2 ** 20;
const MOST_DEPTH = 64;
const TEXT = '#text';
const CDATA = '#cdata';
const ATTRIBUTES = ':@';

// Its defaults make numbers of digits. Entities are left to us: it counts them, and refuses a list with many details.
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  textNodeName: TEXT,
  cdataPropName: CDATA,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: MOST_DEPTH,
});

/** What the parser makes of one element, text, or CDATA: an object with its name as key. */
type Parsed = Record<string, unknown>;

/** The root element. Throws XmlError for what is not one whole, well-formed document. */
export function parseXml(text: string): XmlElement {
  if (text.length > MOST_CHARACTERS) throw new XmlError(`longer than ${MOST_CHARACTERS} characters`);
  if (/<!DOCTYPE/i.test(text)) throw new XmlError('it has a document type');
  const roots = parsed(text).filter((each) => !(TEXT in each));
  if (roots.length !== 1) throw new XmlError('not one root element');
  return elementOf(roots[0]!);
}

/** The parser takes much for granted that the validator knows to be wrong. */
function parsed(text: string): Parsed[] {
  let wrong: ReturnType<typeof XMLValidator.validate>;
  let nodes: Parsed[];
  try {
    wrong = XMLValidator.validate(text);
    nodes = wrong === true ? parser.parse(text) : [];
  } catch (error) {
    throw new XmlError(brief(error instanceof Error ? error.message : String(error)), { cause: error });
  }
  if (wrong !== true) throw new XmlError(`not XML in line ${wrong.err.line}: ${brief(wrong.err.msg)}`);
  return nodes;
}

/** It cites what it does not understand. */
const brief = (text: string): string => text.slice(0, 200);

function elementOf(node: Parsed): XmlElement {
  const name = Object.keys(node).find((key) => key !== ATTRIBUTES)!;
  const attributes = Object.entries((node[ATTRIBUTES] ?? {}) as Record<string, string>);
  const element: XmlElement = {
    name,
    attributes: new Map(attributes.map(([key, value]) => [key, unescapeXml(value)])),
    children: [],
    text: '',
  };
  for (const inner of node[name] as Parsed[]) {
    if (TEXT in inner) element.text += unescapeXml(String(inner[TEXT]));
    else if (CDATA in inner) element.text += (inner[CDATA] as Parsed[]).map((each) => each[TEXT]).join('');
    else element.children.push(elementOf(inner));
  }
  return element;
}

const ENTITIES = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|(\w{1,10}));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES.get(name) ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

export const childOf = (parent: XmlElement, name: string): XmlElement | undefined =>
  parent.children.find((child) => child.name === name);

export const childrenOf = (parent: XmlElement, name: string): XmlElement[] =>
  parent.children.filter((child) => child.name === name);

/** The text of a child; undefined when it is not there or empty. */
export const textOf = (parent: XmlElement, name: string): string | undefined =>
  childOf(parent, name)?.text.trim() || undefined;

/** What XML 1.0 cannot hold, however it is written. */
const UNSPEAKABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
const ESCAPES: Record<string, string> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;', '\n': '&#10;' };

const escapeText = (text: string): string => text.replace(UNSPEAKABLE, '\ufffd').replace(/[<>&]/g, (c) => ESCAPES[c]!);
const escapeValue = (text: string): string =>
  text.replace(UNSPEAKABLE, '\ufffd').replace(/[<>&"\n]/g, (c) => ESCAPES[c]!);

export type XmlAttributes = Record<string, string | undefined>;

/** One element as text. A string among the contents is text, and escaped; what `xml` made goes in as it is. */
export function xml(name: string, attributes: XmlAttributes = {}, contents: (string | XmlText)[] = []): XmlText {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const head = `${name}${given.map(([key, value]) => ` ${key}="${escapeValue(value!)}"`).join('')}`;
  const body = contents.map((each) => (typeof each === 'string' ? escapeText(each) : each.xml)).join('');
  return { xml: body === '' ? `<${head}/>` : `<${head}>${body}</${head.split(' ', 1)[0]}>` };
}

export interface XmlText {
  xml: string;
}
