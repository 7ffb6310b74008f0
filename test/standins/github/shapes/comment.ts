import type { Hub } from '../hub.ts';
import type { Comment, Reaction, Repository } from '../state.ts';
import { associationOf, reactionsJson } from './pull.ts';
import { appJson, nodeId, pageUrl, repositoryUrl, userJson } from './repository.ts';

export function commentJson(hub: Hub, repository: Repository, comment: Comment) {
  const url = repositoryUrl(hub, repository);
  const kind = repository.pulls.has(comment.number) ? 'pull' : 'issues';
  const self = `${url}/issues/comments/${comment.id}`;
  return {
    id: comment.id,
    node_id: nodeId('IssueComment', comment.id),
    url: self,
    html_url: `${pageUrl(hub, repository)}/${kind}/${comment.number}#issuecomment-${comment.id}`,
    issue_url: `${url}/issues/${comment.number}`,
    body: comment.body,
    user: userJson(hub, comment.author),
    created_at: comment.createdAt,
    updated_at: comment.updatedAt,
    author_association: associationOf(repository, comment.author),
    performed_via_github_app: comment.viaApp ? appJson(hub, comment.viaApp) : null,
    reactions: reactionsJson(
      self,
      comment.reactions.map((reaction) => reaction.content),
    ),
  };
}

export function reactionJson(hub: Hub, reaction: Reaction) {
  return {
    id: reaction.id,
    node_id: nodeId('Reaction', reaction.id),
    user: userJson(hub, reaction.user),
    content: reaction.content,
    created_at: reaction.createdAt,
  };
}
