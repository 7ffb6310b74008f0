import type { Command } from './command.ts';
import type { Event, EventKind, EventOf } from './event.ts';
import type { CallOutcome } from './merge-request.ts';
import { messages, shortSha } from './messages.ts';
import { buttonMessages } from './messages-buttons.ts';
import type { Trigger } from './model.ts';

/** What the ledger knows of one run, in words. Plain text: what comes from outside is escaped where it is shown. */
export interface TimelineLine {
  what: string;
  why?: string;
}

/** What an event names only by our ids. */
export interface TimelineNames {
  /** By the id of a source: its repository. */
  source(id: string): string | undefined;
  /** By the id of a build: its backend. */
  build(id: string): string | undefined;
  /** By the id of a check: its name. */
  check(id: string): string | undefined;
}

/** An event as an older version may have written it: any part can be missing. */
type Loose<T> = T extends (infer U)[] ? Loose<U>[] : T extends object ? { [K in keyof T]?: Loose<T[K]> } : T;

type Words = { [K in EventKind]?: (event: Loose<EventOf<K>>, names: TimelineNames) => TimelineLine };

/** `payload`: as stored; absent when it is too long for a line, or was removed by retention. */
export function timelineLine(kind: string, payload: unknown, names: TimelineNames): TimelineLine {
  const known = Object.hasOwn(WORDS, kind) ? kind : undefined;
  if (known === undefined) return { what: kind };
  const say = WORDS[known as EventKind] as (event: Loose<Event>, names: TimelineNames) => TimelineLine;
  return say(typeof payload === 'object' && payload !== null ? (payload as Loose<Event>) : {}, names);
}

/** Something that we said: an effect. */
export function answerLine(kind: string, payload: unknown): TimelineLine {
  const said = (typeof payload === 'object' && payload !== null ? payload : {}) as Record<string, unknown>;
  const { content, text } = said;
  if (kind === 'comment.react') {
    const sign = typeof content === 'string' && Object.hasOwn(REACTIONS, content) ? REACTIONS[content]! : 'a sign';
    return { what: `Answered with ${sign}` };
  }
  if (kind === 'comment.answer')
    return { what: 'Answered in a comment', why: typeof text === 'string' ? text : undefined };
  return { what: kind };
}

const REACTIONS: Record<string, string> = {
  eyes: '👀: it was heard',
  rocket: '🚀: it was obeyed',
  confused: '😕: it was not obeyed',
};

/** After "triggered by". */
export const triggerWords: Record<Trigger, string> = {
  push: 'a push',
  'pull-request': 'the pull request',
  command: 'a command in a comment',
  button: 'a button',
  partner: 'a partner pull request that changed',
  flapper: 'a flapping test: tried once more',
  reconciliation: 'a look at the forge that found an untested head',
};

const callWords: Record<CallOutcome, string> = {
  merged: 'it merged',
  queued: 'it has put it into its merge queue',
  'not-mergeable': 'it refused: not mergeable now (405)',
  'head-moved': 'it refused: the head has moved (409)',
  forbidden: 'it refused: not allowed (403)',
  invalid: 'it refused the request (422)',
  doubtful: 'it gave no clear answer; what came of it is found out',
};

/** GitHub's words for what was done to a pull request (GitHub's webhooks, "pull_request"). */
const ACTIONS: Record<string, string> = {
  synchronize: 'got a new head',
  opened: 'was opened',
  reopened: 'was opened again',
  closed: 'was closed',
  edited: 'was edited',
  converted_to_draft: 'became a draft',
  ready_for_review: 'is a draft no more',
  polled: 'was seen in the list',
};

const COMMENTED = { created: 'wrote', edited: 'edited', deleted: 'deleted' } as const;

const at = (sha: string | null | undefined): string => (sha ? ` at ${shortSha(sha)}` : '');

const somebody = (person: { login?: string } | undefined): string => person?.login ?? 'Somebody';

const onBackend = (backend: string | undefined): string => (backend ? ` on ${backend}` : '');

const inBraces = (command: Command): string =>
  command === 'cancel' || command === 'why' || command === 'help' ? `{rcb: ${command}}` : `{${command}}`;

const sentence = (words: string[] | undefined): string | undefined => (words?.length ? words.join('; ') : undefined);

