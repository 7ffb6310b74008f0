import type { KnownFlapper } from './flapper.ts';
import { matchesAny } from './globs.ts';
import { mayKnowName, type Sight } from './sight.ts';

/**
 * The entries of a list as somebody may see them: none of a repository that is hidden from him, and no link to an issue
 * there. Without its link an entry says as much about its file as before.
 */
export const entriesSeen = (sight: Sight, known: readonly KnownFlapper[]): KnownFlapper[] =>
  known
    .filter(({ repository }) => repository === undefined || maySeeEntryOf(sight, repository))
    .map(withoutLink(sight));

/** `repository`: a name, or a glob of names. */
const maySeeEntryOf = ({ hidden }: Sight, repository: string): boolean =>
  !hidden.some(({ name }) => matchesAny([repository.toLowerCase()], name.toLowerCase()));

const withoutLink =
  (sight: Sight) =>
  (entry: KnownFlapper): KnownFlapper => {
    if (entry.issue === undefined || mayKnowLink(sight, entry.issue)) return entry;
    const { issue: _, ...rest } = entry;
    return rest;
  };

/** `https://github.com/owner/name/issues/7`. What is no address is shown to nobody as a link. */
function mayKnowLink(sight: Sight, link: string): boolean {
  const [owner, name] = URL.parse(link)?.pathname.split('/').filter(Boolean) ?? [];
  return mayKnowName(sight, `${owner}/${name}`);
}
