import { shortRef } from './change.ts';
import { type Asking, askingOf, type Known, type Read } from './match-known.ts';
import { choosePartner, type Matching, matchSubject, neverMatches, type Partner } from './match-partners.ts';
import { type Fault, type FollowedPin, followPin } from './match-pins.ts';
import { manifestMessages } from './messages-manifest.ts';
import type { Change } from './model.ts';
import { pullRequestRef } from './ref.ts';
import {
  dependencyOrder,
  dependentsOf,
  distancesFrom,
  inStack,
  pinsOn,
  type Stack,
  type StackPin,
  shortName,
  stackOf,
} from './stack.ts';

/**
 * Which commit of each repository a run takes, and why. The first rule that applies decides:
 *
 * 1. The changed repository: the change itself, whatever the others pin.
 * 2. A pull request's partner (`match-partners.ts`): its head. Partners are part of what is tested, as the change is.
 * 3. What a repository that is tested pins, and what that pins, and so on: downwards from the change and its partners.
 *    So rakudo's own NQP_REVISION decides about nqp, and the MOAR_REVISION of that nqp about MoarVM.
 * 4. Who is built with something that is tested, and is in nobody's pins above: the head of its default branch. A pin
 *    between two of these does not count, for the question is whether the newest of each goes with the change.
 * 5. The rest: what the repositories of 4 pin, else the head of the default branch.
 *
 * When several pins of one rule name one repository (a diamond), that of the repository nearest to what is tested counts,
 * in pins up or down; of equally near ones that which stands lowest in the order of dependency. The others are followed
 * as well, and what they say otherwise is noted. As the nearness is to *all* that is tested, partners make the same
 * manifest from whichever side it is looked at.
 *
 * Nothing is guessed: a pin that counts and cannot be followed is an error, and so is a repository that cannot be read.
 */
export interface Question {
  stack: Stack;
  /** The changed one, as `owner/name`. When it is not in the stack it is tested alone. */
  repository: string;
  change: Change;
  /** The commit whose pins count, when it is not the change's head: the head merged with its base. */
  tested?: string;
}

export type ManifestDecision =
  /** What is lacking still: at least one, and nothing that is known. */
  | { kind: 'need'; reads: Read[] }
  | ({ kind: 'manifest' } & Manifest)
  /** The run ends with this reason. A partner that appears can mend it, as it can make a manifest stale. */
  | ({ kind: 'error' } & Fault & Omit<Manifest, 'sources' | 'trees'>);

export interface Manifest {
  /** Each repository of the stack once, in its order. */
  sources: ManifestSource[];
  /** What the archives of repositories hold beside their own tree. */
  trees: ManifestTree[];
  partners: Partner[];
  /** In words: ambiguities, pull requests that are not used, pins that do not count. */
  notes: string[];
  /** Absent: no pull request could be a partner of this change. */
  matching?: Matching;
}

export interface ManifestSource {
  repository: string;
  sha: string;
  /** Where it is expected: `refs/heads/main`, `refs/pull/7/head`, `refs/tags/2026.08`. */
  ref?: string;
  pullRequest?: number;
  why: string;
  changed: boolean;
}

export interface ManifestTree {
  /** Whose archive it is put into, and in which directory. */
  into: string;
  path: string;
  repository: string;
  sha: string;
  ref?: string;
  why: string;
}

/** From what is known to a manifest, or to what has to be known next. The same answers always give the same decision,
 *  in whatever order they came; it ends after at most `mostRounds` rounds of reading. */
export function decideManifest(question: Question, known: Known): ManifestDecision {
  const plan = planOf(question, known);
  const matched = matchPartners(plan);
  const early = unfinished(plan, matched);
  if (early) return early;
  const chosen = chooseSources(plan, matched.partners);
  const trees = chooseTrees(plan, chosen);
  const sources = plan.stack.repositories.flatMap(({ repository }) => chosen.get(repository)?.source ?? []);
  return unfinished(plan, matched) ?? { kind: 'manifest', sources, trees, ...matched, notes: plan.notes };
}

/** Default branches, pull requests, then for each repository its pin, as a tag and as a sha. */
export const mostRounds = (stack: Stack): number => 2 + 3 * stack.repositories.length;

type Matched = Pick<Manifest, 'partners' | 'matching'>;

/** A decision under way: what it lacks, says and stumbles over is gathered here. */
interface Plan extends Asking {
  stack: Stack;
  question: Question;
  /** The changed repository, as the stack spells it. */
  changed: string;
  /** Places in the order of dependency: what is pinned has a lower one than who pins it. */
  rank: Map<string, number>;
  notes: string[];
  faults: Fault[];
}

