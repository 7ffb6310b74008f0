import { type CheckContent, RUN_CHECK } from '../../core/check.ts';
import type { RepositoryRef } from '../../core/model.ts';
import { ForgeError } from '../forge.ts';
import type { GitHubClient } from './client.ts';
import { statusOf } from './errors.ts';
import { callerFor, findRepository, splitName } from './repository.ts';
import { checkAnswer, checkList } from './schema.ts';

const CHECKS_OF_COMMIT = 'GET /repos/{owner}/{repo}/commits/{ref}/check-runs';

export async function ensureCheck(
  client: GitHubClient,
  appId: string,
  { repository, content, known }: { repository: RepositoryRef; content: CheckContent; known: string | undefined },
  signal: AbortSignal,
): Promise<string> {
  const existing = known ?? (await findCheck(client, appId, repository, content, signal));
  const { head_sha, ...changes } = checkBody(content);
  const at = splitName(repository.name);
  const question = {
    ...(existing === undefined
      ? { route: 'POST /repos/{owner}/{repo}/check-runs', parameters: { ...at, ...changes, head_sha } }
      : {
          route: 'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}',
          parameters: { ...at, ...changes, check_run_id: existing },
        }),
    schema: checkAnswer,
    about: `the check "${content.name}" of ${repository.name}`,
  };
  const answer = await client.ask(callerFor(repository), question, signal);
  if (answer) return answer.id;
  throw new ForgeError('gone', `The check "${content.name}" of ${repository.name} cannot be written: it is gone`);
}

/** Was it created before a crash? `external_id` tells. */
async function findCheck(
  client: GitHubClient,
  appId: string,
  repository: RepositoryRef,
  content: CheckContent,
  signal: AbortSignal,
): Promise<string | undefined> {
  const wanted = { ref: content.headSha, check_name: content.name, filter: 'all', app_id: Number(appId) };
  const isOurs = (run: ListedCheck) => run.external_id === content.externalId;
  return (await firstCheck(client, repository, { ...splitName(repository.name), ...wanted }, isOurs, signal))?.id;
}

type ListedCheck = (typeof checkList)['_output']['check_runs'][number];

const PER_PAGE = 100;
const MOST_PAGES = 10;

/** Newest first; `wanted`: GitHub's own parameters. */
async function firstCheck(
  client: GitHubClient,
  repository: RepositoryRef,
  wanted: { owner: string; repo: string; ref: string } & Record<string, unknown>,
  isIt: (run: ListedCheck) => boolean,
  signal: AbortSignal,
): Promise<ListedCheck | undefined> {
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const question = {
      route: CHECKS_OF_COMMIT,
      parameters: { ...wanted, per_page: PER_PAGE, page },
      schema: checkList,
      about: `the checks of ${wanted.owner}/${wanted.repo} at ${wanted.ref}`,
    };
    const runs = (await client.ask(callerFor(repository), question, signal))?.check_runs ?? [];
    const found = runs.find(isIt);
    if (found || runs.length < PER_PAGE) return found;
  }
  return undefined;
}

/** Cancelled and superseded runs have told nothing of the commit. */
const VERDICTS = new Set(['success', 'failure', 'timed_out', 'neutral']);

/** Where nothing is known of the commit there is no verdict either. */
export async function hasVerdict(
  client: GitHubClient,
  appId: string,
  repository: RepositoryRef,
  sha: string,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await findRepository(client, repository, signal);
  if (!found) return false;
  const wanted = { check_name: RUN_CHECK, status: 'completed', filter: 'all', app_id: Number(appId) };
  const tells = ({ conclusion }: ListedCheck) => VERDICTS.has(conclusion ?? '');
  try {
    return (await firstCheck(client, repository, { ...found.at, ref: sha, ...wanted }, tells, signal)) !== undefined;
  } catch (error) {
    // There is no such commit.
    if (error instanceof ForgeError && statusOf(error) === 422) return false;
    throw error;
  }
}

function checkBody(content: CheckContent) {
  const { title, summary, text } = content;
  return {
    name: content.name,
    head_sha: content.headSha,
    external_id: content.externalId,
    details_url: content.detailsUrl,
    status: content.status,
    started_at: content.startedAt?.toISOString(),
    // GitHub sets `completed` by itself when it is given a conclusion.
    ...(content.status === 'completed'
      ? { conclusion: content.conclusion, completed_at: content.completedAt?.toISOString() }
      : {}),
    output: { title, summary, ...(text === undefined ? {} : { text }) },
    ...(content.actions ? { actions: content.actions } : {}),
  };
}
