import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/**
 * Azure's service hooks (learn.microsoft.com, "Service hooks events"). They are not signed and may be shortened, doubled
 * and out of order, so all that is read is which build to look at again. The samples in the documentation hold malformed
 * ids and addresses: nothing but the build's number is insisted on.
 */
export type AzureHook =
  /** `organisation` in lower case, where it is told: build `id` of it may have changed. */
  | {
      kind: 'build';
      id: string;
      organisation?: string;
      project?: string;
      eventId?: string;
      eventType: string;
      occurredAt?: Date;
    }
  /** Understood, and of no use to us: `build.complete` of no build, a work item, a test notification. */
  | { kind: 'other'; eventType: string; eventId?: string }
  /** Not understood: for a person. */
  | { kind: 'unread'; why: string };

const shortText = z.string().max(1_000).nullish().catch(undefined);
const buildId = z.union([z.int().positive(), z.string().regex(/^[1-9]\d{0,15}$/)]).transform(String);
const withId = z.object({ id: buildId });
const place = z.object({ id: shortText, baseUrl: shortText }).nullish().catch(undefined);

const envelope = z.object({
  id: shortText,
  eventType: z.string().min(1).max(200),
  createdDate: shortText,
  resource: z.unknown(),
  resourceContainers: z.object({ collection: place, account: place, project: place }).nullish().catch(undefined),
});
const resourceUrl = z.object({ url: shortText, run: z.object({ url: shortText }).nullish().catch(undefined) });

/** Which part of the resource is the build: in 1.0 and 2.0 of `build.complete` it is the resource itself. */
const builds: Record<string, (resource: unknown) => string | undefined> = {
  'build.complete': idOf,
  'ms.vss-pipelines.run-state-changed-event': runOf,
  'ms.vss-pipelines.stage-state-changed-event': runOf,
  'ms.vss-pipelines.job-state-changed-event': runOf,
};

/** Never throws, and never says no: whatever is authenticated is answered 2xx (facts, 12). */
export function parseAzureHook(body: string | Uint8Array): AzureHook {
  const read = envelope.safeParse(json(typeof body === 'string' ? body : Buffer.from(body).toString('utf8')));
  if (!read.success) return { kind: 'unread', why: 'not the JSON of a service hook' };
  const { id, eventType, createdDate, resource, resourceContainers } = read.data;
  const eventId = id ? stored(id) : undefined;
  const find = Object.hasOwn(builds, eventType) ? builds[eventType] : undefined;
  const build = find?.(resource);
  if (!find) return { kind: 'other', eventType: stored(eventType), eventId };
  if (build === undefined) return { kind: 'unread', why: `${eventType} without the number of a build` };
  const project = resourceContainers?.project?.id;
  return {
    kind: 'build',
    id: build,
    organisation: organisationOf([
      resourceContainers?.collection?.baseUrl,
      resourceContainers?.account?.baseUrl,
      ...urlsIn(resource),
    ]),
    project: project ? stored(project) : undefined,
    eventId,
    eventType,
    occurredAt: timeOf(createdDate),
  };
}

/** Basic authentication is all that Azure offers; the user's name does not matter. In constant time. */
export function isHookAuthorized(authorization: string | undefined, password: string): boolean {
  const pair = /^Basic\s+([A-Za-z0-9+/=]{1,4096})$/i.exec(authorization ?? '')?.[1];
  if (!pair || password === '') return false;
  const text = Buffer.from(pair, 'base64').toString('utf8');
  const given = Buffer.from(text.slice(text.indexOf(':') + 1));
  const right = Buffer.from(password);
  return text.includes(':') && given.length === right.length && timingSafeEqual(given, right);
}

/** `https://dev.azure.com/ORG/…`, `https://ORG.visualstudio.com/…`, or the first part of another host's path. */
export function organisationIn(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url) return undefined;
  const old = /^([a-z0-9-]+)\.visualstudio\.com$/i.exec(url.hostname)?.[1];
  const first = old ?? url.pathname.split('/').find(Boolean);
  return first && first.length <= 100 ? stored(first.toLowerCase()) : undefined;
}

/** What a build's events are ordered by, over all backends of its organisation. */
export const buildSubject = (organisation: string, id: string): string => `build:azure:${organisation}/${id}`;

const organisationOf = (urls: (string | null | undefined)[]): string | undefined =>
  urls.flatMap((url) => (url ? (organisationIn(url) ?? []) : []))[0];

function urlsIn(resource: unknown): (string | null | undefined)[] {
  const read = resourceUrl.safeParse(resource);
  return read.success ? [read.data.url, read.data.run?.url] : [];
}

function idOf(resource: unknown): string | undefined {
  return withId.safeParse(resource).data?.id;
}

function runOf(resource: unknown): string | undefined {
  return idOf((resource as { run?: unknown } | null | undefined)?.run);
}

function timeOf(text: string | null | undefined): Date | undefined {
  const time = text ? new Date(text) : undefined;
  return time && !Number.isNaN(time.getTime()) ? time : undefined;
}

/** PostgreSQL stores no NUL and no half a surrogate pair. */
const stored = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD');

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