function planOf(question: Question, known: Known): Plan {
  const stack = stackOf([question.stack], question.repository);
  const changed = inStack(stack, question.repository)!.repository;
  const rank = new Map(dependencyOrder(stack).map((repository, place) => [repository, place]));
  return { ...askingOf(known), stack, question, changed, rank, notes: [], faults: [] };
}

/** A fault is told when nothing is lacking any more: else which of two is told would hang on the order of the answers. */
function unfinished({ lacking, faults: [fault], notes }: Plan, matched: Matched): ManifestDecision | undefined {
  const reads = lacking();
  if (reads.length > 0) return { kind: 'need', reads };
  return fault && { kind: 'error', ...fault, ...matched, notes };
}

/** The partners, with what they were looked for by; when something is lacking, those that are known. */
function matchPartners(plan: Plan): Matched {
  const { stack, changed, notes } = plan;
  const { change } = plan.question;
  const others = stack.repositories.map(({ repository }) => repository).filter((name) => name !== changed);
  if (change.kind !== 'pull-request' || others.length === 0) return { partners: [] };
  const heads = [changed, ...others].map((repository) => plan.ask({ kind: 'head', repository }));
  if (heads.includes(undefined)) return { partners: [] };
  const defaultBranches = heads.flatMap((head) => (head?.kind === 'head' ? [head.branch] : []));
  if (neverMatches(change.ref, defaultBranches)) {
    notes.push(manifestMessages.neverMatches(change.ref));
    return { partners: [] };
  }
  const subject = matchSubject(stack.name, change.ref);
  const matching = { subject, repository: changed, branch: change.ref, author: change.author };
  return { matching, partners: others.flatMap((repository) => partnerIn(plan, repository, matching)) };
}

function partnerIn(plan: Plan, repository: string, matching: Matching): Partner[] {
  const answer = plan.ask({ kind: 'pull-requests', repository, branch: matching.branch });
  if (!answer) return [];
  if (answer.kind === 'missing') {
    plan.faults.push({ why: manifestMessages.noPullRequests(repository, answer.why) });
    return [];
  }
  const { partner, notes } = choosePartner(repository, matching, answer.candidates);
  plan.notes.push(...notes);
  if (!partner) return [];
  const { number, ref, sha, fork, author } = partner;
  return [{ repository, number, ref, sha, fork, author }];
}

interface Chosen {
  source: ManifestSource;
  /** Where its pins are read. */
  pinsAt: string;
  /** By rules 1 to 3: it is tested itself, or pinned by what is. */
  speaksForChange: boolean;
}

/** By repository; without those for which something is lacking or at fault. */
function chooseSources(plan: Plan, partners: readonly Partner[]): Map<string, Chosen> {
  const { stack, changed } = plan;
  const tested = [changed, ...partners.map(({ repository }) => repository)];
  const dependents = dependentsOf(stack, tested);
  const distances = distancesFrom(stack, tested);
  const chosen = new Map<string, Chosen>();
  // From the top down: whose pins decide about a repository is chosen before it.
  for (const repository of dependencyOrder(stack).toReversed()) {
    const partner = partners.find((each) => each.repository === repository);
    const here =
      repository === changed
        ? theChange(plan)
        : partner
          ? thePartner(partner)
          : theNeighbour(plan, repository, { chosen, isDependent: dependents.has(repository), distances });
    if (here) chosen.set(repository, here);
  }
  return chosen;
}

function theChange({ stack, changed, question, notes }: Plan): Chosen {
  const { change, tested } = question;
  for (const { by, file } of pinsOn(stack, changed)) notes.push(manifestMessages.changedInstead(changed, by, file));
  const source =
    change.kind === 'pull-request'
      ? { ...atPullRequest(change.number), why: manifestMessages.why.pullRequestHead(change.number) }
      : { ref: change.ref, why: manifestMessages.why.head(shortRef(change.ref)) };
  return {
    source: { repository: changed, sha: change.sha, ...source, changed: true },
    pinsAt: tested ?? change.sha,
    speaksForChange: true,
  };
}

function thePartner({ repository, number, sha }: Partner): Chosen {
  const why = manifestMessages.why.sameBranchName(number);
  return {
    source: { repository, sha, ...atPullRequest(number), why, changed: false },
    pinsAt: sha,
    speaksForChange: true,
  };
}

/** Of the base repository: head repositories get deleted. */
const atPullRequest = (number: number) => ({ ref: pullRequestRef(number), pullRequest: number });

interface Neighbourhood {
  chosen: ReadonlyMap<string, Chosen>;
  /** Built with something that is tested. */
  isDependent: boolean;
  distances: ReadonlyMap<string, number>;
}

