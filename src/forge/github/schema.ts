import { z } from 'zod';

/** GitHub's REST answers: only the fields that we read, ids as text (docs.github.com, REST API). */

const id = z.union([z.number().int(), z.string()]).transform(String);
const user = z.object({ id, login: z.string() }).transform(({ id, login }) => ({ id, login }));

export const repositoryAnswer = z.object({ full_name: z.string(), default_branch: z.string(), private: z.boolean() });

export const branchAnswer = z.object({
  commit: z.object({
    sha: z.string(),
    commit: z.object({ message: z.string() }),
    // GitHub gives `{}` or null for an author who has no account.
    author: user.nullish().catch(null),
  }),
});

export const branchPage = z.array(z.object({ name: z.string(), commit: z.object({ sha: z.string() }) }));

export const pullAnswer = z.object({
  title: z.string(),
  state: z.enum(['open', 'closed']),
  merged: z.boolean().nullish(),
  draft: z.boolean().nullish().transform(Boolean),
  user: user.nullable(),
  head: z.object({ ref: z.string(), sha: z.string(), repo: z.object({ id }).nullable() }),
  base: z.object({ ref: z.string(), sha: z.string() }),
});

export const checkList = z.object({
  check_runs: z.array(z.object({ id, external_id: z.string().nullish() })),
});
