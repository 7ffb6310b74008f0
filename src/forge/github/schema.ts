import { z } from 'zod';
import { account, commentBody, fullName, id, login, ref, sha, text, title, user } from './fields.ts';

/** GitHub's REST answers: only the fields that we read, ids as text (docs.github.com, REST API). */

export const nothing = z.unknown().transform(() => true);

const branchName = text(1_024);
const time = z.iso.datetime();

export const repositoryAnswer = z.object({ id, full_name: fullName, default_branch: branchName, private: z.boolean() });

const commitAuthor = z.object({ id, login }).nullish().catch(null);

export const branchAnswer = z.object({
  commit: z.object({
    sha,
    commit: z.object({ message: z.string() }),
    // GitHub gives `{}` or null for an author who has no account.
    author: commitAuthor,
  }),
});

export const branchPage = z.array(z.object({ name: branchName, commit: z.object({ sha }) }));

const nodeId = text(400);

const pullState = z.enum(['open', 'closed']);
const draft = z.boolean().nullish().transform(Boolean);

export const pullAnswer = z.object({
  title,
  state: pullState,
  merged: z.boolean().nullish(),
  draft,
  user: user.nullable(),
  body: z.string().max(300_000).nullish(),
  head: z.object({ ref, sha, repo: z.object({ id }).nullable() }),
  base: z.object({ ref, sha }),
});

const mergeStateWord = z
  .enum(['clean', 'unstable', 'has_hooks', 'blocked', 'behind', 'dirty', 'draft', 'unknown'])
  .nullish()
  .catch('unknown')
  .transform((word) => word ?? 'unknown');

export const mergePullAnswer = z.object({
  node_id: nodeId,
  state: pullState,
  merged: z.boolean(),
  draft,
  mergeable: z
    .boolean()
    .nullish()
    .transform((told) => told ?? null),
  mergeable_state: mergeStateWord,
  merge_commit_sha: sha.nullish(),
  merged_by: user.nullish(),
  auto_merge: z.object({}).nullish(),
  head: z.object({ sha, repo: z.object({ id }).nullable() }),
  base: z.object({ ref, sha }),
});

export const mergeAnswer = z.object({ sha, merged: z.literal(true) });

export const treeAnswer = z.object({ tree: z.object({ sha }) });

/** In lists nothing is said of `merged`. */
export const pullPage = z.array(
  z.object({
    number: z.number().int().positive(),
    title,
    state: pullState,
    merged_at: text(40).nullish(),
    draft,
    updated_at: time,
    user: user.nullable(),
    head: z.object({ ref, sha, repo: z.object({ id }).nullable() }),
    base: z.object({ ref }),
  }),
);

export const commentPage = z.array(
  z.object({
    id,
    // The only place that tells a pull request from an issue: …/pull/12#issuecomment-34.
    html_url: z.string().regex(/\/(pull|issues)\/\d+(#|$)/),
    user: user.nullable(),
    body: commentBody.nullish(),
    created_at: time,
    updated_at: time,
  }),
);

export const commentAnswer = z.object({
  id,
  node_id: nodeId,
  user: user.nullable(),
  body: commentBody.nullish(),
  created_at: time,
  updated_at: time,
});

/** `performed_via_github_app`: which App wrote it; older servers leave it out. */
export const issueCommentPage = z.array(
  z.object({
    id,
    user: user.nullable(),
    body: commentBody.nullish(),
    performed_via_github_app: z.object({ id }).nullish(),
  }),
);

export const written = z.object({ id });

export const reactionAnswer = z.object({ id, content: text(40), user: user.nullable() });

export const reactionPage = z.array(reactionAnswer);

export const appAnswer = z.object({ slug: text(200) });

const actor = z.object({ login, databaseId: id.nullish() });

/** GraphQL, `Comment`. */
export const editAnswer = z.object({
  node: z.object({ lastEditedAt: text(40).nullish(), editor: actor.nullish() }).nullable(),
});

/** GraphQL, `PullRequest`. */
export const queueAnswer = z.object({
  node: z.object({ isMergeQueueEnabled: z.boolean(), isInMergeQueue: z.boolean() }).nullable(),
});

export const comparison = z.object({
  commits: z
    .array(z.object({ sha, commit: z.object({ message: z.string() }), author: commitAuthor }))
    .transform((commits) => commits.slice(-100)),
});

export const checkList = z.object({
  check_runs: z.array(z.object({ id, external_id: z.string().nullish(), conclusion: text(40).nullish() })),
});

export const checkAnswer = z.object({ id });

export const permissionAnswer = z.object({ permission: text(40), user: z.object({ id }).nullish() });

export const accountAnswer = z.object({ login });

export const countAnswer = z.object({ total_count: z.number().int() });

export const installationAnswer = z.object({
  id,
  account: account.nullable(),
  suspended_at: text(40).nullish(),
});

export const installationPage = z.array(installationAnswer);

export const repositoryPage = z.object({
  repositories: z.array(
    z.object({
      id,
      full_name: fullName,
      default_branch: branchName,
      private: z.boolean(),
      archived: z.boolean().nullish().transform(Boolean),
    }),
  ),
});

export const deliveryPage = z.array(
  z.object({
    id,
    guid: text(200),
    delivered_at: z.iso.datetime({ offset: true }),
    redelivery: z.boolean(),
    status_code: z.number().int(),
    event: text(100),
    action: text(100).nullish(),
  }),
);

export const deliveryAnswer = z.object({
  guid: text(200),
  event: text(100),
  request: z.object({ payload: z.record(z.string(), z.unknown()).nullable() }),
});
