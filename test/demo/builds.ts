import { State } from '../../src/backends/local/state.ts';
import { until } from '../support/until.ts';

/** The bot leaves its local builds running, for the instance that starts next. After the demo none starts: end them. For
 *  when the bot has stopped; `dir` is the backend's. */
export async function endBuilds(dir: string): Promise<void> {
  const state = new State(dir);
  const running = async () => {
    const ids = await state.ids();
    const statuses = await Promise.all(ids.map(async (id) => ({ id, is: (await state.statusOf(id)).is })));
    return statuses.filter(({ is }) => is === 'running').map(({ id }) => id);
  };
  for (const id of await running()) await state.markCancelled(id);
  await until(async () => (await running()).length === 0, 10_000);
}
