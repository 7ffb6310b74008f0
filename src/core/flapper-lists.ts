import type { RepositoryRef, Run } from './model.ts';

/** A commit whose list of known flappers counts for a run. */
export interface ListPlace {
  repository: RepositoryRef;
  sha: string;
  ref?: string;
}

/**
 * Only what somebody with the right to push has put there may excuse a failure: of a pull request the base that it was
 * tested with, of a branch its commit, and heads of branches of the other repositories. Not the head of any pull request;
 * and not what a pin names, which the head may have changed to a commit of its own author (a fork's commits can be fetched
 * from the repository that it is a fork of).
 */
export function listPlaces({
  change,
  repository,
  sources,
}: Pick<Run, 'change' | 'repository' | 'sources'>): ListPlace[] {
  const own = sources.find(({ changed }) => changed);
  const others = sources.filter(({ changed, pullRequest, ref }) => !changed && !pullRequest && isBranch(ref));
  const tested: ListPlace =
    change.kind === 'commit'
      ? { repository, sha: change.sha, ref: change.ref }
      : { repository, sha: own?.baseSha ?? change.base.sha, ref: `refs/heads/${change.base.ref}` };
  return [tested, ...others.map((source) => ({ repository: source.repository, sha: source.sha, ref: source.ref }))];
}

const isBranch = (ref: string | undefined): boolean => ref?.startsWith('refs/heads/') === true;
