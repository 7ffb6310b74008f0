import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { isSha } from '../../core/ref.ts';

/**
 * What the `post-receive` hook says to `/hooks/git`, and is answered. Both ends are of one version of RCB: the hook runs
 * the files that the bot runs.
 */
export const GIT_HOOK_PATH = '/hooks/git';

/** `sha256=<hex>`: HMAC-SHA256 of the body under the secret in the bot's data directory. */
export const SIGNATURE_HEADER = 'x-rcb-signature-256';
/** A telling's own id: when the hook tries again, it is the same. */
export const DELIVERY_HEADER = 'x-rcb-delivery';

const sha = z.string().refine(isSha, { error: 'a sha' });

export const pushTold = z.object({
  /** Of the repository, absolute; its `.git` will do. */
  path: z
    .string()
    .min(1)
    .max(4_096)
    .startsWith('/')
    .refine((path) => !path.includes('\0')),
  /** As git gives them to `post-receive`: zeros stand for "is not there". */
  updates: z.array(z.object({ ref: z.string().min(1).max(4_096), old: sha, new: sha })).max(20_000),
});
export type PushTold = z.infer<typeof pushTold>;

export const pushAnswer = z.object({
  repository: z.string(),
  /** Where people see the runs. */
  site: z.string(),
  /** The branches that are looked at now. Runs of them are younger than `since` (ISO 8601). */
  branches: z.array(z.object({ ref: z.string(), sha: z.string().nullable() })),
  since: z.string(),
  /** What else there is to say, for the pusher. */
  notes: z.array(z.string()),
});
export type PushAnswer = z.infer<typeof pushAnswer>;

export const signatureOf = (body: string | Buffer, secret: string): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

/** In constant time. */
export function isSigned(body: Buffer, signature: string, secret: string): boolean {
  const [given, right] = [Buffer.from(signature), Buffer.from(signatureOf(body, secret))];
  return given.length === right.length && timingSafeEqual(given, right);
}

export const isZero = (text: string): boolean => /^0+$/.test(text);
