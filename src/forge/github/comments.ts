import { markerOf } from '../../core/messages-commands.ts';
import type { Author, RepositoryRef } from '../../core/model.ts';
import { cutText } from '../../core/text.ts';
import { type CommentSnapshot, ForgeError } from '../forge.ts';
import type { GitHubClient } from './client.ts';
import { authorOf } from './fields.ts';
import { askGraphQL } from './graphql.ts';
import { askIn, callerFor, type FoundRepository, findRepository, pullQuestion } from './repository.ts';
import { appAnswer, commentAnswer, editAnswer, issueCommentPage, written } from './schema.ts';

type ToldComment = (typeof commentAnswer)['_output'];

export async function readComment(
  client: GitHubClient,
  repository: RepositoryRef,
  id: string,
  signal: AbortSignal,
): Promise<CommentSnapshot | undefined> {
  const about = `comment ${id} in ${repository.name}`;
  const route = 'GET /repos/{owner}/{repo}/issues/comments/{comment_id}';
  const questionIn = ({ at }: FoundRepository) => ({
    route,
    parameters: { ...at, comment_id: id },
    schema: commentAnswer,
    about,
  });
  const told = (await askIn(client, repository, questionIn, signal))?.value;
  if (!told) return undefined;
  const wasTouched = told.created_at !== told.updated_at;
  return snapshotOf(told, wasTouched ? await editorOf(client, repository, told, about, signal) : undefined);
}

export async function readDescription(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  signal: AbortSignal,
): Promise<CommentSnapshot | undefined> {
  const about = `the description of ${repository.name}#${number}`;
  const questionIn = ({ at }: FoundRepository) => ({ ...pullQuestion(at, number), schema: commentAnswer, about });
  const told = (await askIn(client, repository, questionIn, signal))?.value;
  return told && snapshotOf(told, await editorOf(client, repository, told, about, signal));
}

function snapshotOf(told: ToldComment, editedBy: Author | undefined): CommentSnapshot {
  return {
    id: told.id,
    body: told.body ?? '',
    author: authorOf(told.user),
    createdAt: told.created_at,
    updatedAt: told.updated_at,
    ...(editedBy ? { editedBy } : {}),
  };
}

const EDITOR = `query ($id: ID!) {
  node(id: $id) {
    ... on Comment {
      lastEditedAt
      editor { login ... on User { databaseId } ... on Bot { databaseId } ... on Mannequin { databaseId } }
    }
  }
}`;

/** Whose account was deleted, or is of no kind that writes, is nobody that we know: surely not the author. */
const UNKNOWN: Author = { id: '0', login: 'ghost' };

/** REST tells that a comment was touched, not by whom. Anonymous readers are told nothing: GraphQL is for those who are known. */
async function editorOf(
  client: GitHubClient,
  repository: RepositoryRef,
  told: ToldComment,
  about: string,
  signal: AbortSignal,
): Promise<Author | undefined> {
  if (!repository.installation) return UNKNOWN;
  const question = { query: EDITOR, variables: { id: told.node_id }, schema: editAnswer, about };
  const answer = await askGraphQL(client, repository, question, signal);
  if (answer.kind === 'refused') throw new ForgeError('refused', `Who edited ${about} is not told: ${answer.why}`);
  const { lastEditedAt, editor } = answer.value.node ?? {};
  if (!lastEditedAt) return undefined;
  return editor?.databaseId ? { id: editor.databaseId, login: editor.login } : UNKNOWN;
}

/** GitHub takes 65,536 characters; the marker has to be in there, too. */
const MOST_BYTES = 65_000;

export async function ensureComment(
  client: GitHubClient,
  appId: string,
  { repository, number, key, text }: { repository: RepositoryRef; number: number; key: string; text: string },
  signal: AbortSignal,
): Promise<string> {
  const marker = markerOf(key);
  const body = `${cutText(text, MOST_BYTES - Buffer.byteLength(marker))}\n\n${marker}`;
  const found = await findRepository(client, repository, signal);
  const ours = found && (await ourComments(client, appId, { repository, found, number, marker }, signal));
  if (!ours) throw gone(repository, number);
  const [known] = ours;
  if (known && sameText(known.body, body)) return known.id;
  const question = known
    ? {
        route: 'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}',
        parameters: { ...found.at, comment_id: known.id, body },
      }
    : {
        route: 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments',
        parameters: { ...found.at, issue_number: number, body },
      };
  const about = `a comment on ${found.name}#${number}`;
  const answer = await client.ask(callerFor(repository), { ...question, schema: written, about }, signal);
  if (!answer) throw gone(repository, number);
  return answer.id;
}

const gone = ({ name }: RepositoryRef, number: number) =>
  new ForgeError('gone', `The comment on ${name}#${number} cannot be written: what was to be commented on is gone`);

/** GitHub may keep line ends as it likes. */
const sameText = (one: string | null | undefined, other: string): boolean =>
  (one ?? '').replaceAll('\r\n', '\n').trim() === other.trim();

const PER_PAGE = 100;
const MOST_PAGES = 100;

type ListedComment = (typeof issueCommentPage)['_output'][number];

/** Oldest first, those with the marker, and by our App's own bot: anybody can copy a marker. */
async function ourComments(
  client: GitHubClient,
  appId: string,
  wanted: { repository: RepositoryRef; found: FoundRepository; number: number; marker: string },
  signal: AbortSignal,
): Promise<ListedComment[] | undefined> {
  const { repository, found, number, marker } = wanted;
  const ours: ListedComment[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const question = {
      route: 'GET /repos/{owner}/{repo}/issues/{issue_number}/comments',
      parameters: { ...found.at, issue_number: number, per_page: PER_PAGE, page },
      schema: issueCommentPage,
      about: `the comments on ${found.name}#${number}`,
    };
    const listed = await client.ask(callerFor(repository), question, signal);
    if (!listed) return page === 1 ? undefined : ours;
    for (const comment of listed) {
      if (comment.body?.includes(marker) && (await isByUs(client, appId, comment, signal))) ours.push(comment);
    }
    if (listed.length < PER_PAGE) return ours;
  }
  throw new ForgeError('refused', `${found.name}#${number} has more than ${MOST_PAGES * PER_PAGE} comments`);
}

/** Users can write through an App as well: then it is named, and they are no bot. */
async function isByUs(
  client: GitHubClient,
  appId: string,
  { user, performed_via_github_app: via }: ListedComment,
  signal: AbortSignal,
): Promise<boolean> {
  if (user?.type !== 'Bot') return false;
  if (via) return via.id === appId;
  const app = await client.ask('app', { route: 'GET /app', schema: appAnswer, about: 'the App' }, signal);
  return app !== undefined && user.login === `${app.slug}[bot]`;
}
