import { fragment, type Html, type PageContext, page } from '../html.ts';

/** A page that says what happened, to what, and what the reader can do. */
export function errorPage(context: PageContext, heading: string, words: string): Html {
  return page(context, {
    title: heading,
    body: fragment`<div class="empty"><h1>${heading}</h1><p>${words}</p><p><a href="/runs">All runs</a> · <a href="/ledger">Ledger</a></p></div>`,
  });
}
