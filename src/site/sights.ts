import { type Sight, sightOf } from '../core/sight.ts';
import { shared } from './shared.ts';
import type { Site, SiteContext, SiteOptions } from './site.ts';

/** What whoever asks may see: found out once for each request, before anything is read. */
export function addSights(site: Site, { readers }: SiteOptions): void {
  const privates = shared(() => readers.privates());
  site.use(async (c, next) => {
    if (!WITHOUT_SIGHT.test(c.req.path)) {
      const everybody = sightOf(await privates());
      c.set('everybody', readers.seenBy(everybody));
      c.set('sight', everybody);
      c.set('reader', readers.seenBy(everybody));
    }
    await next();
  });
}

/** They read nothing of anybody, and answer while the database does not. */
const WITHOUT_SIGHT = /^\/(assets|healthz|readyz|metrics|favicon\.ico|robots\.txt)(\/|$)/;

export function sightIn(c: SiteContext): Sight {
  const sight = c.get('sight');
  if (!sight) throw new Error(`Nobody found out who may see ${c.req.path}`);
  return sight;
}