/** By a pin, else the head of the default branch. */
function theNeighbour(plan: Plan, repository: string, around: Neighbourhood): Chosen | undefined {
  const { chosen } = around;
  // A circle of pins, which no configuration has, is cut here.
  const pins = pinsOn(plan.stack, repository).filter(({ by }) => plan.rank.get(by)! > plan.rank.get(repository)!);
  // Whether a pin counts is known when it is known why its repository is where it is.
  if (pins.some(({ by }) => !chosen.has(by))) return undefined;
  const [first, ...others] = pins
    .filter(({ by }) => chosen.get(by)!.speaksForChange || !around.isDependent)
    .toSorted((a, b) => nearness(plan, around, a) - nearness(plan, around, b));
  return first ? thePinned(plan, chosen, first, others) : theDefault(plan, repository);
}

/** Less is nearer. Pins of what is tested (rule 3) come before others (rule 5), whatever the way. */
function nearness({ rank }: Plan, { chosen, distances }: Neighbourhood, { by }: StackPin): number {
  const steps = chosen.get(by)!.speaksForChange ? 0 : rank.size + 1;
  const distance = Math.min(distances.get(by) ?? rank.size, rank.size);
  return (steps + distance) * rank.size + rank.get(by)!;
}

function thePinned(
  plan: Plan,
  chosen: ReadonlyMap<string, Chosen>,
  pin: StackPin,
  others: readonly StackPin[],
): Chosen | undefined {
  const follow = (each: StackPin) => followPin(plan, each, chosen.get(each.by)!.pinsAt);
  const followed = follow(pin);
  const rest = others.map((other) => ({ by: other.by, followed: follow(other) }));
  if (!followed) return undefined;
  if (followed.kind === 'fault') {
    const { why, pinText } = followed;
    plan.faults.push({ why, ...(pinText === undefined ? {} : { pinText }) });
    return undefined;
  }
  for (const other of rest) plan.notes.push(...otherSays(plan, pin, followed, other));
  const { sha, ref, text } = followed;
  const why = manifestMessages.why.pinnedBy(shortName(plan.stack, pin.by), text);
  return {
    source: { repository: pin.pinned, sha, ...(ref === undefined ? {} : { ref }), why, changed: false },
    pinsAt: sha,
    speaksForChange: chosen.get(pin.by)!.speaksForChange,
  };
}

/** What there is to say of a pin that does not count. */
function otherSays(
  { stack }: Plan,
  { by, pinned }: StackPin,
  used: { sha: string; text: string },
  other: { by: string; followed: FollowedPin | undefined },
): string[] {
  const { followed } = other;
  const name = shortName(stack, by);
  if (!followed) return [];
  if (followed.kind === 'fault') return [manifestMessages.otherPinBroken(name, followed.why)];
  if (followed.sha === used.sha) return [];
  const otherPin = { by: shortName(stack, other.by), text: followed.text };
  return [manifestMessages.otherPin(pinned, { by: name, text: used.text }, otherPin)];
}

function theDefault(plan: Plan, repository: string): Chosen | undefined {
  const head = headOf(plan, repository);
  return head && { source: { ...head, changed: false }, pinsAt: head.sha, speaksForChange: false };
}

/** The head of the default branch; undefined when it is lacking, or a fault. */
function headOf(plan: Plan, repository: string) {
  const head = plan.ask({ kind: 'head', repository });
  if (!head) return undefined;
  if (head.kind === 'missing') {
    plan.faults.push({ why: manifestMessages.noHead(repository, head.why) });
    return undefined;
  }
  const why = manifestMessages.why.head(head.branch);
  return { repository, sha: head.sha, ref: `refs/heads/${head.branch}`, why };
}

/** Trees of repositories of the stack are at the commits of the run; others have neither pins nor partners. */
function chooseTrees(plan: Plan, chosen: ReadonlyMap<string, Chosen>): ManifestTree[] {
  return plan.stack.repositories.flatMap(({ repository: into, trees }) =>
    Object.entries(trees).flatMap(([path, name]): ManifestTree[] => {
      const member = inStack(plan.stack, name)?.repository;
      if (member === undefined) {
        const head = headOf(plan, name);
        return head ? [{ into, path, ...head }] : [];
      }
      const source = chosen.get(member)?.source;
      if (!source) return [];
      const { sha, ref } = source;
      const why = manifestMessages.why.alreadyInStack(member);
      return [{ into, path, repository: member, sha, ...(ref === undefined ? {} : { ref }), why }];
    }),
  );
}
