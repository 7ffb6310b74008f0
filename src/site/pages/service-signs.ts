import { fragment, type Html, icon } from '../html.ts';

/** Well or not, as symbol and word. */
export function sign(ok: boolean, good = 'ok', bad = 'not ok', isLarge = false): Html {
  return fragment`<span class="badge tone-${ok ? 'good' : 'bad'}${isLarge ? ' badge-large' : ''}">${icon(ok ? 'check' : 'cross')}<span>${ok ? good : bad}</span></span>`;
}

/** Neither well nor not. */
export const quietSign = (word: string, symbol: 'pause' | 'queued' | 'slash'): Html =>
  fragment`<span class="badge tone-quiet">${icon(symbol)}<span>${word}</span></span>`;
