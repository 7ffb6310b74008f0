import type { Run, Source } from './model.ts';
import { pullRequestRef } from './ref.ts';

/**
 * Shell commands that make the source trees of a run by hand, as siblings by name. `urlOf`: where a repository is
 * cloned from, `https://github.com/owner/name.git`.
 */
export function reproduceCommands(
  run: Pick<Run, 'sources' | 'manifest' | 'change'>,
  urlOf: (repository: string) => string,
): string[] {
  return run.sources.flatMap((source) => {
    const name = nameOf(source.repository.name);
    const trees = (run.manifest?.trees ?? []).filter(({ into }) => same(into, source.repository.name));
    return [
      `git clone ${quoted(urlOf(source.repository.name))} ${quoted(name)}`,
      ...checkout(source, run.change),
      `git -C ${quoted(name)} submodule update --init --recursive`,
      ...trees.flatMap(({ path, repository, sha }) => [
        `rm -rf ${quoted(`${name}/${path}`)} && git clone ${quoted(urlOf(repository))} ${quoted(`${name}/${path}`)}`,
        `git -C ${quoted(`${name}/${path}`)} checkout ${sha}`,
      ]),
    ];
  });
}

/** A head in a fork is in the base repository as `refs/pull/N/head`; it can be gone from there after a forced push. */
function checkout({ repository, sha, pullRequest, baseSha, merged }: Source, change: Run['change']): string[] {
  const at = `git -C ${quoted(nameOf(repository.name))}`;
  const fetched = pullRequest === undefined ? [] : [`${at} fetch origin ${pullRequestRef(pullRequest)}`];
  if (!merged || baseSha === undefined || change.kind !== 'pull-request') return [...fetched, `${at} checkout ${sha}`];
  return [...fetched, `${at} checkout ${baseSha}`, `${at} merge --no-ff -m test ${sha}`];
}

const nameOf = (repository: string): string => repository.split('/').at(-1)!;

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
