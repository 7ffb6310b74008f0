import type { Candidate } from './match-known.ts';
import { manifestMessages } from './messages-manifest.ts';
import type { Author } from './model.ts';
import { isSameName } from './stack.ts';

/**
 * Which pull requests of different repositories belong together: those whose head branches have one name.
 *
 * - Open ones only, from forks too. Names that everybody has (default branches, the web editor's `…patch-1`) say nothing.
 * - One by the same author comes first. Of several that are equally near none is used, and that is said.
 * - Nobody's code gets into somebody else's run uninvited: a partner has the same author, or one who may write to its
 *   repository, or a maintainer's word.
 */

/** A pull request that a run takes instead of a pin or a default branch. `fork`: the run executes a fork's code. */
export interface Partner {
  repository: string;
  number: number;
  /** Short name of its head branch. */
  ref: string;
  sha: string;
  fork: boolean;
  author: Author;
}

export interface PartnerChoice {
  partner?: Candidate;
  notes: string[];
}

/** By what a run's partners were looked for; kept with its manifest, so that it can be asked again who they are. */
export interface Matching {
  /** `match:raku:fix-gc` */
  subject: string;
  /** The changed one. */
  repository: string;
  branch: string;
  author: Author;
}

/** What concerns all pull requests of this name in this stack is ordered by this subject. */
export const matchSubject = (stackName: string, branch: string): string => `match:${stackName}:${branch}`;

/** Before their default branches were renamed they had these names; forks still do. */
const COMMON_NAMES = ['main', 'master'];

/** `patch-1`, `ugexe-patch-1`: the web editor's. Not `new-dispatch-2`. */
const WEB_EDITOR = /(?:^|[^A-Za-z0-9])patch-\d+$/i;

/** `defaultBranches`: of all repositories of the stack. */
export const neverMatches = (branch: string, defaultBranches: readonly string[]): boolean =>
  defaultBranches.includes(branch) || COMMON_NAMES.includes(branch) || WEB_EDITOR.test(branch);

/** The partner in one repository for a pull request by this author, from a branch of this name. */
export function choosePartner(
  repository: string,
  { branch, author }: Pick<Matching, 'branch' | 'author'>,
  candidates: readonly Candidate[],
): PartnerChoice {
  const matching = candidates
    .filter(({ state, ref }) => state === 'open' && ref === branch)
    .toSorted((a, b) => a.number - b.number);
  const own = matching.filter((candidate) => isBy(candidate, author));
  const trusted = matching.filter((candidate) => isTrusted(candidate, author));
  const notes = matching
    .filter((candidate) => !trusted.includes(candidate))
    .map(({ number, author: { login } }) => manifestMessages.stranger(repository, number, login));
  const [partner, ...equals] = own.length > 0 ? own : trusted;
  if (!partner) return { notes };
  if (equals.length > 0) {
    return { notes: [manifestMessages.ambiguous(repository, numbersOf([partner, ...equals])), ...notes] };
  }
  const others = numbersOf(trusted.filter((candidate) => candidate !== partner));
  return {
    partner,
    notes: others.length ? [manifestMessages.preferred(repository, partner.number, others), ...notes] : notes,
  };
}

const numbersOf = (candidates: readonly Candidate[]): number[] => candidates.map(({ number }) => number);

/** By id: logins can be changed, and taken by others. */
const isBy = (candidate: Candidate, author: Author): boolean => candidate.author.id === author.id;

const isTrusted = (candidate: Candidate, author: Author): boolean =>
  isBy(candidate, author) || candidate.canWrite === true || candidate.allowed === true;

/** What has changed about a run's partners since. */
export interface PartnerNews {
  repository: string;
  number: number;
  /** `dropped`: still open, but no longer the one that matches (a second one makes it ambiguous, its author may no longer
   *  write, its branch has another name). */
  because: 'moved' | 'closed' | 'merged' | 'dropped' | 'appeared';
  why: string;
}

/** The pull requests of one repository that have, or had, the branch name: closed ones as well, if they are known. */
export interface CandidatesNow {
  repository: string;
  candidates: readonly Candidate[];
}

/** What a manifest keeps of its partners. */
export interface Partnered {
  /** Absent: the change has no partners, whatever appears. */
  matching?: Matching;
  partners: readonly Partner[];
}

/**
 * How the partners that a run was tested with differ from those that it would have now. Of a repository that `now` does
 * not name nothing is known, so nothing is new. Two pull requests that were opened together, and of which one did not
 * see the other, find each other by `appeared`.
 */
export function partnerNews({ matching, partners }: Partnered, now: readonly CandidatesNow[]): PartnerNews[] {
  if (!matching) return [];
  return now.flatMap(({ repository, candidates }) => {
    if (isSameName(repository, matching.repository)) return [];
    const used = partners.find((partner) => isSameName(partner.repository, repository));
    const { partner } = choosePartner(repository, matching, candidates);
    if (used) return newsOf(used, candidates, partner);
    return partner ? [news(repository, partner.number, 'appeared')] : [];
  });
}

export const isStale = (manifest: Partnered, now: readonly CandidatesNow[]): boolean =>
  partnerNews(manifest, now).length > 0;

function newsOf(used: Partner, candidates: readonly Candidate[], chosen: Candidate | undefined): PartnerNews[] {
  const { repository, number } = used;
  const current = candidates.find((candidate) => candidate.number === number);
  // Whoever lists open ones only does not know whether it was merged.
  if (current?.state !== 'open') return [news(repository, number, current?.state ?? 'closed')];
  if (chosen !== current) return [news(repository, number, 'dropped')];
  if (current.sha === used.sha) return [];
  const why = manifestMessages.partner.moved(repository, number, current.sha);
  return [{ repository, number, because: 'moved', why }];
}

const news = (repository: string, number: number, because: Exclude<PartnerNews['because'], 'moved'>): PartnerNews => ({
  repository,
  number,
  because,
  why: manifestMessages.partner[because](repository, number),
});

/** One test of these very heads together. Who is run again because of its partners is so once per key. `changed` comes
 *  first: each of a pair has its own key. */
export function partnersKey(
  changed: Pick<Partner, 'repository' | 'number' | 'sha'>,
  partners: readonly Pick<Partner, 'repository' | 'number' | 'sha'>[],
): string {
  const head = ({ repository, number, sha }: Pick<Partner, 'repository' | 'number' | 'sha'>) =>
    `${repository.toLowerCase()}#${number}@${sha}`;
  return ['partners', head(changed), ...partners.map(head).sort()].join(':');
}
