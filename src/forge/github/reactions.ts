import type { ReactionTarget } from '../../core/effect.ts';
import type { RepositoryRef } from '../../core/model.ts';
import type { Reaction } from '../forge.ts';
import type { GitHubClient } from './client.ts';
import { callerFor, findRepository } from './repository.ts';
import { nothing, reactionAnswer, reactionPage } from './schema.ts';

const PER_PAGE = 100;
const MOST_PAGES = 10;

/** Where the reactions of something are, with its parameters. */
interface Reacted {
  repository: RepositoryRef;
  path: string;
  at: Record<string, string | number>;
  about: string;
}

/** GitHub itself keeps one reaction of a kind by each person, and answers it to who gives it again. */
export async function ensureReaction(
  client: GitHubClient,
  repository: RepositoryRef,
  target: ReactionTarget,
  { content, replaces }: { content: Reaction; replaces?: Reaction },
  signal: AbortSignal,
): Promise<boolean> {
  const found = await findRepository(client, repository, signal);
  if (!found) return false;
  const reacted: Reacted = { repository, ...placeOf(target, found) };
  const { path, at, about } = reacted;
  const question = { route: `POST ${path}`, parameters: { ...at, content }, schema: reactionAnswer, about };
  const given = await client.ask(callerFor(repository), question, signal);
  if (!given) return false;
  // The answer tells who we are.
  if (replaces && replaces !== content && given.user) await takeBack(client, reacted, replaces, given.user.id, signal);
  return true;
}

function placeOf(target: ReactionTarget, { at, name }: { at: { owner: string; repo: string }; name: string }) {
  const issues = '/repos/{owner}/{repo}/issues';
  return target.kind === 'comment'
    ? {
        path: `${issues}/comments/{comment_id}/reactions`,
        at: { ...at, comment_id: target.id },
        about: `a reaction to comment ${target.id} in ${name}`,
      }
    : {
        path: `${issues}/{issue_number}/reactions`,
        at: { ...at, issue_number: target.number },
        about: `a reaction to ${name}#${target.number}`,
      };
}

async function takeBack(
  client: GitHubClient,
  { repository, path, at, about }: Reacted,
  content: Reaction,
  ourId: string,
  signal: AbortSignal,
): Promise<void> {
  const caller = callerFor(repository);
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const parameters = { ...at, content, per_page: PER_PAGE, page };
    const question = { route: `GET ${path}`, parameters, schema: reactionPage, about };
    const listed = (await client.ask(caller, question, signal)) ?? [];
    const ours = listed.find((reaction) => reaction.user?.id === ourId && reaction.content === content);
    if (ours) {
      const removed = { ...at, reaction_id: ours.id };
      await client.ask(
        caller,
        { route: `DELETE ${path}/{reaction_id}`, parameters: removed, schema: nothing, about },
        signal,
      );
    }
    if (ours || listed.length < PER_PAGE) return;
  }
}
