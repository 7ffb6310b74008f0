import { shortRef } from '../../core/change.ts';
import { retentionMessages } from '../../core/messages-retention.ts';
import { runPageMessages } from '../../core/messages-run-page.ts';
import type { Run } from '../../core/model.ts';
import { reproduceCommands } from '../../core/reproduce.ts';
import { foreign, fragment, type Html, icon, maybeLink, type PageContext, shortSha, size, table } from '../html.ts';
import { archivePath, type Forge, shortRef as shortName, sourceFileName } from '../links.ts';
import type { RunDetails, SourceRow } from '../reader.ts';
import { insideLink } from './artifacts.ts';

/** Which commits a run tests, why these, and how to have them. */
export function manifestSection(context: PageContext, run: RunDetails, isPrivate: boolean): Html {
  if (run.sources.length === 0) return fragment``;
  const { forge } = context;
  const trees = run.manifest?.trees ?? [];
  return fragment`<section aria-labelledby="sources"><div class="section-head"><h2 id="sources">Manifest</h2><span class="quiet">the commits of this run, and why each was chosen</span></div>
${table(
  'Sources',
  ['Repository', 'Commit', 'Why', 'Source archive'],
  [...run.sources.map((source) => sourceCells(forge, run, source)), ...trees.map((tree) => treeCells(forge, tree))],
)}
${partnerList(forge, run)}
${noteList(run.manifest?.notes ?? [])}
${run.sources.some(({ archive }) => archive && !archive.removedAt) ? fragment`<p class="quiet small">${isPrivate ? runPageMessages.archivesOfPrivate : runPageMessages.archivesFor}</p>` : ''}
${reproduction(forge, run)}</section>`;
}

function sourceCells(forge: Forge, run: RunDetails, source: SourceRow): unknown[] {
  return [
    fragment`${maybeLink(forge.repository(source.repository), source.repository)}${source.changed ? fragment` <span class="tag">changed</span>` : ''}`,
    commitCell(forge, run, source),
    foreign(source.why),
    source.archive ? archiveLink(source, source.archive) : fragment`<span class="quiet">not packed</span>`,
  ];
}

/** What is tested of a pull request is in no repository: it is told by what it is made of. */
function commitCell(forge: Forge, run: RunDetails, source: SourceRow): Html {
  const { repository, merged, version } = source;
  return fragment`${commit(forge, repository, source.sha)} ${place(forge, source)}
${source.base ? fragment`<div class="quiet">${baseWords(run, source)} ${commit(forge, repository, source.base)}</div>` : ''}
${merged ? fragment`<div class="quiet" title="${runPageMessages.notARemote}">${runPageMessages.treeOf} ${shortSha(merged.tree)}</div>` : ''}
${version ? fragment`<div class="quiet">version <bdi>${version}</bdi></div>` : ''}`;
}

const commit = (forge: Forge, repository: string, sha: string): Html => shortSha(sha, forge.commit(repository, sha));

function place(forge: Forge, { repository, pullRequest, ref }: SourceRow): Html {
  if (pullRequest !== undefined) return maybeLink(forge.pullRequest(repository, pullRequest), `#${pullRequest}`);
  return ref ? fragment`<span class="quiet ref">${foreign(shortName(ref))}</span>` : fragment``;
}

function baseWords(run: RunDetails, { merged, changed }: SourceRow): string {
  if (!merged) return 'on';
  return changed && run.base ? runPageMessages.mergedWith(shortRef(run.base.ref)) : runPageMessages.mergedAlone;
}

function treeCells(forge: Forge, tree: NonNullable<RunDetails['manifest']>['trees'][number]): unknown[] {
  return [
    fragment`${maybeLink(forge.repository(tree.repository), tree.repository)} <span class="tag">extra tree</span><div class="quiet ref">${foreign(tree.path)} of ${foreign(tree.into)}</div>`,
    fragment`${commit(forge, tree.repository, tree.sha)}${tree.ref ? fragment` <span class="quiet ref">${foreign(shortName(tree.ref))}</span>` : ''}`,
    foreign(tree.why),
    fragment`<span class="quiet">in that of ${foreign(tree.into)}</span>`,
  ];
}

