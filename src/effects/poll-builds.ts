import { BackendError } from '../backends/backend.ts';
import type { EffectOf } from '../core/effect.ts';
import type { Event } from '../core/event.ts';
import { overlapped } from '../core/poll.ts';
import type { Told } from '../queue/queue.ts';
import { nothingSeen, orNextTime, type Performed, type World } from './effect.ts';

/**
 * The net under a backend's hooks: which of our builds does it say have changed? Those that are followed are looked at
 * anyway; this finds what somebody started again after we had gone. It is never parked: the next tick stands for it.
 */
export async function pollBuilds(
  { backend: name }: EffectOf<'poll.builds'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const backend = world.backend(name);
  if (!backend?.listChanged) return nothingSeen;
  const cursor = { name: `builds:${name}`, value: { until: world.now().toISOString() } };
  const before = (await world.store.cursor(cursor.name)) as { until?: string } | undefined;
  return orNextTime(BackendError, { poll: `builds:${name}`, world }, async () => {
    const changed = await backend.listChanged!(overlapped(before?.until ?? cursor.value.until), signal);
    const told: Told[] = [];
    for (const { externalId, subject, version } of changed) {
      // Others start builds of the same pipeline.
      if (!(await world.store.buildAt(name, externalId))) continue;
      const at = cursor.value.until;
      const event: Event = { kind: 'build.hinted', subject, backends: [name], externalId, at };
      told.push({ source: 'poll', event: { key: `${subject}:${version}`, event } });
    }
    const known = new Set((await world.facts(told.map(({ event }) => event.key))).map(({ key }) => key));
    return { ...nothingSeen, told: told.filter(({ event }) => !known.has(event.key)), cursors: [cursor] };
  });
}
