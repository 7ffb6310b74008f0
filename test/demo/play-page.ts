import { foreign, fragment, type Html, type IconName, icon, shortSha, timeAgo } from '../../src/site/html.ts';
import type { Playground, ShownCheck, ShownComment, ShownPull } from './playground.ts';
import { type ChangeKind, ROCKET, SLOW_SECONDS } from './rocket.ts';

/** What the play page shows. It looks like the site, whose stylesheet it wears. */

export interface Look {
  styles: string[];
  /** The site's own: it keeps the elements with `data-live` fresh. */
  script: string;
  icon: string;
  siteUrl: string;
}

const KINDS: Record<ChangeKind, string> = {
  passing: 'its tests pass',
  failing: 'its tests fail',
  slow: `its tests take ${SLOW_SECONDS} seconds`,
  nothing: 'it has nothing to run',
};
const PULL_KINDS = { ...KINDS, fork: "it passes, and comes from a stranger's fork" };

const MOST_OPEN = 20;
const MOST_CLOSED = 10;
const MOST_COMMENTS = 5;

export async function playPage(look: Look, playground: Playground): Promise<Html> {
  const pulls = playground.pulls();
  const open = pulls.filter(({ state }) => state === 'open').slice(0, MOST_OPEN);
  const closed = pulls.filter(({ state }) => state !== 'open').slice(0, MOST_CLOSED);
  const mainSha = (await playground.github.sha(ROCKET, 'main'))!;
  const mainChecks = playground.checks(mainSha);
  const isBusy = [...open.map((pull) => pull.checks), mainChecks].some(isUnfinished);
  const place: Place = { look, github: playground.github.origin, now: new Date() };
  return page(place, {
    title: 'Play',
    refresh: isBusy ? 4 : undefined,
    body: fragment`<div class="page-head"><h1>Play</h1>
<p class="quiet">Do here what people do on GitHub, and see what RCB answers. The repository is
<a href="${place.github}/${ROCKET}">${ROCKET}</a>; you are <strong>you</strong>, and may write to it.</p></div>
${openForm()}
<section aria-labelledby="pulls"><div class="section-head"><h2 id="pulls">Open pull requests</h2>
<span class="quiet">with their checks, as GitHub shows them</span></div>
${open.length > 0 ? open.map((pull) => pullCard(place, pull)) : fragment`<p class="quiet">None is open.</p>`}
</section>
${mainSection(place, mainSha, mainChecks)}
${closed.length > 0 ? closedSection(place, closed) : ''}
${gitSection(playground)}`,
  });
}

export function mistakePage(look: Look, words: string): Html {
  return page(
    { look, github: '', now: new Date() },
    {
      title: 'That did not work',
      body: fragment`<div class="empty"><h1>That did not work</h1><p>${words}</p><p><a href="/">Back to the play page</a></p></div>`,
    },
  );
}

interface Place {
  look: Look;
  github: string;
  now: Date;
}

/** `refresh`: seconds, for readers without JavaScript. It names the address: an address that ends in `#pull-7`, as after a
 *  form, would only be scrolled to, and not loaded again. */
function page({ look }: Place, options: { title: string; refresh?: number; body: Html }): Html {
  return fragment`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${options.title} · RCB demo</title>
${look.styles.map((path) => fragment`<link rel="stylesheet" href="${path}">`)}
<link rel="icon" type="image/svg+xml" href="${look.icon}">
${options.refresh ? fragment`<noscript><meta http-equiv="refresh" content="${options.refresh}; url=/"></noscript>` : ''}
<script src="${look.script}" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top"><div class="wide">
<a class="brand" href="/">${icon('brand')}RCB demo</a>
<nav aria-label="Demo">
<a class="tab" href="/" aria-current="page">Play</a>
<a class="tab" href="${look.siteUrl}/runs">Runs</a>
<a class="tab" href="${look.siteUrl}/ledger">Ledger</a>
</nav>
</div></header>
<main id="main" class="wide" tabindex="-1">
${options.body}
</main>
<footer class="wide"><span>A stand-in GitHub: it lives as long as the demo, and nothing leaves this machine</span></footer>
</body>
</html>`;
}

function openForm(): Html {
  return fragment`<form class="filter act" method="post" action="/open" aria-label="Open a pull request">
<label class="act-text"><span>Open a pull request</span><input name="title" value="Paint it red" required maxlength="200" autocomplete="off"></label>
${kindSelect('What it does', PULL_KINDS)}
<button type="submit">Open it</button>
</form>`;
}

function kindSelect(label: string, kinds: Record<string, string>, isLabelHidden = false): Html {
  return fragment`<label><span${isLabelHidden ? HIDDEN : ''}>${label}</span><select name="kind">${Object.entries(
    kinds,
  ).map(([kind, words]) => fragment`<option value="${kind}">${words}</option>`)}</select></label>`;
}

const HIDDEN = fragment` class="hidden"`;

