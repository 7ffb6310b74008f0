import { type PrivateRepository, type Sight, sightOf } from '../core/sight.ts';
import type { Login } from './login.ts';
import { shared } from './shared.ts';
import type { Site, SiteContext, SiteOptions } from './site.ts';

/** What whoever asks may see: found out once for each request, before anything is read. */
export function addSights(site: Site, options: SiteOptions, login: Login | undefined): void {
  const { readers } = options;
  const privates = shared(() => readers.privates());
  site.use(async (c, next) => {
    if (!WITHOUT_SIGHT.test(c.req.path)) {
      const all = await privates();
      const everybody = sightOf(all);
      const sight = (login && (await ownSight(c, all, login, options))) ?? everybody;
      c.set('everybody', readers.seenBy(everybody));
      c.set('sight', sight);
      c.set('reader', readers.seenBy(sight));
    }
    await next();
  });
}

/** They read nothing of anybody, and answer while the database does not. */
const WITHOUT_SIGHT = /^\/(assets|healthz|readyz|metrics|favicon\.ico|robots\.txt)(\/|$)/;

/** A page is not held up for longer by a forge that hangs; what it answers later is there for the next page. */
const PATIENCE_MS = 2_000;

/** Of somebody who is logged in; undefined: nobody knows, and so he sees what everybody does. */
async function ownSight(
  c: SiteContext,
  all: readonly PrivateRepository[],
  login: Login,
  { onError }: SiteOptions,
): Promise<Sight | undefined> {
  const visitor = c.get('visitor');
  if (!visitor || all.length === 0) return undefined;
  const installations = all.flatMap(({ installation }) => installation ?? []);
  const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const readable = await login.readable(visitor, installations, signal);
  if (readable.kind === 'known') return sightOf(all, readable.keys);
  if (readable.kind === 'ended') c.set('visitor', undefined);
  else c.set('isSightUnknown', true);
  // That the forge is away the reader is told, and polls tell it to the operator.
  if (readable.kind === 'unknown' && readable.cause.kind !== 'away') onError?.(readable.cause, c.req.path);
  return undefined;
}

export function sightIn(c: SiteContext): Sight {
  const sight = c.get('sight');
  if (!sight) throw new Error(`Nobody found out who may see ${c.req.path}`);
  return sight;
}