const WORDS: Words = {
  'branch.hinted': ({ sha }) => ({
    what:
      sha === null
        ? 'Told that the branch was deleted'
        : sha
          ? `Told of a push: the branch is${at(sha)}`
          : 'Told of a push',
  }),
  'branch.noted': ({ sha }) => ({ what: `The branch was there at the first look${at(sha)}` }),
  'branch.seen': ({ snapshot }) =>
    snapshot?.sha === null
      ? { what: 'Looked at the branch: there is none any more' }
      : { what: `Looked at the branch: it is${at(snapshot?.sha)}`, why: snapshot?.title },
  'pull-request.hinted': ({ action = 'moved', told }) => ({
    what: `Told that the pull request ${ACTIONS[action] ?? `was ${action.replaceAll('_', ' ')}`}`,
    why: told?.headSha && `its head is ${shortSha(told.headSha)}`,
  }),
  'pull-request.seen': ({ snapshot }) => ({
    what: `Looked at the pull request: ${snapshot?.draft ? 'a draft, ' : ''}${snapshot?.state ?? 'it is there'}${at(snapshot?.head?.sha)}`,
    why: snapshot?.base?.ref && `to be merged into ${snapshot.base.ref}${at(snapshot.base.sha)}`,
  }),
  'comment.told': ({ comment }) => ({
    what: `${somebody(comment?.sender ?? comment?.author)} ${COMMENTED[comment?.action ?? 'created']} a comment`,
  }),
  'button.pressed': ({ actor, command }) => ({
    what: `${somebody(actor)} pressed ${command ? buttonMessages.names[command] : 'a button'}`,
  }),
  'change.unreadable': ({ why }) => ({ what: 'The change could not be read', why }),
  'command.seen': ({ actor, commands = [], unknown = [], permission }) => ({
    what: `${somebody(actor)} asked for ${[...commands.map(inBraces), ...unknown.map((word) => `{rcb: ${word}}`)].join(' and ') || 'nothing'}`,
    why: permission && `with the permission “${permission}”`,
  }),
  'merge.seen': ({ facts }) => ({
    what: 'Read what merging depends on',
    why:
      typeof facts?.pullRequest === 'object'
        ? `the pull request is ${facts.pullRequest.state ?? 'there'}, its merge state is “${facts.pullRequest.mergeState ?? 'unknown'}”`
        : undefined,
  }),
  'merge.called': ({ outcome }) => ({ what: 'GitHub was asked to merge', why: outcome && callWords[outcome] }),
  'change.tested': () => ({ what: 'A run of this change ended: what waits for it goes on' }),
  'partners.seen': ({ news }) => ({
    what: 'The pull requests that it is tested with have changed',
    why: sentence(news?.flatMap(({ why }) => why ?? [])),
  }),

  'run.requested': ({ request }) => ({
    what: `The run was triggered${request?.trigger ? ` by ${triggerWords[request.trigger] ?? request.trigger}` : ''}`,
    why: request?.hold?.why ?? (request?.given && 'with the same commits as the run before'),
  }),
  'run.released': ({ by }) => ({ what: 'It may begin', why: by }),
  'run.ended': ({ by, why }) => ({ what: by === 'superseded' ? 'It was superseded' : 'It was cancelled', why }),
  'run.noted': ({ notes }) => ({ what: 'Something was noted', why: sentence(notes) }),
  'sources.resolved': ({ sources = [], manifest }) => ({
    what: `The commits were chosen: ${sources.map(({ repository, sha }) => `${repository?.name ?? 'a repository'}${at(sha)}`).join(', ')}`,
    why: sentence(manifest?.notes),
  }),
  'sources.failed': ({ why }) => ({ what: 'There are no sources to test', why }),
  'source.packed': ({ sourceId = '', version }, names) => ({
    what: `The source archive of ${names.source(sourceId) ?? 'a repository'} was packed`,
    why: version && `version ${version}`,
  }),
  'build.started': ({ buildId = '', attempt = 1 }, names) => ({
    what: `The build${onBackend(names.build(buildId))} was started${attempt > 1 ? `, for the ${attempt}. time` : ''}`,
  }),
  'build.held': ({ why }) => ({ what: 'The build waits', why }),
  'build.refused': ({ buildId = '', why }, names) => ({
    what: `The build${onBackend(names.build(buildId))} was not started`,
    why,
  }),
  'run.retried': ({ by }) => ({ what: 'Its failed jobs are to run again', why: by && messages.cancelledBy(by) }),
  'build.retried': ({ buildId = '' }, names) => ({
    what: `The build${onBackend(names.build(buildId))} runs its failed jobs again`,
  }),
  'build.observed': ({ buildId = '', observation }, names) => {
    const build = `The build${onBackend(names.build(buildId))}`;
    if (observation?.state === 'lost') return { what: `${build} was lost`, why: observation.why };
    const jobs = (observation && 'jobs' in observation && observation.jobs) || [];
    const ended = jobs.filter(({ state }) => state === 'finished').length;
    const told = jobs.length > 0 ? `: ${messages.building(ended, jobs.length)}` : '';
    return { what: `${build} is ${observation?.state ?? 'seen'}${told}`, why: observation?.why };
  },
  'check.reported': ({ checkId = '' }, names) => {
    const name = names.check(checkId);
    return { what: name === undefined ? 'A check was written' : `The check ${name} was written` };
  },
  'check.refused': ({ checkId = '', why }, names) => ({
    what: `The check ${names.check(checkId) ?? ''} could not be written`.replace('  ', ' '),
    why,
  }),
  'effect.failed': ({ effect = '', why = 'no reason was given', retryAt }) => {
    const what = Object.hasOwn(messages.effects, effect) ? messages.effects[effect] : effect || 'Something';
    const next = retryAt ? `It is tried again at ${clock(retryAt)}.` : 'It was given up.';
    return { what: `${what} failed`, why: `${why}. ${next}` };
  },
};

/** `11:04:05 UTC` of a time in ISO 8601. */
const clock = (time: string): string => `${time.slice(11, 19)} UTC`;
