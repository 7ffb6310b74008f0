import { loginMessages } from '../../core/messages-buttons.ts';
import { fragment, type Html, type PageContext, page } from '../html.ts';

/** A page that says what happened, to what, and what the reader can do. `isMissing`: it may be there for somebody else. */
export function errorPage(context: PageContext, heading: string, words: string, isMissing = false): Html {
  const { account } = context;
  const hint =
    isMissing && account?.kind === 'out' && account.isMoreBehind
      ? fragment`<p>${loginMessages.mayBePrivate} <a href="${account.loginUrl}" rel="nofollow">${loginMessages.logIn}</a></p>`
      : '';
  return page(context, {
    title: heading,
    body: fragment`<div class="empty"><h1>${heading}</h1><p>${words}</p>${hint}<p><a href="/runs">All runs</a> · <a href="/ledger">Ledger</a></p></div>`,
  });
}
