import { Hono } from 'hono';
import { html } from 'hono/html';
import { refs, resolveCommit } from './git.ts';
import { log, readCommit } from './git-read.ts';
import type { Hub } from './hub.ts';
import { newestByName } from './shapes/check.ts';
import type { CheckRun, Pull, Repository } from './state.ts';
import { fullNameOf } from './state.ts';

/** Small pages for people who follow a link to "GitHub" in the demo. Everything shown is escaped by `html`. */

type Markup = ReturnType<typeof html>;

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1f2328;background:#fff}
a{color:#0550ae}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f8fa;padding:.75rem;border-radius:.4rem}
section,li.check,li.comment{border-top:1px solid #d0d7de;padding:.5rem 0}ul{list-style:none;padding:0}
.state{border:1px solid;border-radius:1rem;padding:0 .6rem;font-size:.875rem}.success,.open{color:#116329}
.failure,.closed{color:#a40e26}.merged{color:#6639ba}.note{color:#59636e;font-size:.875rem}
@media(prefers-color-scheme:dark){body{color:#f0f6fc;background:#0d1117}a{color:#79c0ff}pre{background:#151b23}
.success,.open{color:#56d364}.failure,.closed{color:#ffa198}.merged{color:#d2a8ff}.note{color:#9198a1}}`;

const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

export function pageHeaders(c: { header(name: string, value: string): void }): void {
  for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
}

export function createPages(hub: Hub): Hono {
  const pages = new Hono();
  pages.use(async (c, next) => {
    await next();
    pageHeaders(c);
  });
  pages.notFound((c) => c.html(page('Not found', html`<p>There is no such page in this stand-in GitHub.</p>`), 404));
  pages.get('/_assets/style.css', (c) => c.body(STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }));
  pages.get('/', (c) => c.html(indexPage(hub)));
  const routes: [string, (repository: Repository, what: string) => Promise<Markup | undefined> | Markup | undefined][] =
    [
      ['/:owner/:name', (repository) => repositoryPage(repository)],
      ['/:owner/:name/pull/:what{[0-9]+}', (repository, what) => pullPage(hub, repository, Number(what))],
      ['/:owner/:name/commit/:what{[0-9a-f]+}', (repository, what) => commitPage(hub, repository, what)],
      ['/:owner/:name/runs/:what{[0-9]+}', (repository, what) => runPage(hub, repository, Number(what))],
    ];
  for (const [path, show] of routes) {
    pages.get(path, async (c) => {
      const { owner, name, what = '' } = c.req.param() as Record<string, string>;
      const repository = hub.state.findRepository(`${owner}/${name}`) ?? hub.state.findMoved(`${owner}/${name}`);
      const content = repository && !repository.private ? await show(repository, what) : undefined;
      return content ? c.html(content) : c.notFound();
    });
  }
  return pages;
}

export function page(title: string, content: Markup | Markup[]): Markup {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · stand-in GitHub</title><link rel="stylesheet" href="/_assets/style.css"></head>
<body><p class="note"><a href="/">Stand-in GitHub</a>: not the real one, it only lives as long as the demo.</p>
<main><h1>${title}</h1>${content}</main></body></html>`;
}

function indexPage(hub: Hub): Markup {
  const shown = [...hub.state.repositories.values()].filter((repository) => !repository.private);
  return page('Repositories', html`<ul>${shown.map((one) => html`<li>${repositoryLink(one)}</li>`)}</ul>`);
}

function repositoryLink(repository: Repository): Markup {
  return html`<a href="/${fullNameOf(repository)}">${fullNameOf(repository)}</a>`;
}

function stateOf(pull: Pull): string {
  if (pull.mergedAt) return 'merged';
  return pull.state === 'open' && pull.draft ? 'draft' : pull.state;
}

function badge(word: string): Markup {
  return html`<span class="state ${word}">${word.replaceAll('_', ' ')}</span>`;
}

async function repositoryPage(repository: Repository): Promise<Markup> {
  const name = fullNameOf(repository);
  const heads = [...(await refs(repository.dir, 'refs/heads'))];
  const commits = heads.length > 0 ? await log(repository.dir, ['-20', `refs/heads/${repository.defaultBranch}`]) : [];
  const pulls = [...repository.pulls.values()].toReversed();
  return page(
    name,
    html`<section><h2>Pull requests</h2><ul>${pulls.map(
      (pull) =>
        html`<li>${badge(stateOf(pull))} <a href="/${name}/pull/${pull.number}">#${pull.number} ${pull.title}</a></li>`,
    )}</ul></section>
<section><h2>Branches</h2><ul>${heads.map(
      ([ref, sha]) => html`<li>${ref.replace('refs/heads/', '')} ${commitLink(name, sha)}</li>`,
    )}</ul></section>
<section><h2>Latest commits</h2><ul>${commits.map(
      (commit) => html`<li>${commitLink(name, commit.sha)} ${commit.message.split('\n')[0]}</li>`,
    )}</ul></section>`,
  );
}

function commitLink(name: string, sha: string): Markup {
  return html`<a href="/${name}/commit/${sha}"><code>${sha.slice(0, 10)}</code></a>`;
}

function pullPage(hub: Hub, repository: Repository, number: number): Markup | undefined {
  const pull = repository.pulls.get(number);
  if (!pull) return undefined;
  const name = fullNameOf(repository);
  const from = `${pull.head.owner.login}:${pull.head.ref}`;
  return page(
    `${pull.title} #${number}`,
    html`<p>${badge(stateOf(pull))} ${pull.author.login} wants to merge ${from} at ${commitLink(name, pull.head.sha)}
into ${pull.base.ref} of ${repositoryLink(repository)}</p>${pull.body ? html`<pre>${pull.body}</pre>` : ''}
${checkList(hub, repository, pull.head.sha)}${commentList(hub, repository, number)}`,
  );
}

async function commitPage(hub: Hub, repository: Repository, ref: string): Promise<Markup | undefined> {
  const sha = await resolveCommit(repository.dir, ref);
  if (!sha) return undefined;
  const commit = await readCommit(repository.dir, sha);
  const [title = sha, ...rest] = commit.message.split('\n');
  return page(
    title,
    html`<p><code>${sha}</code> by ${commit.author.name}, ${commit.author.date}, in ${repositoryLink(repository)}</p>
<pre>${rest.join('\n').trim()}</pre>${checkList(hub, repository, sha)}`,
  );
}

function checkList(hub: Hub, repository: Repository, sha: string): Markup {
  const runs = newestByName(hub.state.runsAt(repository.id, sha));
  const statuses = hub.state.statuses.filter((one) => one.repositoryId === repository.id && one.sha === sha);
  if (runs.length === 0 && statuses.length === 0) return html`<section><h2>Checks</h2><p>None yet.</p></section>`;
  return html`<section><h2>Checks</h2><ul>${runs.map((run) => checkItem(repository, run))}${statuses.map(
    (one) => html`<li class="check">${badge(one.state)} <strong>${one.context}</strong> ${one.description ?? ''}</li>`,
  )}</ul></section>`;
}

function checkItem(repository: Repository, run: CheckRun): Markup {
  return html`<li class="check">${badge(run.conclusion ?? run.status)} <strong>${run.name}</strong> ${run.output.title ?? ''}
<a href="/${fullNameOf(repository)}/runs/${run.id}">all of it</a> <a href="${run.detailsUrl}" rel="noreferrer">details</a>
${run.output.summary ? html`<pre>${run.output.summary}</pre>` : ''}</li>`;
}

function commentList(hub: Hub, repository: Repository, number: number): Markup {
  const all = [...hub.state.comments.values()];
  const comments = all.filter((comment) => comment.repositoryId === repository.id && comment.number === number);
  return html`<section><h2>Comments</h2><ul>${comments.map(
    (comment) => html`<li class="comment" id="issuecomment-${comment.id}"><strong>${comment.author.login}</strong>
<span class="note">${comment.createdAt}</span> ${comment.reactions.map((one) => html`<span class="note">${one.content}</span> `)}
<pre>${comment.body}</pre></li>`,
  )}</ul></section>`;
}

function runPage(hub: Hub, repository: Repository, id: number): Markup | undefined {
  const run = hub.state.runs.get(id);
  if (!run || run.suite.repositoryId !== repository.id) return undefined;
  return page(
    run.name,
    html`<p>${badge(run.conclusion ?? run.status)} ${run.output.title ?? ''} at
${commitLink(fullNameOf(repository), run.suite.headSha)} · <a href="${run.detailsUrl}" rel="noreferrer">details</a></p>
${run.output.summary ? html`<pre>${run.output.summary}</pre>` : ''}${run.output.text ? html`<pre>${run.output.text}</pre>` : ''}
<ul>${run.annotations.map((one) => html`<li>${one.path}:${one.start_line} ${one.annotation_level}: ${one.message}</li>`)}</ul>`,
  );
}
