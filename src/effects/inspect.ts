import { parseCommands } from '../core/command.ts';
import type { EffectOf } from '../core/effect.ts';
import { type CandidatesNow, partnerNews } from '../core/match-partners.ts';
import type { RepositoryRef } from '../core/model.ts';
import { isSameName } from '../core/stack.ts';
import { done, type Performed, type World } from './effect.ts';
import { candidatesOf, readerFor } from './manifest.ts';
import { stackFor } from './stack.ts';

/** Read the live state that a hint spoke of. */

export async function inspectBranch(
  effect: EffectOf<'inspect.branch'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { subject, repository, ref, look, passedSince } = effect;
  const forge = world.forge(repository);
  const seen = await forge.readBranch(repository, ref, signal);
  if (!seen) return { events: [unreadable(subject, repository)] };
  const head = seen.sha;
  const isMoved = passedSince !== undefined && head !== null && head !== passedSince;
  // A forced push has left the head that we knew: then only the new one is of interest.
  const passed = isMoved ? (await forge.listCommits(repository, passedSince, head, signal))?.slice(0, -1) : undefined;
  const tested = look.catchUp && head !== null ? await isTested(repository, head, world, signal) : undefined;
  const snapshot = { ...seen, ...(passed?.length && { passed }), ...(tested && { tested }) };
  return { events: [{ kind: 'branch.seen', subject, repository, look, snapshot }] };
}

/** By us, now or in an earlier database: the forge still has the check. */
const isTested = async (repository: RepositoryRef, sha: string, world: World, signal: AbortSignal): Promise<boolean> =>
  (await world.store.hasVerdict(repository.key, sha)) || world.forge(repository).hasVerdict(repository, sha, signal);

export async function inspectPullRequest(
  effect: EffectOf<'inspect.pull-request'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { subject, repository, number, look } = effect;
  const forge = world.forge(repository);
  const read = await forge.readPullRequest(repository, number, signal);
  if (!read) {
    // A pull request can vanish (a spammer's account was removed) from a repository that is well.
    const isThere = (await forge.readBranch(repository, 'refs/heads/main', signal)) !== undefined;
    return isThere ? done : { events: [unreadable(subject, repository)] };
  }
  const { body, ...seen } = read;
  const asked = parseCommands(body);
  const asks = asked.commands.length + asked.unknown.length > 0 ? { asks: asked } : {};
  const isAsked = look.catchUp && seen.state === 'open';
  const tested = isAsked ? await isTested(repository, seen.head.sha, world, signal) : undefined;
  const snapshot = { ...seen, ...asks, ...(tested && { tested }) };
  return { events: [{ kind: 'pull-request.seen', subject, repository, look, snapshot }] };
}

/** Whether the run of a pull request was tested with the partners that it would have now. */
export async function inspectPartners(
  effect: EffectOf<'inspect.partners'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { subject, repository } = effect;
  const pull = await world.store.pullRequest(subject);
  const run = pull?.runId === undefined ? undefined : await world.store.run(pull.runId);
  // While its commits are being chosen there is nothing to compare; when they are, it is asked again.
  if (pull?.state !== 'open' || !run?.manifest?.matching) return done;
  const { branch, author } = run.manifest.matching;
  const reader = readerFor(run, world, signal);
  const now: CandidatesNow[] = [];
  for (const { repository: name } of (await stackFor(repository, world)).repositories) {
    if (isSameName(name, repository.name)) continue;
    const other = await reader.repositoryOf(name);
    now.push({ repository: name, candidates: await candidatesOf(other, { branch, author }, world, signal) });
  }
  const news = partnerNews({ ...run.manifest }, now);
  return news.length === 0 ? done : { events: [{ kind: 'partners.seen', subject, repository, runId: run.id, news }] };
}

const unreadable = (subject: string, repository: EffectOf<'inspect.branch'>['repository']) =>
  ({
    kind: 'change.unreadable',
    subject,
    repository,
    why: 'it is gone, or the App may not read it any more',
  }) as const;
