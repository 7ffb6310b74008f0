import Anser from 'anser';
import { fragment, type Html } from './html.ts';

/**
 * Terminal output as safe HTML: colours become classes, everything else that steers a terminal is removed or made
 * visible. One renderer renders the lines of one window in order, because a colour lasts until it is reset, often lines
 * later.
 */
export type LineRenderer = (text: string) => Html;

/** `show`: what becomes of text without colours of its own; default: escaped. */
export function createLineRenderer(show: (text: string) => Html = escaped): LineRenderer {
  let carried = '';
  return (text) => {
    const clean = harmless(text);
    if (!carried && !clean.includes(ESC)) return show(clean);
    // A fresh parser per line: Anser's list of decorations only grows until a reset, and a hostile log never resets.
    const entries = new Anser().ansiToJson(carried + clean, { use_classes: true, remove_empty: false });
    carried = stateAfter(entries.at(-1));
    return fragment`${entries.filter((entry) => entry.content !== '').map((entry) => span(entry, show))}`;
  };
}

const ESC = '\u001b';
/** More colour changes in one line than a person can see; the rest keeps its text and loses its colours. */
const MAX_CHANGES = 50;

/** Anything that the patterns below look for: most lines have none of it. */
const STEERING = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

// Each pattern excludes ESC from its body, so that a scan never passes the next sequence: linear on any input.
const CSI = /\u001b\[([0-?]*)[ -/]*([@-~])/g;
const STRINGS = /\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
const OTHER_ESCAPES = /\u001b(?!\[)[ -/]*[0-~]/g;
const CONTROLS = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f]/g;
const STRAY_ESC = /\u001b(?!\[[\d;]*m)/g;
// C1 controls, and the marks that reorder text so that it reads as something else (CVE-2021-42574).
const INVISIBLE = /[\u0080-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The text with colour sequences (SGR) as its only control sequences; other controls are shown as symbols (␈). */
export function harmless(text: string): string {
  if (!STEERING.test(text)) return text;
  let changes = 0;
  return lastRewrite(text)
    .replace(STRINGS, '')
    .replace(CSI, (_, parameters: string, final: string) => {
      if (final !== 'm' || !/^[\d;:]{0,64}$/.test(parameters) || ++changes > MAX_CHANGES) return '';
      return `${ESC}[${plainParameters(parameters)}m`;
    })
    .replace(OTHER_ESCAPES, '')
    .replace(STRAY_ESC, '␛')
    .replace(CONTROLS, (control) => (control === '\u007f' ? '␡' : String.fromCharCode(0x2400 + control.charCodeAt(0))))
    .replace(INVISIBLE, (mark) => `⟦U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟧`);
}

/** A progress bar rewrites its line by carriage returns: what a person saw last is the last piece that has text. */
function lastRewrite(text: string): string {
  if (!text.includes('\r')) return text;
  return text.split('\r').findLast((piece) => piece !== '') ?? '';
}

/** ITU-style parameters (`38:2::1:2:3`, `4:3`) as the older form that Anser reads. */
function plainParameters(parameters: string): string {
  if (!parameters.includes(':')) return parameters;
  return parameters
    .replace(/\b4:\d+/g, '4')
    .replaceAll('::', ':')
    .replaceAll(':', ';');
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const DECORATIONS = ['bold', 'dim', 'italic', 'underline', 'strikethrough'] as const;

const escaped = (text: string): Html => fragment`${text}`;

function span(entry: Anser.AnserJsonEntry, show: (text: string) => Html): Html {
  const classes = [
    colourClass(entry.fg, entry.fg_truecolor, 'fg'),
    colourClass(entry.bg, entry.bg_truecolor, 'bg'),
    ...DECORATIONS.filter((name) => entry.decorations.includes(name)).map((name) => `ansi-${name}`),
  ].filter((name) => name !== undefined);
  const content = show(entry.content);
  return classes.length === 0 ? content : fragment`<span class="${classes.join(' ')}">${content}</span>`;
}

/** `ansi-red-fg`; richer palettes go to the nearest of the sixteen, whose shades suit light and dark pages. */
function colourClass(name: string | null, truecolor: string | null, layer: 'fg' | 'bg'): string | undefined {
  if (!name) return undefined;
  if (name === 'ansi-truecolor') return nearestClass(rgbOf(truecolor), layer);
  const palette = /^ansi-palette-(\d+)$/.exec(name);
  if (palette) return nearestClass(paletteRgb(Number(palette[1])), layer);
  return `${name}-${layer}`;
}

type Rgb = [number, number, number];

function rgbOf(text: string | null): Rgb {
  const [red = 0, green = 0, blue = 0] = (text ?? '').split(',').map(Number);
  return [red, green, blue];
}

/** xterm's 256 colours from 16 on: a cube of 6 × 6 × 6, then 24 greys. */
function paletteRgb(index: number): Rgb {
  if (index >= 232) return Array(3).fill(8 + (index - 232) * 10) as Rgb;
  const levels = [0, 95, 135, 175, 215, 255];
  const cube = index - 16;
  return [levels[Math.floor(cube / 36)]!, levels[Math.floor(cube / 6) % 6]!, levels[cube % 6]!];
}

const SIXTEEN: Rgb[] = [0, 1].flatMap((bright) =>
  COLOURS.map((_, bits) => [0, 1, 2].map((bit) => (bits & (1 << bit) ? 187 : 0) + bright * 68) as Rgb),
);

function nearestClass(colour: Rgb, layer: 'fg' | 'bg'): string {
  const distance = (other: Rgb) => other.reduce((sum, level, i) => sum + (level - colour[i]!) ** 2, 0);
  const index = SIXTEEN.reduce((best, other, i) => (distance(other) < distance(SIXTEEN[best]!) ? i : best), 0);
  return `ansi-${index > 7 ? 'bright-' : ''}${COLOURS[index % 8]}-${layer}`;
}

const CODES: Record<string, number> = { bold: 1, dim: 2, italic: 3, underline: 4, strikethrough: 9 };

/** The sequence that brings a fresh parser to the state at the end of a line; empty when nothing is set. */
function stateAfter(entry: Anser.AnserJsonEntry | undefined): string {
  if (!entry) return '';
  const codes = [
    colourCode(entry.fg, entry.fg_truecolor, 0),
    colourCode(entry.bg, entry.bg_truecolor, 10),
    ...DECORATIONS.filter((name) => entry.decorations.includes(name)).map((name) => CODES[name]),
  ].filter((code) => code !== undefined);
  return codes.length === 0 ? '' : `${ESC}[${codes.join(';')}m`;
}

function colourCode(name: string | null, truecolor: string | null, offset: 0 | 10): string | undefined {
  if (!name) return undefined;
  if (name === 'ansi-truecolor') return [38 + offset, 2, ...rgbOf(truecolor)].join(';');
  const palette = /^ansi-palette-(\d+)$/.exec(name);
  if (palette) return `${38 + offset};5;${palette[1]}`;
  const [, bright, colour = ''] = /^ansi-(bright-)?(\w+)$/.exec(name) ?? [];
  return String((bright ? 90 : 30) + offset + COLOURS.indexOf(colour));
}
