import { ForgeError } from '../forge.ts';
import type { ForgeApp, ListedDelivery, ListedInstallation, ListedRepository, SentHook } from '../forge-app.ts';
import { type ClientOptions, type GitHubClient, type Octokit, openClient } from './client.ts';
import { accountName, foreignId, githubKey } from './fields.ts';
import { parameterOf } from './links.ts';
import {
  deliveryAnswer,
  deliveryPage,
  installationAnswer,
  installationPage,
  nothing,
  repositoryPage,
} from './schema.ts';

export interface GitHubAppOptions extends ClientOptions {
  appOctokit(): Promise<Octokit>;
}

const PER_PAGE = 100;
const MOST_PAGES = 100;

/** The App at GitHub. `client`: the forge's, so that both keep one rest; it must have been given `appOctokit`. */
export function openGitHubApp(options: GitHubAppOptions, client: GitHubClient = openClient(options)): ForgeApp {
  return {
    listInstallations: (signal) => listInstallations(client, signal),
    listRepositories: (installation, signal) => listRepositories(client, installation, signal),
    listDeliveries: (since, most, signal) => listDeliveries(client, since, most, signal),
    readDelivery: (id, signal) => readDelivery(client, id, signal),
    redeliver: (id, signal) => redeliver(client, id, signal),
  };
}

/** Page after page, each with at most a hundred; `read` answers what is on one, undefined when there is no such list. */
async function allPages<T>(about: string, read: (page: number) => Promise<T[] | undefined>): Promise<T[] | undefined> {
  const all: T[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const listed = await read(page);
    if (!listed) return undefined;
    all.push(...listed);
    if (listed.length < PER_PAGE) return all;
  }
  throw new ForgeError('refused', `There are more than ${MOST_PAGES * PER_PAGE} ${about}`);
}

async function listInstallations(client: GitHubClient, signal: AbortSignal): Promise<ListedInstallation[]> {
  const about = 'installations of the App';
  const question = { route: 'GET /app/installations', schema: installationPage, about };
  const listed = await allPages(about, (page) =>
    client.ask('app', { ...question, parameters: { per_page: PER_PAGE, page } }, signal),
  );
  if (!listed) throw new ForgeError('gone', 'GitHub does not know the App: is APP_ID right?');
  return listed.map(({ id, account, suspended_at: suspendedAt }) => ({
    key: githubKey(id),
    account: accountName(account),
    accountId: account?.id ?? '',
    suspended: Boolean(suspendedAt),
  }));
}

async function listRepositories(
  client: GitHubClient,
  installation: string,
  signal: AbortSignal,
): Promise<ListedRepository[] | undefined> {
  const about = `repositories of installation ${foreignId(installation)}`;
  const question = { route: 'GET /installation/repositories', schema: repositoryPage, about };
  try {
    const listed = await allPages(about, async (page) => {
      const parameters = { per_page: PER_PAGE, page };
      return (await client.ask({ installation }, { ...question, parameters }, signal))?.repositories;
    });
    return listed?.map(({ id, full_name: name, default_branch: defaultBranch, private: isPrivate, archived }) => ({
      key: githubKey(id),
      name,
      defaultBranch,
      private: isPrivate,
      archived,
    }));
  } catch (error) {
    // A token that is refused may have been suspended or deleted with its installation; or it is us who are wrong.
    if (!(error instanceof ForgeError) || error.kind !== 'denied') throw error;
    if (await isActive(client, installation, signal)) throw error;
    return undefined;
  }
}

async function isActive(client: GitHubClient, installation: string, signal: AbortSignal): Promise<boolean> {
  const question = {
    route: 'GET /app/installations/{installation_id}',
    parameters: { installation_id: foreignId(installation) },
    schema: installationAnswer,
    about: `installation ${foreignId(installation)}`,
  };
  const found = await client.ask('app', question, signal);
  return found !== undefined && !found.suspended_at;
}

/** By cursor: lists that grow at their head have no numbered pages. */
async function listDeliveries(
  client: GitHubClient,
  since: Date,
  most: number,
  signal: AbortSignal,
): Promise<ListedDelivery[]> {
  const all: ListedDelivery[] = [];
  let cursor: string | undefined;
  do {
    const parameters = { per_page: PER_PAGE, ...(cursor === undefined ? {} : { cursor }) };
    const question = {
      route: 'GET /app/hook/deliveries',
      parameters,
      schema: deliveryPage,
      about: 'the hooks that GitHub has sent',
      // Only the first page is ever the same again.
      keep: cursor === undefined,
    };
    const page = await client.askPage('app', question, signal);
    const listed = (page?.value ?? []).map(deliveryOf);
    all.push(...listed.filter(({ deliveredAt }) => deliveredAt >= since));
    const next = parameterOf(page?.links['next'], 'cursor');
    const isOver = listed.length === 0 || listed.at(-1)!.deliveredAt < since || next === cursor;
    cursor = isOver ? undefined : next;
  } while (cursor !== undefined && all.length < most);
  return all.slice(0, most);
}

function deliveryOf(told: (typeof deliveryPage)['_output'][number]): ListedDelivery {
  const { id, guid, delivered_at, redelivery, status_code: status, event: name, action } = told;
  return {
    id,
    guid,
    deliveredAt: new Date(delivered_at),
    redelivery,
    ok: status >= 200 && status < 300,
    name,
    ...(action ? { action } : {}),
  };
}

async function readDelivery(client: GitHubClient, id: string, signal: AbortSignal): Promise<SentHook | undefined> {
  const question = {
    route: 'GET /app/hook/deliveries/{delivery_id}',
    parameters: { delivery_id: id },
    schema: deliveryAnswer,
    about: `delivery ${id}`,
    keep: false,
  };
  const found = await client.ask('app', question, signal);
  // Old payloads are dropped before their deliveries are.
  if (!found?.request.payload) return undefined;
  return { guid: found.guid, name: found.event, body: JSON.stringify(found.request.payload, plainNumbers) };
}

/** Octokit reads numbers over 2^53 as bigint, of which JSON.stringify knows nothing; ids are read as text anyway. */
const plainNumbers = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);

async function redeliver(client: GitHubClient, id: string, signal: AbortSignal): Promise<void> {
  const question = {
    route: 'POST /app/hook/deliveries/{delivery_id}/attempts',
    parameters: { delivery_id: id },
    schema: nothing,
    about: `delivery ${id}`,
  };
  const answer = await client.ask('app', question, signal);
  if (answer === undefined) throw new ForgeError('gone', `GitHub does not keep delivery ${id} any more`);
}
