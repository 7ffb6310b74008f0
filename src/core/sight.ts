import type { Stack } from './stack.ts';

/**
 * What somebody who looks at the site may see. Everything is for everybody, but what is of private repositories: that is
 * for those who may read these at the forge. A run is of the repository whose change it tests, and of every repository
 * that it was tested with.
 */
export interface Sight {
  /** The private repositories that they may not read; of these not even the names. */
  hidden: readonly PrivateRepository[];
}

/** `installation`: through which it is read, and asked about. */
export interface PrivateRepository {
  key: string;
  name: string;
  installation?: string;
}

/** Nothing is hidden: our own eyes, and everybody's where no repository is private. */
export const EVERYTHING: Sight = { hidden: [] };

/** `readable`: keys of repositories that they may read; of nobody in particular none. */
export const sightOf = (privates: readonly PrivateRepository[], readable: ReadonlySet<string> = new Set()): Sight => ({
  hidden: privates.filter(({ key }) => !readable.has(key)),
});

export const seesAll = ({ hidden }: Sight): boolean => hidden.length === 0;

export const hiddenKeys = ({ hidden }: Sight): string[] => hidden.map(({ key }) => key);

/** Who have one, see the same: what is made for one of them can be shown to the other. */
export const sameSight = (sight: Sight): string => JSON.stringify(hiddenKeys(sight).sort());

/** Names are equal whatever their case (GitHub). */
export const mayKnowName = ({ hidden }: Sight, name: string): boolean =>
  hidden.every((each) => each.name.toLowerCase() !== name.toLowerCase());

/** The repository that a subject is of, by the subject alone; undefined: it does not say. */
export function repositoryOfSubject(subject: string): string | undefined {
  const { pull, branch, repository } = SUBJECT.exec(subject)?.groups ?? {};
  return pull ?? branch ?? repository;
}

const SUBJECT = /^(?:pull-request:(?<pull>.+)#\d+|branch:(?<branch>.+?):refs\/.*|repository:(?<repository>.+))$/s;

/** Of so many repositories nobody is told apart: what is not known to be for somebody is not shown to him. */
export function maySeeSubject(sight: Sight, subject: string, maySeeRun: (runId: string) => boolean): boolean {
  if (seesAll(sight)) return true;
  const key = repositoryOfSubject(subject);
  if (key !== undefined) return maySeeKey(sight, key);
  return subject.startsWith(RUN) && maySeeRun(subject.slice(RUN.length));
}

export const maySeeKey = ({ hidden }: Sight, repositoryKey: string): boolean =>
  hidden.every(({ key }) => key !== repositoryKey);

const RUN = 'run:';

/** The run that a subject is of. */
export const runOfSubject = (subject: string): string | undefined =>
  subject.startsWith(RUN) ? subject.slice(RUN.length) : undefined;

/** A stack without what somebody may not know of; undefined: nothing is left of it. A stack is often called after its first
 *  repository. */
export function knownPart<S extends Pick<Stack, 'name' | 'repositories'>>(sight: Sight, stack: S): S | undefined {
  const repositories = stack.repositories.filter(({ repository }) => mayKnowName(sight, repository));
  if (repositories.length === stack.repositories.length) return stack;
  const name = mayKnowName(sight, stack.name) ? stack.name : repositories[0]?.repository;
  return name === undefined || repositories.length === 0 ? undefined : { ...stack, name, repositories };
}