function pullCard(place: Place, pull: ShownPull): Html {
  const { number } = pull;
  return fragment`<article class="pull" id="pull-${number}" aria-labelledby="pull-${number}-title">
<h3 id="pull-${number}-title"><a href="${place.github}/${ROCKET}/pull/${number}">${foreign(pull.title)}</a> <span class="quiet">#${number}</span></h3>
${now(
  `pull-${number}-now`,
  pull.checks,
  fragment`<div class="meta"><span class="ref">${foreign(pull.head)}</span><span>${shortSha(pull.sha, commitUrl(place, pull.sha))}</span><span>by ${foreign(pull.author)}</span><span><a class="its-runs" href="${place.look.siteUrl}/runs?repository=${encodeURIComponent(ROCKET)}&number=${number}">its runs</a></span></div>`,
)}
${commentList(place, pull.comments)}
<div class="deeds">
<form method="post" action="/push" aria-label="Push to #${number}"><input type="hidden" name="number" value="${number}">
${kindSelect('What the commit does', KINDS, true)}<button type="submit">Push a commit</button></form>
<form class="deed-wide" method="post" action="/comment" aria-label="Comment on #${number}"><input type="hidden" name="number" value="${number}">
<label><span class="hidden">Comment</span><input name="text" placeholder="Looks good" required maxlength="5000" autocomplete="off"></label><button type="submit">Comment</button></form>
<form method="post" action="/close" aria-label="Close #${number}"><input type="hidden" name="number" value="${number}">
<button type="submit">Close</button></form>
</div>
</article>`;
}

/** The part that keeps itself fresh. It holds no form: what a visitor types is never replaced. */
function now(id: string, checks: ShownCheck[], head: Html): Html {
  return fragment`<div id="${id}" data-live="${isUnfinished(checks) ? 1 : 5}">${head}${checkList(checks)}</div>`;
}

const isUnfinished = (checks: ShownCheck[]): boolean =>
  checks.length === 0 || checks.some((check) => check.status !== 'completed');

function checkList(checks: ShownCheck[]): Html {
  if (checks.length === 0) return fragment`<p class="quiet">No checks yet.</p>`;
  return fragment`<ul class="gh-checks">${checks.map(
    (check) => fragment`<li>${checkBadge(check)}<div><strong>${check.name}</strong>
<span class="quiet">${foreign(check.output.title ?? '')}</span></div>${
      check.details_url ? fragment`<a href="${check.details_url}">Details</a>` : ''
    }</li>`,
  )}</ul>`;
}

const SIGNS: Record<string, { icon: IconName; tone: string }> = {
  queued: { icon: 'queued', tone: 'quiet' },
  in_progress: { icon: 'running', tone: 'live' },
  success: { icon: 'check', tone: 'good' },
  failure: { icon: 'cross', tone: 'bad' },
  timed_out: { icon: 'cross', tone: 'bad' },
  cancelled: { icon: 'slash', tone: 'quiet' },
  neutral: { icon: 'slash', tone: 'quiet' },
};

/** GitHub's own words: the conclusion, or the status while there is none. */
function checkBadge(check: ShownCheck): Html {
  const word = check.conclusion ?? check.status;
  const sign = SIGNS[word] ?? { icon: 'warning', tone: 'warn' };
  return fragment`<span class="badge tone-${sign.tone}">${icon(sign.icon)}<span>${word.replaceAll('_', ' ')}</span></span>`;
}

function commentList({ now }: Place, comments: ShownComment[]): Html {
  if (comments.length === 0) return fragment``;
  const shown = comments.slice(-MOST_COMMENTS);
  const earlier = comments.length - shown.length;
  return fragment`<ul class="comments">${earlier > 0 ? fragment`<li class="quiet">${earlier} earlier</li>` : ''}${shown.map(
    (comment) =>
      fragment`<li><strong>${comment.user?.login ?? 'somebody'}</strong> <span class="quiet">${timeAgo(new Date(comment.created_at), now)}</span> ${foreign(comment.body ?? '')}</li>`,
  )}</ul>`;
}

function mainSection(place: Place, sha: string, checks: ShownCheck[]): Html {
  return fragment`<section aria-labelledby="main-branch"><div class="section-head"><h2 id="main-branch">The branch main</h2>
<span class="quiet">RCB tests every commit on it</span></div>
<article class="pull">
${now('main-now', checks, fragment`<div class="meta"><span>at ${shortSha(sha, commitUrl(place, sha))}</span></div>`)}
<div class="deeds"><form class="deed-wide" method="post" action="/commit" aria-label="Commit to main">
<label><span class="hidden">Message</span><input name="message" value="Polish the nose cone" required maxlength="200" autocomplete="off"></label>
${kindSelect('What the commit does', KINDS, true)}<button type="submit">Commit to main</button></form></div>
</article></section>`;
}

const commitUrl = ({ github }: Place, sha: string): string => `${github}/${ROCKET}/commit/${sha}`;

function closedSection({ github, look }: Place, closed: ShownPull[]): Html {
  return fragment`<section aria-labelledby="closed"><div class="section-head"><h2 id="closed">Closed</h2></div>
<ul class="closed">${closed.map(
    ({ number, title, state }) =>
      fragment`<li><a href="${github}/${ROCKET}/pull/${number}">${foreign(title)}</a> <span class="quiet">#${number}, ${state}</span> · <a href="${look.siteUrl}/runs?repository=${encodeURIComponent(ROCKET)}&number=${number}">its runs</a></li>`,
  )}</ul></section>`;
}

function gitSection({ github }: Playground): Html {
  return fragment`<section aria-labelledby="git"><div class="section-head"><h2 id="git">With git</h2>
<span class="quiet">push to main or to a pull request's branch from your own clone</span></div>
<pre class="payload" tabindex="0">git clone ${github.gitUrl(ROCKET, { as: 'you' })}</pre></section>`;
}
