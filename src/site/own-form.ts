import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';
import { loginMessages } from '../core/messages-buttons.ts';
import { Refused, type SiteContext } from './site.ts';

/** Forms that change something: only this site's own pages may send them. */

const LARGEST_FORM = 10_000;

export const smallForm = bodyLimit({
  maxSize: LARGEST_FORM,
  onError: () => {
    throw new Refused(413, loginMessages.otherSiteHeading, loginMessages.badForm);
  },
});

/** Browsers say by themselves from which site a form comes (Fetch, "Origin header"; Fetch Metadata). SameSite keeps the
 *  cookie away from forms of others, and the form's own token proves it once more. */
export function requireOwnOrigin(c: SiteContext, publicUrl: string): void {
  const origin = c.req.header('Origin');
  const isOwn =
    origin === undefined ? c.req.header('Sec-Fetch-Site') === 'same-origin' : origin === new URL(publicUrl).origin;
  if (!isOwn) throw new Refused(403, loginMessages.otherSiteHeading, loginMessages.otherSite(publicUrl));
}

export async function readForm<T extends z.ZodType>(c: SiteContext, schema: T): Promise<z.infer<T>> {
  const type = c.req.header('Content-Type') ?? '';
  const isForm = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(type);
  const parsed = isForm ? schema.safeParse(await c.req.parseBody()) : undefined;
  if (parsed?.success) return parsed.data;
  throw new Refused(400, loginMessages.otherSiteHeading, loginMessages.badForm);
}
