import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type ObsMode, parseExternalId, suffixOf } from './names.ts';

/**
 * `POST /hooks/obs`. OBS has no outgoing hooks of its own, so the format is ours: what OBS publishes on its message
 * bus, with the name of the event beside it under `event`, one such object or a list of them, signed as GitHub signs.
 * Whatever it says is a hint: it tells where to look, and what is seen there counts.
 */
export const OBS_HOOK_PATH = '/hooks/obs';
/** `sha256=<hex>`: HMAC-SHA256 of the body under OBS_HOOK_SECRET. */
export const OBS_SIGNATURE_HEADER = 'x-rcb-signature-256';
export const MOST_HOOK_BYTES = 256 * 1024;

/** `project` may have changed; the rest is known where the event names it. */
export interface ObsChanged {
  event: string;
  project: string;
  package?: string;
  repository?: string;
  arch?: string;
  srcmd5?: string;
}

export type ObsHook = { ok: true; changed: ObsChanged[] } | { ok: false; status: 400 | 401; why: string };

const word = z.string().max(300);
const name = word.regex(/^[A-Za-z0-9_][\w.:+-]*$/);

const told = z.object({
  event: word.regex(/^[\w.-]+$/),
  project: name.optional(),
  package: name.optional(),
  repository: name.optional(),
  // Events of repositories abbreviate it.
  repo: name.optional(),
  arch: name.optional(),
  srcmd5: word.regex(/^[0-9a-f]{32,64}$/).optional(),
});
const body = z.union([told.transform((one) => [one]), z.array(told).max(200)]);

/** Results: `package.build_success`, `repo.build_finished`, …; with the bus's namespace before it or without. */
const TELLS_RESULTS =
  /(?:^|\.)(?:package\.build_\w+|repo\.(?:build_started|build_finished|publish_state|published)|project\.delete)$/;

/** `signature`: the header's value, if there was one. */
export function parseObsHook(bytes: Buffer, signature: string | undefined, secret: string): ObsHook {
  if (signature === undefined || !isSigned(bytes, signature, secret)) {
    return { ok: false, status: 401, why: `${OBS_SIGNATURE_HEADER} is not that of this body under OBS_HOOK_SECRET` };
  }
  const parsed = body.safeParse(jsonOf(bytes));
  if (!parsed.success)
    return { ok: false, status: 400, why: 'not a payload of the bus with its event, or a list of them' };
  const changed = parsed.data.flatMap(({ repo, project, repository = repo, ...rest }): ObsChanged[] =>
    project !== undefined && TELLS_RESULTS.test(rest.event) ? [{ ...rest, project, repository }] : [],
  );
  return { ok: true, changed };
}

/** The header's value for a body. */
export const signObsHook = (bytes: Buffer, secret: string): string =>
  `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`;

/** In constant time. */
function isSigned(bytes: Buffer, signature: string, secret: string): boolean {
  const right = Buffer.from(signObsHook(bytes, secret));
  const given = Buffer.from(signature);
  return given.length === right.length && timingSafeEqual(given, right);
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The build that a hint is about, if it can be one of this backend's. */
export function externalIdOfChange(
  { project, package: packageName }: ObsChanged,
  own: { project: string; mode: ObsMode },
): string | undefined {
  if (own.mode === 'project-per-run') return parseExternalId(project, own.project, own.mode) && project;
  const suffix = project === own.project && packageName !== undefined ? suffixOf(packageName) : undefined;
  return suffix && `${project}/${suffix}`;
}