/** What retention removed keeps its digests, and is no link. */
function archiveLink(source: SourceRow, archive: NonNullable<SourceRow['archive']>): Html {
  const name = sourceFileName(source.repository, source.sha);
  const { removedAt, sha256 } = archive;
  const link = removedAt
    ? fragment`<span class="quiet">${retentionMessages.removed(removedAt)}</span> ${size(archive.size)}`
    : fragment`<a href="${archivePath(sha256, name)}" title="${name}" download>${icon('download')}tar.gz</a> ${size(archive.size)}${insideLink(sha256, name)}`;
  return fragment`${link}
<details class="digest" id="digest-${source.id}"><summary>sha256 <code>${archive.sha256.slice(0, 12)}</code></summary><dl><dt>tar.gz</dt><dd><code>${archive.sha256}</code></dd><dt>tar</dt><dd><code>${archive.tarSha256}</code></dd>${removedAt ? '' : fragment`<dt>address</dt><dd><a href="${archivePath(sha256)}" download><code>${archivePath(sha256)}</code></a></dd>`}</dl></details>`;
}

function partnerList(forge: Forge, { manifest }: RunDetails): Html {
  const partners = manifest?.partners ?? [];
  if (partners.length === 0) return fragment``;
  const item = ({ repository, number, ref, sha, fork, author }: (typeof partners)[number]) =>
    fragment`<li>${maybeLink(forge.pullRequest(repository, number), fragment`${foreign(repository)} #${number}`)} <span class="quiet"><span class="ref">${foreign(ref)}</span> at ${commit(forge, repository, sha)}, by ${foreign(author.login)}${fork ? ', from a fork' : ''}</span></li>`;
  return fragment`<h3 id="partners">Tested together with</h3><ul class="plain" aria-labelledby="partners">${partners.map(item)}</ul>`;
}

function noteList(notes: readonly string[]): Html {
  if (notes.length === 0) return fragment``;
  return fragment`<h3 id="notes">Notes</h3><ul class="plain" aria-labelledby="notes">${notes.map((note) => fragment`<li>${foreign(note)}</li>`)}</ul>`;
}

/** Nothing where a repository has no address that readers could use: a plain one is on the bot's own machine. */
function reproduction(forge: Forge, run: RunDetails): Html {
  const urls = new Map<string, string>();
  for (const { repository } of [...run.sources, ...(run.manifest?.trees ?? [])]) {
    const url = forge.repository(repository);
    if (!url) return fragment``;
    urls.set(repository, `${url}.git`);
  }
  const commands = reproduceCommands(runOf(run), (repository) => urls.get(repository)!);
  return fragment`<details class="fold" id="reproduce"><summary>${runPageMessages.reproduce}</summary><p class="quiet">${runPageMessages.reproduceWhere}</p>
<pre class="payload" tabindex="0" data-copy>${commands.join('\n')}</pre></details>`;
}

/** As much of a run as the commands are made of. */
function runOf(run: RunDetails): Pick<Run, 'sources' | 'manifest' | 'change'> {
  const { ref, sha, title, number, base, fork, manifest } = run;
  const login = run.author ?? '';
  const sources = run.sources.map(({ repository, base: baseSha, archive: _, ...source }) => ({
    ...source,
    repository: { key: repository, name: repository },
    baseSha,
  }));
  const change: Run['change'] =
    number !== undefined && base
      ? { kind: 'pull-request', number, ref, sha, title, author: { id: login, login }, fork, base }
      : { kind: 'commit', ref, sha, title };
  return { sources, manifest, change };
}

/** The text of a pin that could not be followed. */
export function pinFile(run: RunDetails): Html {
  const text = run.manifest?.pinText;
  if (text === undefined) return fragment``;
  return fragment`<figure class="pin"><figcaption class="quiet">${runPageMessages.pinText}</figcaption><pre class="payload" tabindex="0"><bdi>${text}</bdi></pre></figure>`;
}
