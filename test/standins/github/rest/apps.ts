import { z } from 'zod';
import { tokenAnswer } from '../auth.ts';
import { repositoriesOf } from '../events.ts';
import type { Delivery } from '../hooks.ts';
import type { Hub } from '../hub.ts';
import { appJson, installationJson, permissionsJson, publicUserJson, repositoryJson } from '../shapes/repository.ts';
import type { Installation, Repository, User } from '../state.ts';
import { roleOf } from '../state.ts';
import { type Api, bodyOf, type Ctx, paged, pageOf, urlWith } from './context.ts';
import { ApiError, notFound, unprocessable } from './errors.ts';

/** The app itself, its installations, its tokens and its webhook deliveries. */
export function appRoutes(hub: Hub, api: Api): void {
  api.get('/app', (c) => {
    demandApp(c);
    return c.json({ ...appJson(hub, hub.app), installations_count: hub.state.installations.size });
  });
  api.get('/app/installations', (c) => {
    demandApp(c);
    return c.json(paged(hub, c, [...hub.state.installations.values()]).map((one) => installationJson(hub, one)));
  });
  api.get('/app/installations/:id', (c) => {
    demandApp(c);
    return c.json(installationJson(hub, installationOf(hub, c)));
  });
  api.post('/app/installations/:id/access_tokens', (c) => issueToken(hub, c));
  api.get('/repos/:owner/:repo/installation', (c) => {
    demandApp(c);
    const repository = hub.state.findRepository(`${c.req.param('owner')}/${c.req.param('repo')}`);
    const installation = repository && hub.state.installationOf(repository);
    if (!installation) throw notFound();
    return c.json(installationJson(hub, installation));
  });
  api.get('/user', (c) => {
    const caller = c.get('caller');
    if (caller.kind !== 'user') throw new ApiError(caller.kind === 'anonymous' ? 401 : 403, 'Requires authentication');
    return c.json(publicUserJson(hub, caller.user));
  });
  api.get('/installation/repositories', (c) => installationRepositories(hub, c));
  api.get('/user/installations/:id/repositories', (c) => userRepositories(hub, c));
  deliveryRoutes(hub, api);
}

function demandApp(c: Ctx): void {
  if (c.get('caller').kind !== 'app') throw new ApiError(401, 'A JSON web token could not be decoded');
}

function installationOf(hub: Hub, c: Ctx): Installation {
  const installation = hub.state.installations.get(Number(c.req.param('id')));
  if (!installation) throw notFound();
  return installation;
}

const tokenRequest = z.object({
  repositories: z.array(z.string()).max(500).optional(),
  repository_ids: z.array(z.number().int()).max(500).optional(),
  permissions: z.record(z.string(), z.enum(['read', 'write'])).optional(),
});

async function issueToken(hub: Hub, c: Ctx): Promise<Response> {
  demandApp(c);
  const installation = installationOf(hub, c);
  if (installation.suspendedAt) throw new ApiError(403, 'This installation has been suspended');
  const { repositories, repository_ids, permissions } = await bodyOf(c, tokenRequest);
  const covered = repositoriesOf(hub, installation);
  const named = repositories?.map((name) => covered.find((one) => one.name === name)?.id);
  const ids = [...(named ?? []), ...(repository_ids ?? [])];
  if (ids.some((id) => !covered.some((one) => one.id === id))) {
    throw unprocessable(
      'There is at least one repository that does not exist or is not accessible to the installation.',
    );
  }
  for (const [name, access] of Object.entries(permissions ?? {})) {
    const granted = installation.permissions[name];
    if (granted === undefined || (granted === 'read' && access === 'write')) {
      throw unprocessable('The permissions requested are not granted to this installation.');
    }
  }
  const repositoryIds = repositories || repository_ids ? new Set(ids as number[]) : undefined;
  const token = hub.tokens.issue(hub.clock, installation, { permissions, repositoryIds });
  return c.json(
    { ...tokenAnswer(token), repository_selection: repositoryIds ? 'selected' : installation.selection },
    201,
  );
}

