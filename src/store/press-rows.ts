import type { Press, PressCommand } from '../core/button.ts';
import type { Prisma } from '../generated/prisma/client.ts';

/** `at` stays that of the press. */
export async function savePress(client: Prisma.TransactionClient, press: Press): Promise<void> {
  const { key, runId, command, actor, state, why = null, newRunId = null, at } = press;
  const answer = { state, why, newRunId };
  const create = { key, runId, command, actorId: actor.id, actor: actor.login, at, ...answer };
  await client.press.upsert({ where: { key }, create, update: answer });
}

type StoredPress = Prisma.PressGetPayload<object>;

export const pressOf = ({ key, runId, command, actorId, actor, state, why, newRunId, at }: StoredPress): Press => ({
  key,
  runId,
  command: command as PressCommand,
  actor: { id: actorId, login: actor },
  state: state as Press['state'],
  why: why ?? undefined,
  newRunId: newRunId ?? undefined,
  at,
});
