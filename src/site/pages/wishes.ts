import { runPageMessages, wishWords } from '../../core/messages-run-page.ts';
import {
  badge,
  coded,
  foreign,
  fragment,
  type Html,
  maybeLink,
  type PageContext,
  shortSha,
  table,
  timeAgo,
} from '../html.ts';
import { withQuery } from '../links.ts';
import type { MergeWishRow, RunDetails } from '../reader.ts';

/** Who asked for the pull request to be merged, and what came of it. */
export function wishesSection(context: PageContext, run: RunDetails, wishes: MergeWishRow[]): Html {
  if (wishes.length === 0) return fragment``;
  return fragment`<section aria-labelledby="wishes"><div class="section-head"><h2 id="wishes">${runPageMessages.wishes}</h2><span class="quiet">${runPageMessages.wishesMeaning}</span></div>
${table(
  'Wishes to merge this pull request',
  ['State', 'Asked by', 'For', 'What came of it'],
  wishes.map((wish) => wishCells(context, run, wish)),
)}</section>`;
}

function wishCells(context: PageContext, run: RunDetails, wish: MergeWishRow): unknown[] {
  const { state, text, names } = wishWords(wish);
  return [
    badge(state),
    fragment`${foreign(wish.requester)}, ${maybeLink(placeOf(context, run, wish), wish.commentId === 'description' ? 'in the description' : 'in a comment')}<div class="quiet">${timeAgo(wish.askedAt, context.now)}</div>`,
    head(context, run, wish),
    fragment`${coded(text)}${nameList(names)}${wish.decision ? fragment`<div class="quiet">decided ${timeAgo(wish.updatedAt, context.now)}</div>` : ''}`,
  ];
}

const placeOf = ({ forge }: PageContext, { repository, number }: RunDetails, { commentId }: MergeWishRow) =>
  number === undefined
    ? undefined
    : commentId === 'description'
      ? forge.pullRequest(repository, number)
      : forge.comment(repository, number, commentId);

function head({ forge }: PageContext, run: RunDetails, { headSha, baseRef }: MergeWishRow): Html {
  const into = fragment`<div class="quiet ref">into ${foreign(baseRef)}</div>`;
  if (headSha === 'unclear') return fragment`a head that is not clear${into}`;
  const commit = shortSha(headSha, forge.commit(run.repository, headSha));
  if (headSha === run.sha) return fragment`${commit}, this head${into}`;
  const tests = withQuery('/runs', { repository: run.repository, sha: headSha });
  return fragment`${commit}, <a href="${tests}">another head</a>${into}`;
}

const MOST_NAMES = 10;

function nameList(names: string[]): Html {
  if (names.length === 0) return fragment``;
  const more = names.length - MOST_NAMES;
  return fragment`<ul class="plain">${names.slice(0, MOST_NAMES).map((name) => fragment`<li>${foreign(name)}</li>`)}${more > 0 ? fragment`<li>and ${more} more</li>` : ''}</ul>`;
}
