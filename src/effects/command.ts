import { commandsIn } from '../core/command.ts';
import type { EffectOf } from '../core/effect.ts';
import type { CommandSource } from '../core/event.ts';
import { ForgeError } from '../forge/forge.ts';
import { done, type Performed, type World } from './effect.ts';

/** What people ask in comments and by buttons: read once more before it is obeyed, and answered. */

export async function inspectCommand(
  effect: EffectOf<'command.inspect'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { subject, repository, source, unknown, actor } = effect;
  if (isYoung(source, world.now()) && !(await world.store.pullRequest(subject)))
    return { events: [], againMs: WAIT_MS };
  const commands = await stillAsked(effect, world, signal);
  if (commands.length + unknown.length === 0) return done;
  const permission = await world.forge(repository).permissionOf(repository, actor, signal);
  return { events: [{ kind: 'command.seen', subject, repository, source, commands, unknown, actor, permission }] };
}

/** Somebody may write a comment sooner than we have looked at its pull request for the first time. Its event cannot wait for
 *  that: what the look tells comes after it, in the same subject. One that is still unknown later is none of ours. */
const isYoung = (source: CommandSource, now: Date): boolean =>
  source.kind === 'comment' && now.getTime() - Date.parse(source.at) < PATIENCE_MS;

const PATIENCE_MS = 120_000;
const WAIT_MS = 500;

/** A comment that was deleted asks for nothing, and so does what somebody else has written into it since. */
async function stillAsked(
  { repository, source, commands, actor }: EffectOf<'command.inspect'>,
  world: World,
  signal: AbortSignal,
) {
  if (source.kind === 'button') return commands;
  const forge = world.forge(repository);
  const comment =
    source.kind === 'comment'
      ? await forge.readComment(repository, source.id, signal)
      : await forge.readDescription(repository, source.number, signal);
  if (!comment || (comment.editedBy && comment.editedBy.id !== actor.id)) return [];
  const now = commandsIn(comment.body);
  return commands.filter((command) => now.includes(command));
}

/** Writes of a comment that is gone, or where we may not write, are not worth more tries. */
async function orLeft(work: () => Promise<unknown>, world: World): Promise<Performed> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ForgeError) || error.retry) throw error;
  }
  return { events: [], spacingMs: world.writeSpacingMs };
}

export function react(effect: EffectOf<'comment.react'>, world: World, signal: AbortSignal): Promise<Performed> {
  const { repository, target, content, replaces } = effect;
  const reaction = { content, ...(replaces && { replaces }) };
  return orLeft(() => world.forge(repository).ensureReaction(repository, target, reaction, signal), world);
}

export function answer(effect: EffectOf<'comment.answer'>, world: World, signal: AbortSignal): Promise<Performed> {
  const { repository, number, key, text } = effect;
  return orLeft(() => world.forge(repository).ensureComment(repository, number, { key, text }, signal), world);
}
