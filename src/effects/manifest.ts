import { shortRef } from '../core/change.ts';
import type { ResolvedSource } from '../core/event.ts';
import {
  type Answers,
  type AnswerTo,
  type Candidate,
  type Known,
  learn,
  nothingKnown,
  type Read,
} from '../core/match-known.ts';
import { pinAnswer } from '../core/match-pins.ts';
import { decideManifest, type Manifest, type ManifestDecision, mostRounds, type Question } from '../core/matching.ts';
import { messages } from '../core/messages.ts';
import type { Author, RepositoryRef, Run, RunManifest } from '../core/model.ts';
import { mayWrite } from '../core/permission.ts';
import { PIN_BYTES } from '../core/pin.ts';
import { policyFor } from '../core/policy.ts';
import { pullRequestRef } from '../core/ref.ts';
import type { Stack } from '../core/stack.ts';
import { SourceError } from '../sources/sources.ts';
import type { World } from './effect.ts';
import { stackFor } from './stack.ts';

/** Which commits a run tests: what the decision in `core/matching.ts` asks for is read here, until it has enough. */
export type Chosen =
  | { kind: 'chosen'; title: string; sources: ResolvedSource[]; manifest: RunManifest }
  | { kind: 'failed'; why: string; manifest?: RunManifest };

export async function chooseCommits(run: Run, world: World, signal: AbortSignal): Promise<Chosen> {
  const changed = await testedChange(run, world, signal);
  if (changed.kind === 'conflict') return { kind: 'failed', why: changed.why };
  const { repository, change } = run;
  const stack = await stackFor(repository, world);
  const question: Question = { stack, repository: repository.name, change, tested: changed.merged?.sha };
  const reader = readerFor(run, world, signal);
  const decision = await decide(question, stack, reader.read);
  if (decision.kind === 'error') return { kind: 'failed', why: decision.why, manifest: manifestOf(decision) };
  const sources: ResolvedSource[] = [];
  for (const source of decision.sources) {
    const own = source.changed ? { baseSha: changed.baseSha, merged: changed.merged } : {};
    const found = source.changed ? repository : await reader.repositoryOf(source.repository);
    const { sha, ref, pullRequest, why } = source;
    sources.push({ repository: found, sha, ref, pullRequest, why, changed: source.changed, ...own });
  }
  return { kind: 'chosen', title: changed.title, sources, manifest: manifestOf(decision) };
}

const manifestOf = ({ partners, notes, matching, ...more }: Partial<Manifest> & { pinText?: string }): RunManifest => ({
  trees: more.trees ?? [],
  partners: partners ?? [],
  notes: notes ?? [],
  ...(matching && { matching }),
  ...(more.pinText !== undefined && { pinText: more.pinText }),
});

async function decide(
  question: Question,
  stack: Stack,
  read: (read: Read) => Promise<AnswerTo<Read>>,
): Promise<Exclude<ManifestDecision, { kind: 'need' }>> {
  let known: Known = nothingKnown();
  for (let round = 0; round <= mostRounds(stack); round += 1) {
    const decision = decideManifest(question, known);
    if (decision.kind !== 'need') return decision;
    for (const each of decision.reads) known = learn(known, each, await read(each));
  }
  throw new Error(
    `the commits of ${question.repository} were not decided after ${mostRounds(stack)} rounds of reading`,
  );
}

type Tested =
  | { kind: 'conflict'; why: string }
  | { kind: 'commit'; title: string; baseSha?: string; merged?: { sha: string; tree: string } };

/** What would land: the head merged with its base's head of now, unless the policy says otherwise. */
async function testedChange({ repository, change }: Run, world: World, signal: AbortSignal): Promise<Tested> {
  const forge = world.forge(repository);
  const remote = await forge.remote(repository, signal);
  if (change.kind === 'commit') {
    const { title } = await world.sources.ensureCommit(remote, { sha: change.sha, ref: change.ref }, signal);
    return { kind: 'commit', title };
  }
  const head = { sha: change.sha, ref: pullRequestRef(change.number) };
  const { title } = await world.sources.ensureCommit(remote, head, signal);
  if (policyFor(world.serving.policy, change.base.ref).test === 'head') return { kind: 'commit', title };
  const ref = `refs/heads/${change.base.ref}`;
  const baseSha = (await forge.readBranch(repository, ref, signal))?.sha ?? change.base.sha;
  const merged = await world.sources.ensureMerged(remote, { head, base: { sha: baseSha, ref } }, signal);
  if (merged.kind === 'conflict') {
    return { kind: 'conflict', why: messages.conflict(shortRef(ref), baseSha, merged.files, merged.count) };
  }
  const { sha, tree } = merged;
  return { kind: 'commit', title, baseSha, ...(merged.kind === 'merged' && { merged: { sha, tree } }) };
}

export interface ManifestReader {
  read(read: Read): Promise<AnswerTo<Read>>;
  /** A repository of the stack by its name. */
  repositoryOf(name: string): Promise<RepositoryRef>;
}