function installationRepositories(hub: Hub, c: Ctx): Response {
  const caller = c.get('caller');
  if (caller.kind !== 'installation')
    throw new ApiError(403, 'You must authenticate with an installation access token');
  const narrowed = caller.token.repositoryIds;
  const all = repositoriesOf(hub, caller.installation).filter((one) => !narrowed || narrowed.has(one.id));
  const repositories = paged(hub, c, all).map((one) => repositoryJson(hub, one));
  return c.json({
    total_count: all.length,
    repository_selection: caller.installation.selection,
    repositories,
  });
}

/**
 * What a user may read through an installation, asked with the token that the App has for him. What is merely public is not
 * among it: he needs a role. That an installation of which he may read nothing is not there for him, is a guess: GitHub's
 * description knows 403 and 404 and does not tell them apart.
 */
function userRepositories(hub: Hub, c: Ctx): Response {
  const caller = c.get('caller');
  if (caller.kind === 'anonymous') throw new ApiError(401, 'Requires authentication');
  if (caller.kind !== 'user' || !caller.throughApp)
    throw new ApiError(403, 'You must authenticate with an access token authorized to a GitHub App');
  const installation = installationOf(hub, c);
  if (installation.suspendedAt) throw new ApiError(403, 'This installation has been suspended');
  const all = repositoriesOf(hub, installation).filter((one) => hasRole(one, caller.user));
  if (all.length === 0) throw notFound();
  const repositories = paged(hub, c, all).map((one) => ({
    ...repositoryJson(hub, one),
    permissions: permissionsJson(roleOf(one, caller.user)),
  }));
  return c.json({ total_count: all.length, repository_selection: installation.selection, repositories });
}

const hasRole = (repository: Repository, user: User): boolean =>
  repository.owner.id === user.id || (repository.roles.get(user.id) ?? 'none') !== 'none';

function deliveryRoutes(hub: Hub, api: Api): void {
  api.get('/app/hook/deliveries', (c) => {
    demandApp(c);
    const { perPage } = pageOf(c);
    const cursor = cursorOf(c);
    const all = hub.hooks.deliveries().filter((one) => hasStatus(one, c.req.query('status')));
    const rest = all.filter((delivery) => cursor === undefined || delivery.id < cursor);
    const last = rest[perPage - 1];
    if (last && rest.length > perPage) {
      c.header('Link', `<${urlWith(hub, c, { cursor: `v1_${last.id}` })}>; rel="next"`);
    }
    return c.json(rest.slice(0, perPage).map(deliveryJson));
  });
  api.get('/app/hook/deliveries/:id', (c) => {
    demandApp(c);
    const delivery = deliveryOf(hub, c);
    return c.json({
      ...deliveryJson(delivery),
      url: delivery.url,
      request: { headers: delivery.requestHeaders, payload: delivery.payload },
      response: { headers: delivery.responseHeaders, payload: delivery.responseBody },
    });
  });
  api.post('/app/hook/deliveries/:id/attempts', (c) => {
    demandApp(c);
    hub.hooks.redeliver(deliveryOf(hub, c));
    return c.json({}, 202);
  });
}

/** A page begins after the delivery that the cursor names. */
function cursorOf(c: Ctx): number | undefined {
  const cursor = c.req.query('cursor');
  if (cursor === undefined) return undefined;
  const id = /^v1_(\d+)$/.exec(cursor)?.[1];
  if (!id) throw unprocessable('Invalid cursor');
  return Number(id);
}

function hasStatus(delivery: Delivery, status: string | undefined): boolean {
  if (status === undefined) return true;
  const success = delivery.statusCode >= 200 && delivery.statusCode < 400;
  return status === 'success' ? success : !success;
}

function deliveryOf(hub: Hub, c: Ctx): Delivery {
  const id = Number(c.req.param('id'));
  const delivery = hub.hooks.deliveries().find((one) => one.id === id);
  if (!delivery) throw notFound();
  return delivery;
}

function deliveryJson(delivery: Delivery) {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: delivery.deliveredAt,
    redelivery: delivery.redelivery,
    duration: delivery.duration,
    status: delivery.status,
    status_code: delivery.statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: delivery.installationId,
    repository_id: delivery.repositoryId,
    throttled_at: null,
  };
}
