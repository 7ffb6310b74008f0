import { runsMessages } from '../core/messages-runs.ts';
import { knownPart } from '../core/sight.ts';
import { stackPath } from './links.ts';
import { noStackPage, stackPage } from './pages/stack.ts';
import { parseQuery, stackQuery } from './query.ts';
import { NotFound, respond, type Show, type Site, type SiteContext, type SiteOptions } from './site.ts';

const RUNS_PER_PAGE = 30;

/** A stack may be called after its first repository: its name has slashes, then. */
export function addStacks(site: Site, options: SiteOptions, show: Show): void {
  site.get('/stacks', (c) => {
    const [first] = stacksOf(c, options);
    return first ? c.redirect(stackPath(first.name), 302) : respond(c, noStackPage(show(c)));
  });
  site.get('/stacks/:name{.+}', async (c) => {
    const name = c.req.param('name');
    const stack = stacksOf(c, options).find((each) => each.name === name);
    if (!stack) throw new NotFound(runsMessages.stack.notThere(name));
    const { before, limit } = parseQuery(stackQuery, c.req.query());
    const names = stack.repositories.map(({ repository }) => repository);
    const reader = c.get('reader');
    const [listed, newest] = await Promise.all([
      reader.defaultBranchRuns(names, { before, limit: limit ?? RUNS_PER_PAGE }),
      before === undefined ? reader.newestVerdicts(names) : [],
    ]);
    return respond(c, stackPage(show(c), { stack, listed, newest, before, limit }));
  });
}

/** As whoever asks may know them. */
export function stacksOf(c: SiteContext, { stacks = [] }: Pick<SiteOptions, 'stacks'>) {
  const sight = c.get('sight');
  // A page that says what went wrong knows of none.
  return sight ? stacks.flatMap((stack) => knownPart(sight, stack) ?? []) : [];
}
