import { deliveryNews } from '../core/deliveries.ts';
import type { Event, InstallationFacts } from '../core/event.ts';
import { newestOf, overlapped } from '../core/poll.ts';
import { isServed, serviceOf } from '../core/serving.ts';
import { ForgeError } from '../forge/forge.ts';
import type { ForgeApp, ListedInstallation, ListedRepository } from '../forge/forge-app.ts';
import type { Told } from '../queue/queue.ts';
import type { Installation, Repository } from '../store/store.ts';
import { nothingSeen, orNextTime, type Performed, type World } from './effect.ts';

/** The App itself: installations whose hooks were lost, and hooks that the forge could not deliver. */

export async function pollInstallations(world: World, signal: AbortSignal): Promise<Performed> {
  const app = world.forgeApp;
  if (!app) return nothingSeen;
  return orNextTime(ForgeError, { poll: 'installations', world }, async () => {
    const listed = await app.listInstallations(signal);
    const known = await world.store.installations();
    const events: Event[] = [];
    for (const installation of listed)
      events.push(...(await installationNews(installation, known, app, world, signal)));
    const there = new Set(listed.map(({ key }) => key));
    for (const { key, account, accountId, state } of known) {
      if (there.has(key) || state === 'deleted') continue;
      events.push(gone({ key, account, accountId }, 'deleted'));
    }
    return { events, forget: true };
  });
}

async function installationNews(
  listed: ListedInstallation,
  all: Installation[],
  app: ForgeApp,
  world: World,
  signal: AbortSignal,
): Promise<Event[]> {
  const { key, account, accountId, suspended } = listed;
  const known = all.find((each) => each.key === key);
  if (suspended) return known?.state === 'suspended' ? [] : [gone({ key, account, accountId }, 'suspend')];
  const stored = (await world.store.repositories(key)).filter(({ state }) => state !== 'removed');
  // Somebody else's repositories are none of our business: of those that were told of us nothing is asked.
  const isOurs = isServed(account, world.serving.owners);
  const unasked = stored.map(({ key, name, private: isPrivate }) => ({
    key,
    name,
    private: isPrivate,
    archived: false,
  }));
  const listedRepositories = isOurs ? await app.listRepositories(key, signal) : unasked;
  if (!listedRepositories) return [];
  const isKnown = (each: Listed) => stored.some((other) => isAsListed(other, each) && isServedAs(other, each, world));
  const added = listedRepositories.filter((each) => !each.archived && !isKnown(each));
  const there = new Set(listedRepositories.flatMap((each) => (each.archived ? [] : [each.key])));
  const removed = stored.filter((each) => !there.has(each.key));
  const isAsKnown = known?.state === 'active' && known.account === account;
  if (isAsKnown && added.length + removed.length === 0) return [];
  const installation: InstallationFacts = {
    key,
    account,
    accountId,
    action: known?.state === 'active' ? 'listed' : 'created',
    repositoriesAdded: added.map((each) => ({ key: each.key, name: each.name, private: each.private })),
    repositoriesRemoved: removed.map((each) => ({ key: each.key, name: each.name })),
  };
  return [{ kind: 'installation.told', installation }];
}

type Listed = Omit<ListedRepository, 'defaultBranch'>;

const isAsListed = (stored: Repository, listed: Listed): boolean =>
  stored.key === listed.key && stored.name === listed.name && stored.private === listed.private;

/** The configuration may have changed: what was refused by the former one is watched now, or the other way round. */
function isServedAs(stored: Repository, listed: Listed, { serving }: Pick<World, 'serving'>): boolean {
  const { state, why } = serviceOf(listed, serving);
  return stored.state === state && stored.why === why;
}

const gone = (
  installation: Pick<InstallationFacts, 'key' | 'account' | 'accountId'>,
  action: 'deleted' | 'suspend',
): Event => ({
  kind: 'installation.told',
  installation: { ...installation, action, repositoriesAdded: [], repositoriesRemoved: [] },
});

const CURSOR = 'deliveries';
/** Of one look: more than three days of a busy organisation. */
const MOST_LISTED = 10_000;

export async function pollDeliveries(world: World, signal: AbortSignal): Promise<Performed> {
  const app = world.forgeApp;
  if (!app) return nothingSeen;
  return orNextTime(ForgeError, { poll: 'deliveries', world }, async () => {
    const cursor = (await world.store.cursor(CURSOR)) as { until?: string } | undefined;
    // What was sent before our first look was sent to somebody else.
    if (!cursor?.until)
      return { ...nothingSeen, cursors: [{ name: CURSOR, value: { until: world.now().toISOString() } }] };
    const listed = await app.listDeliveries(overlapped(cursor.until), MOST_LISTED, signal);
    const known = await world.deliveries(listed.map(({ guid }) => guid));
    const news = deliveryNews(listed, known, world.now());
    for (const { id } of news.resend) await app.redeliver(id, signal);
    const told: Told[] = [];
    for (const { id } of news.read) {
      const sent = await app.readDelivery(id, signal);
      if (sent) told.push(await world.toldOf(sent));
    }
    const until = newestOf([cursor.until, news.until]);
    const cursors = until === cursor.until ? [] : [{ name: CURSOR, value: { until } }];
    return { events: [], told, cursors, forget: true };
  });
}
