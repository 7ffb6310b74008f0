import { emitComment } from '../events.ts';
import type { Hub } from '../hub.ts';
import { timestamp } from '../hub.ts';
import type { Comment, Reaction, Repository, User } from '../state.ts';

export function createComment(
  hub: Hub,
  repository: Repository,
  number: number,
  author: User,
  body: string,
  viaApp = false,
): Comment {
  const now = timestamp(hub);
  const comment: Comment = {
    id: hub.state.nextId(),
    repositoryId: repository.id,
    number,
    author,
    body,
    createdAt: now,
    updatedAt: now,
    viaApp: viaApp ? hub.app : undefined,
    reactions: [],
  };
  hub.state.comments.set(comment.id, comment);
  const issue = repository.pulls.get(number) ?? repository.issues.get(number);
  if (issue) issue.updatedAt = now;
  emitComment(hub, repository, comment, author, 'created');
  return comment;
}

export function editComment(hub: Hub, repository: Repository, comment: Comment, by: User, body: string): void {
  const from = comment.body;
  comment.body = body;
  comment.updatedAt = timestamp(hub);
  comment.edited = { by, at: comment.updatedAt };
  emitComment(hub, repository, comment, by, 'edited', { changes: { body: { from } } });
}

export function deleteComment(hub: Hub, repository: Repository, comment: Comment, by: User): void {
  hub.state.comments.delete(comment.id);
  emitComment(hub, repository, comment, by, 'deleted');
}

/** A comment, an issue, a pull request. */
export type Reacted = Pick<Comment, 'reactions'>;

/** The user's own reaction is taken back; false: there is no such reaction. */
export function unreact({ reactions }: Reacted, user: User, reactionId: number): boolean {
  const at = reactions.findIndex((one) => one.id === reactionId && one.user.id === user.id);
  if (at >= 0) reactions.splice(at, 1);
  return at >= 0;
}

/** The reaction, and whether it is new: nobody reacts twice in the same way. */
export function react(
  hub: Hub,
  { reactions }: Reacted,
  user: User,
  content: string,
): { reaction: Reaction; isNew: boolean } {
  const known = reactions.find((one) => one.user.id === user.id && one.content === content);
  if (known) return { reaction: known, isNew: false };
  const reaction = { id: hub.state.nextId(), user, content, createdAt: timestamp(hub) };
  reactions.push(reaction);
  return { reaction, isNew: true };
}
