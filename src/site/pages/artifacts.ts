import { type Folder, fileTree, visibleName } from '../../core/file-tree.ts';
import { retentionMessages } from '../../core/messages-retention.ts';
import { runJobsMessages as words } from '../../core/messages-run-jobs.ts';
import { foreign, fragment, type Html, icon, size } from '../html.ts';
import { archiveFilesPath, archivePath, looksLikeArchive } from '../links.ts';
import type { ArtifactRow, AttemptRow, JobRow, RunDetails } from '../reader.ts';

/** More than these of one job are only counted. */
const MOST_SHOWN = 200;
/** So many of a whole run are shown unfolded. */
const MOST_OPEN = 6;

/** Where the files of an attempt are on the page of its run. */
export const filesId = ({ id }: Pick<AttemptRow, 'id'>): string => `files-${id}`;

/** What the jobs of a run left, as the trees that they are. */
export function artifactsSection(run: RunDetails): Html {
  const left = run.builds
    .flatMap(({ jobs }) => jobs)
    .flatMap((job) => {
      const attempt = job.attempts[0];
      return attempt && attempt.artifacts.length > 0 ? [{ job, attempt }] : [];
    });
  if (left.length === 0) return fragment``;
  const count = left.reduce((sum, { attempt }) => sum + attempt.artifacts.length, 0);
  return fragment`<section aria-labelledby="artifacts"><div class="section-head"><h2 id="artifacts">${words.artifacts}</h2><span class="quiet">${words.artifactsMeaning}</span></div>
${left.map(({ job, attempt }) => jobFiles(job, attempt, count <= MOST_OPEN))}</section>`;
}

function jobFiles(job: JobRow, attempt: AttemptRow, isOpen: boolean): Html {
  const { artifacts } = attempt;
  const bytes = artifacts.reduce((sum, artifact) => sum + artifact.size, 0);
  const more = artifacts.length - MOST_SHOWN;
  const tree = fileTree(artifacts.slice(0, MOST_SHOWN), ({ name }) => name);
  return fragment`<details class="fold tree" id="${filesId(attempt)}"${isOpen ? OPEN : ''}><summary>${foreign(visibleName(job.name))} <span class="quiet">${words.files(artifacts.length)}, ${size(bytes)}</span></summary>
${folderList(tree)}${more > 0 ? fragment`<p class="quiet">${words.moreFiles(more)}</p>` : ''}</details>`;
}

const OPEN = fragment` open`;

const folderList = (folder: Folder<ArtifactRow>): Html =>
  fragment`<ul>${folder.folders.map(
    (each) => fragment`<li><span class="folder">${foreign(visibleName(each.name))}/</span>${folderList(each)}</li>`,
  )}${folder.files.map(({ name, file }) => fragment`<li>${artifactItem(file, name)}</li>`)}</ul>`;

function artifactItem(artifact: ArtifactRow, shown: string): Html {
  const { name, sha256, removedAt } = artifact;
  const words = foreign(visibleName(shown || name));
  if (removedAt)
    return fragment`${words} <span class="quiet">${size(artifact.size)}, ${retentionMessages.removed(removedAt)}</span>`;
  return fragment`<a href="${archivePath(sha256, name)}" title="sha256 ${sha256}" download>${icon('download')}${words}</a> <span class="quiet">${size(artifact.size)}</span>${insideLink(sha256, name)}`;
}

/** To what is in it, where its name says that it is an archive. */
export const insideLink = (sha256: string, name: string): Html =>
  looksLikeArchive(name)
    ? fragment` <a class="small" href="${archiveFilesPath(sha256, name)}" aria-label="${words.inside}: ${visibleName(name)}">${words.inside}</a>`
    : fragment``;

/** As a plain list, by their whole names. */
export function artifactList(artifacts: ArtifactRow[]): Html {
  if (artifacts.length === 0) return fragment`<span class="quiet">–</span>`;
  return fragment`<ul class="artifacts">${artifacts.map((artifact) => fragment`<li>${artifactItem(artifact, artifact.name)}</li>`)}</ul>`;
}
