import { runsMessages } from '../core/messages-runs.ts';
import { fragment, type Html } from './html.ts';
import type { BranchState } from './reader-runs.ts';

/** A picture of a verdict, to be embedded elsewhere: nothing in it is fetched, and nothing of it is styled from outside. */
export interface Badge {
  label: string;
  repository: string;
  branch?: string;
  state?: BranchState;
}

const COLOURS: Record<BadgeState, string> = {
  passed: '#1a7035',
  failed: '#c0202e',
  error: '#8a5300',
  running: '#0a57c2',
  unknown: '#59636e',
};
type BadgeState = 'passed' | 'failed' | 'error' | 'running' | 'unknown';

const badgeState = (state?: BranchState): BadgeState => state?.verdict ?? (state?.isRunning ? 'running' : 'unknown');

export function badgeSvg({ label, repository, branch, state }: Badge): Html {
  const word = badgeState(state);
  const words = runsMessages.badge[word];
  const left = Math.round(textWidth(label)) + 12;
  const right = Math.round(textWidth(words)) + 12;
  const width = left + right;
  const title = runsMessages.badge.title(repository, state?.branch ?? branch, words);
  const text = (shown: string, from: number, space: number) =>
    fragment`<text x="${from + space / 2}" y="14" textLength="${space - 12}" lengthAdjust="spacingAndGlyphs">${printable(shown)}</text>`;
  return fragment`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" viewBox="0 0 ${width} 20" role="img" aria-label="${printable(title)}">
<title>${printable(title)}</title>
<clipPath id="r"><rect width="${width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="${left}" height="20" fill="#24292f"/><rect x="${left}" width="${right}" height="20" fill="${COLOURS[word]}"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">${text(label, 0, left)}${text(words, left, right)}</g>
</svg>
`;
}

/** Characters that XML 1.0 has no way to write, escaped or not. */
export const printable = (text: string): string =>
  text.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');

const NARROW = new Set("iljtfrI!|.,:;'()[]{}/ -");
const WIDE = new Set('mwMW@%_');

/** About what Verdana takes at 11 px. `textLength` makes the browser keep to it, whatever font it has. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (character > '\u2e7f') width += 11;
    else if (NARROW.has(character)) width += 4.6;
    else if (WIDE.has(character)) width += 10.2;
    else width += /[A-Z]/.test(character) ? 7.9 : 6.9;
  }
  return width;
}