/** Answers the questions of a decision about this run. */
export function readerFor(run: Run, world: World, signal: AbortSignal): ManifestReader {
  const found = new Map<string, RepositoryRef | undefined>();

  /** Those that we watch are read as their installation, others anonymously. */
  async function find(name: string): Promise<RepositoryRef | undefined> {
    const known = name.toLowerCase();
    if (found.has(known)) return found.get(known);
    const own = known === run.repository.name.toLowerCase() ? run.repository : undefined;
    const stored = own ?? (await world.store.repositoryByName(name));
    const repository = stored
      ? { key: stored.key, name: stored.name, installation: stored.installation }
      : await world.forge(run.repository).findRepository(name, signal);
    found.set(known, repository);
    return repository;
  }

  async function repositoryOf(name: string): Promise<RepositoryRef> {
    const repository = await find(name);
    if (!repository) throw new SourceError('repository-gone', `${name} is gone, or not for us to read`);
    return repository;
  }

  async function head(name: string): Promise<Answers['head']> {
    const repository = await find(name);
    const branch = repository && (await defaultBranchOf(repository, world, signal));
    return branch ?? { kind: 'missing', why: messages.repositoryUnreadable };
  }

  async function pin({ repository: name, sha, file }: Extract<Read, { kind: 'pin' }>): Promise<Answers['pin']> {
    const repository = await repositoryOf(name);
    const remote = await world.forge(repository).remote(repository, signal);
    await world.sources.ensureCommit(remote, { sha }, signal);
    return pinAnswer(await world.sources.readFile(remote, sha, file, PIN_BYTES, signal));
  }

  async function revision(read: Extract<Read, { kind: 'revision' }>): Promise<Answers['revision']> {
    const repository = await repositoryOf(read.repository);
    const remote = await world.forge(repository).remote(repository, signal);
    const { sha, ...not } = await world.sources.resolveRevision(remote, read.revision, signal);
    return sha === undefined ? { kind: 'missing', ...not } : { kind: 'commit', sha };
  }

  async function pulls(name: string, branch: string): Promise<Answers['pull-requests']> {
    const repository = await find(name);
    const author = run.change.kind === 'pull-request' ? run.change.author : undefined;
    if (!repository) return { kind: 'missing', why: messages.repositoryUnreadable };
    const candidates = await candidatesOf(repository, { branch, author }, world, signal);
    return { kind: 'pull-requests', candidates };
  }

  return {
    repositoryOf,
    read: async (read) => {
      switch (read.kind) {
        case 'head':
          return head(read.repository);
        case 'pin':
          return pin(read);
        case 'revision':
          return revision(read);
        case 'pull-requests':
          return pulls(read.repository, read.branch);
      }
    },
  };
}

async function defaultBranchOf(
  repository: RepositoryRef,
  world: World,
  signal: AbortSignal,
): Promise<Answers['head'] | undefined> {
  const guess = (await world.store.repository(repository.key))?.defaultBranch ?? 'main';
  const readAt = (branch: string) => world.forge(repository).readBranch(repository, `refs/heads/${branch}`, signal);
  let seen = await readAt(guess);
  if (seen && seen.defaultBranch !== guess) seen = await readAt(seen.defaultBranch);
  return seen?.sha ? { kind: 'head', branch: seen.defaultBranch, sha: seen.sha } : undefined;
}

/** The pull requests of a repository from branches of this name. Of watched ones we know them all; others are listed.
 *  Whether an author may write is asked only where it matters: not of the change's own author. */
export async function candidatesOf(
  repository: RepositoryRef,
  wanted: { branch: string; author?: Author },
  world: World,
  signal: AbortSignal,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const candidate of await pullRequestsAt(repository, wanted.branch, world, signal)) {
    const isAsked = candidate.state === 'open' && candidate.author.id !== wanted.author?.id;
    if (!isAsked) candidates.push(candidate);
    else {
      const permission = await world.forge(repository).permissionOf(repository, candidate.author, signal);
      candidates.push({ ...candidate, canWrite: mayWrite(permission) });
    }
  }
  return candidates;
}

async function pullRequestsAt(
  repository: RepositoryRef,
  branch: string,
  world: World,
  signal: AbortSignal,
): Promise<Candidate[]> {
  const stored = await world.store.repository(repository.key);
  if (stored?.state === 'watched') {
    const rows = await world.store.pullRequestsFrom(repository.key, branch);
    return rows.map(({ number, state, fork, author, headRef: ref, headSha: sha, allowedSha }) => ({
      ...{ number, ref, sha, state, fork, author },
      ...(allowedSha === sha && { allowed: true }),
    }));
  }
  const listed = (await world.forge(repository).listPullRequests(repository, undefined, signal)) ?? [];
  return listed.flatMap(({ number, state, head, headSha: sha }) =>
    head?.ref === branch ? [{ number, state, sha, ref: head.ref, fork: head.fork, author: head.author }] : [],
  );
}
