import { z } from 'zod';
import { isRateLimit } from './errors.ts';
import { foreignId, githubKey, id } from './fields.ts';
import { linksOf } from './links.ts';

/**
 * What a user may read through an installation, asked with his own token: the App's choice of repositories and his own
 * rights both count (docs.github.com, "List repositories accessible to the user access token": 200, 403, 404).
 */

/** One request in the name of one user; throws Octokit's errors. */
export type Ask = (
  route: string,
  parameters: Record<string, string | number>,
) => Promise<{ data: unknown; headers: { link?: string } }>;

const PER_PAGE = 100;
/** What is behind it is not shown. */
const MOST_PAGES = 30;
const ROUTE = 'GET /user/installations/{installation_id}/repositories';

const repositoryPage = z.object({
  repositories: z.array(z.object({ id, permissions: z.object({ pull: z.boolean() }).nullish() })).max(PER_PAGE),
});

/** Keys; none of an installation that was removed or suspended, or is of people to whom he does not belong. */
export async function readableThrough(installation: string, ask: Ask): Promise<string[]> {
  const keys: string[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const answer = await ask(ROUTE, { installation_id: foreignId(installation), per_page: PER_PAGE, page }).catch(
      closed,
    );
    if (!answer) return [];
    const { repositories } = repositoryPage.parse(answer.data);
    keys.push(...repositories.filter(({ permissions }) => permissions?.pull).map((one) => githubKey(one.id)));
    if (linksOf(answer.headers.link)['next'] === undefined) break;
  }
  return keys;
}

/** An organisation with SAML answers 403, too, until its member has signed in there. */
function closed(error: unknown): undefined {
  const { status } = error as { status?: number };
  if (status === 404 || (status === 403 && !isRateLimit(error))) return undefined;
  throw error;
}
