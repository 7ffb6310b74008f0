import { ForgeError } from '../forge.ts';
import type { Octokit, OctokitAnswer, Question } from './client.ts';
import { GRAPHQL_ROUTE } from './limits.ts';

const MOST_HOPS = 3;
const REDIRECTS = new Set([301, 302, 307, 308]);

/**
 * One request, followed to where a renamed or transferred repository is now: GitHub answers its former name with 301, or
 * 307 for writes, and `/repositories/ID/…`. Only on the same host and with the same method: left to itself, fetch would
 * carry what we write to wherever it is sent, and make a GET of some writes.
 */
export async function send(
  octokit: Octokit,
  { route, parameters = {}, about }: Question<unknown>,
  more: { headers: Record<string, string>; request: Record<string, unknown> },
): Promise<OctokitAnswer> {
  const method = route.slice(0, route.indexOf(' '));
  const inPath = new Set([...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!));
  const others = Object.fromEntries(Object.entries(parameters).filter(([name]) => !inPath.has(name)));
  let answer = await octokit.request(addressOf(octokit, route), { ...parameters, ...more });
  for (let hops = 0; REDIRECTS.has(answer.status); hops += 1) {
    if (hops === MOST_HOPS) throw new ForgeError('refused', `${route} of ${about}: GitHub sends us round in circles`);
    answer = await octokit.request(`${method} ${targetOf(answer, `${route} of ${about}`)}`, { ...others, ...more });
  }
  return answer;
}

/** GitHub Enterprise Server has REST at /api/v3, and GraphQL beside it at /api/graphql. */
function addressOf(octokit: Octokit, route: string): string {
  const base = octokit.request.endpoint?.DEFAULTS.baseUrl ?? '';
  if (route !== GRAPHQL_ROUTE || !/\/api\/v3\/?$/.test(base)) return route;
  return `POST ${base.replace(/\/v3\/?$/, '/graphql')}`;
}

/** Without its query: that is made anew from the parameters. */
function targetOf({ headers, url }: OctokitAnswer, what: string): string {
  const location = String(headers['location'] ?? '');
  if (!url || !URL.canParse(location, url)) {
    throw new ForgeError('unparsable', `${what}: GitHub sends us elsewhere and does not say where`);
  }
  const target = new URL(location, url);
  if (target.origin !== new URL(url).origin) {
    throw new ForgeError('refused', `${what}: GitHub sends us to another host, ${target.host}; RCB does not follow`);
  }
  return `${target.origin}${target.pathname}`;
}
