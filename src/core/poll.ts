import type { Branch, PullRequest } from './change.ts';
import { branchSubject, type CommentFacts, type ListedPullRequest, pullRequestSubject } from './event.ts';
import { branchFactKey, commentFactKey, pullRequestFactKey, samePullRequest } from './fact-key.ts';

/**
 * What the lists of a repository say beside what we know of it. Polling is the net under the hooks: it makes the same
 * facts under the same keys, so that what a hook told already only gets a second sighting.
 *
 * At the first look at a repository everything is unknown, and not all of it is news: heads that `takesUp` names are
 * tested, the others are only noted, and tested when they move. Of pull requests those that are open are taken up, and
 * comments from before it are nobody's business.
 */
export interface Head {
  ref: string;
  sha: string;
}

export interface BranchFact {
  key: string;
  ref: string;
  sha: string | null;
}

/** What the ledger knows of a key. */
export interface FactSeen {
  key: string;
  pollAt?: Date;
}

export interface BranchNews {
  /** To be looked at: it moved, appeared or went. */
  told: BranchFact[];
  /** To be known without a test. `key` is another one than a telling's: who pushes this very head wants it tested. */
  noted: (BranchFact & { sha: string })[];
  /** Told by a hook, and now seen here for the first time as well. */
  confirmed: BranchFact[];
}

/** How far the lists of a repository were read is kept under this name. */
export const pollCursorName = (repositoryKey: string): string => `poll:${repositoryKey}`;

export const firstLookKey = (repositoryKey: string): string => `first-look:${repositoryKey}`;
export const notedKey = (subject: string): string => `noted:${subject}`;

/** The keys of which `branchNews` has to know whether they are in the ledger. */
export function keysToLookUp(repositoryKey: string, known: Branch[], heads: Head[]): string[] {
  const refs = new Map(known.map((branch) => [branch.ref, branch]));
  const perHead = heads.flatMap(({ ref, sha }) => {
    const branch = refs.get(ref);
    if (!branch) return [notedKey(branchSubject(repositoryKey, ref))];
    return branch.sha === sha && branch.toldBy ? [branch.toldBy] : [];
  });
  return [firstLookKey(repositoryKey), ...perHead];
}

export function branchNews(
  repositoryKey: string,
  takesUp: (ref: string) => boolean,
  known: Branch[],
  heads: Head[],
  facts: FactSeen[],
): BranchNews {
  const ledger = new Map(facts.map((fact) => [fact.key, fact]));
  const isFirstLook = !ledger.has(firstLookKey(repositoryKey));
  const refs = new Map(known.map((branch) => [branch.ref, branch]));
  const news: BranchNews = { told: [], noted: [], confirmed: [] };
  for (const { ref, sha } of heads) {
    const branch = refs.get(ref);
    const subject = branchSubject(repositoryKey, ref);
    const fact = { key: branchFactKey(subject, branch, sha), ref, sha };
    if (branch?.sha === sha) {
      const told = branch.toldBy === undefined ? undefined : ledger.get(branch.toldBy);
      if (told && !told.pollAt) news.confirmed.push(fact);
    } else if (!branch && isFirstLook && !takesUp(ref)) {
      news.noted.push({ ...fact, key: notedKey(subject) });
    } else if (branch || !ledger.has(notedKey(subject))) {
      // Else it was noted a moment ago, and its row is on its way.
      news.told.push(fact);
    }
  }
  const there = new Set(heads.map(({ ref }) => ref));
  for (const branch of known) {
    if (branch.sha === null || there.has(branch.ref)) continue;
    news.told.push({ key: branchFactKey(branch.subject, branch, null), ref: branch.ref, sha: null });
  }
  return news;
}

export interface PullRequestFact {
  key: string;
  told: ListedPullRequest;
}

/** Told anew, and told by a hook and now seen here for the first time as well. */
export interface PullRequestNews {
  told: PullRequestFact[];
  confirmed: PullRequestFact[];
}

/** The keys of which `pullRequestNews` has to know whether a poll saw them. */
export const pullRequestKeys = (known: PullRequest[]): string[] =>
  known.flatMap(({ toldBy }) => (toldBy === undefined ? [] : [toldBy]));

/** A pull request that was closed before we knew it is no news. */
export function pullRequestNews(
  repositoryKey: string,
  known: PullRequest[],
  listed: ListedPullRequest[],
  facts: FactSeen[],
): PullRequestNews {
  const ledger = new Map(facts.map((fact) => [fact.key, fact]));
  const byNumber = new Map(known.map((pull) => [pull.number, pull]));
  const news: PullRequestNews = { told: [], confirmed: [] };
  for (const told of listed) {
    const pull = byNumber.get(told.number);
    const fact = { key: pullRequestFactKey(pullRequestSubject(repositoryKey, told.number), pull, told), told };
    if (pull && samePullRequest(pull, told)) {
      const seen = pull.toldBy === undefined ? undefined : ledger.get(pull.toldBy);
      if (seen && !seen.pollAt) news.confirmed.push(fact);
    } else if (pull || told.state === 'open') {
      news.told.push(fact);
    }
  }
  return news;
}

export interface CommentFact {
  key: string;
  comment: CommentFacts;
}

/** Comments written or edited since `from` that no poll has seen yet. */
export function commentNews(
  repositoryKey: string,
  from: Date,
  listed: CommentFacts[],
  facts: FactSeen[],
): CommentFact[] {
  const seen = new Set(facts.flatMap(({ key, pollAt }) => (pollAt ? [key] : [])));
  return commentFacts(repositoryKey, from, listed).filter(({ key }) => !seen.has(key));
}

export const commentFacts = (repositoryKey: string, from: Date, listed: CommentFacts[]): CommentFact[] =>
  listed
    .filter(({ updatedAt }) => Date.parse(updatedAt) >= from.getTime())
    .map((comment) => ({ key: commentFactKey(repositoryKey, comment), comment }));

/** How far the lists of a repository were read. Times are ISO 8601. */
export interface PollCursor {
  /** When all of them were last read without trouble. */
  lookedAt?: string;
  /** Newest change seen of pull requests and of comments. */
  pullRequests?: string;
  comments?: string;
  /** Comments from before our first look are not told. */
  commentsFrom?: string;
  /** Why the lists could not be read, since when. */
  trouble?: { why: string; since: string };
}

/** Of a poll that has no cursor to say it at (`installations`, `deliveries`, `builds:azure`); ISO 8601. `{}`: all is well. */
export interface PollTrouble {
  why?: string;
  since?: string;
}

export const TROUBLE_CURSOR = 'trouble:';
export const troubleCursorName = (poll: string): string => `${TROUBLE_CURSOR}${poll}`;

/** What changes while a list is read, or is dated a little back, is read again next time. */
const OVERLAP_MS = 10 * 60_000;

export const overlapped = (at: string): Date => new Date(Date.parse(at) - OVERLAP_MS);

/** Nobody looked for so long that more may have happened than should be tested at once. */
export function wasAbsent(cursor: PollCursor | undefined, everyMs: number, now: Date): boolean {
  if (cursor?.lookedAt === undefined) return true;
  return now.getTime() - Date.parse(cursor.lookedAt) > Math.max(ABSENCE_MS, 5 * everyMs);
}

const ABSENCE_MS = 15 * 60_000;

/** The newest of some times, ISO 8601. */
export const newestOf = (times: (string | undefined)[]): string | undefined =>
  times.reduce((one, other) => (other !== undefined && (one === undefined || other > one) ? other : one), undefined);
