import type { z } from 'zod';
import type { Budget } from '../../core/budget.ts';
import { ForgeError } from '../forge.ts';
import { LONGEST_REST_MS, toForgeError } from './errors.ts';
import { KeptAnswers } from './etags.ts';
import { foreignId, sayIssues } from './fields.ts';
import { budgetOf, type Headers, Rests, resourceOf } from './limits.ts';
import { linksOf } from './links.ts';
import { send } from './send.ts';

/** The part of Octokit that we use; Probot gives one per installation. */
export interface Octokit {
  request: {
    (route: string, parameters?: Record<string, unknown>): Promise<OctokitAnswer>;
    endpoint?: { DEFAULTS: { baseUrl: string } };
  };
  auth(options: { type: 'installation' }): Promise<unknown>;
}

export interface OctokitAnswer {
  data: unknown;
  status: number;
  headers: Headers;
  /** Where the answer came from. */
  url?: string;
}

export interface ClientOptions {
  /** As the installation (its foreign id); without one, anonymously. */
  octokit(installationId: string | undefined): Promise<Octokit>;
  /** As the App itself. */
  appOctokit?(): Promise<Octokit>;
  now(): Date;
  timeoutMs?: number;
  /** Of all kept answers together; default 64 MiB. */
  cacheBytes?: number;
  /** Told with each answer what an installation has left in its hour; undefined: anonymously, `app`: the App itself. */
  onBudget?(installation: string | undefined, remaining: number, budget: Budget): void;
}

/** Who asks: an installation by its key, nobody, or the App itself. */
export type Caller = { installation: string | undefined } | 'app';

export interface Question<T> {
  /** As in GitHub's documentation: `GET /repos/{owner}/{repo}`. */
  route: string;
  parameters?: Record<string, unknown>;
  schema: z.ZodType<T>;
  /** For people: whom it concerns. */
  about: string;
  /** false: large, and never asked again. */
  keep?: boolean;
}

export interface Page<T> {
  value: T;
  /** Addresses of other pages, by their relation: next, last. */
  links: Record<string, string>;
}

/** GitHub's REST API as we ask it: conditional, timed, at rest when told so, its answers parsed. Throws ForgeError only. */
export interface GitHubClient {
  /** undefined: it is not there (404, 410). */
  ask<T>(caller: Caller, question: Question<T>, signal: AbortSignal): Promise<T | undefined>;
  askPage<T>(caller: Caller, question: Question<T>, signal: AbortSignal): Promise<Page<T> | undefined>;
  octokitOf(caller: Caller): Promise<Octokit>;
  now(): Date;
}

const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;

export function openClient(options: ClientOptions): GitHubClient {
  const { now, timeoutMs = 30_000 } = options;
  const kept = new KeptAnswers(options.cacheBytes ?? DEFAULT_CACHE_BYTES);
  const rests = new Rests();

  async function octokitOf(caller: Caller): Promise<Octokit> {
    if (caller !== 'app') return options.octokit(foreignId(caller.installation));
    if (!options.appOctokit) throw new ForgeError('refused', 'Nobody can ask GitHub as the App itself here');
    return options.appOctokit();
  }

  function refuseAtRest(caller: Caller, { route, about }: Question<unknown>): void {
    const left = rests.left(nameOf(caller), resourceOf(route), now());
    if (left === 0) return;
    const rest = `GitHub lets ${sayCaller(caller)} rest for another ${Math.ceil(left / 1_000)} s`;
    throw new ForgeError('rate-limited', `${route} of ${about} was not asked: ${rest}`, { retryAfterMs: left });
  }

  /** Budgets are of the ordinary requests; whoever has none left rests before being told to. */
  function noteLimits(caller: Caller, route: string, headers: Headers): void {
    const at = now();
    const budget = budgetOf(headers, at);
    if (!budget) return;
    const resource = String(headers['x-ratelimit-resource'] ?? resourceOf(route));
    if (resource === 'core') {
      options.onBudget?.(caller === 'app' ? 'app' : foreignId(caller.installation), budget.remaining, budget);
    }
    if (budget.remaining > 0 || !budget.resetAt || budget.resetAt <= at) return;
    rests.rest(nameOf(caller), resource, Math.min(budget.resetAt.getTime() - at.getTime(), LONGEST_REST_MS), at);
  }

  async function askPage<T>(caller: Caller, question: Question<T>, signal: AbortSignal): Promise<Page<T> | undefined> {
    const { route, parameters = {}, keep = true } = question;
    refuseAtRest(caller, question);
    const key = `${nameOf(caller)} ${route} ${JSON.stringify(parameters)}`;
    const known = route.startsWith('GET ') && keep ? kept.get(key, question.schema) : undefined;
    try {
      const octokit = await octokitOf(caller);
      const request = { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), redirect: 'manual' };
      const headers: Record<string, string> = known ? { 'if-none-match': known.etag } : {};
      const answer = await send(octokit, question, { headers, request });
      noteLimits(caller, route, answer.headers);
      const value = parsed(question, answer.data);
      const links = linksOf(answer.headers['link']);
      const { etag } = answer.headers;
      if (route.startsWith('GET ') && keep && etag)
        kept.set(key, { etag: String(etag), value, links, schema: question.schema });
      return { value, links };
    } catch (error) {
      const response = (error as { response?: { headers?: Headers } } | undefined)?.response;
      if (response?.headers) noteLimits(caller, route, response.headers);
      if (known && (error as { status?: number }).status === 304) return known as Page<T>;
      const translated = toForgeError(error, `${route} of ${question.about}`, now());
      if (translated.kind === 'gone') kept.delete(key);
      return noted(caller, question, translated, response?.headers);
    }
  }

  /** What is gone is an answer; a limit is kept in mind; everything else is thrown. */
  function noted(caller: Caller, { route }: Question<unknown>, error: ForgeError, headers: Headers = {}): undefined {
    if (error.kind === 'gone') return undefined;
    if (error.kind === 'rate-limited' && error.retryAfterMs !== undefined) {
      const isPrimary = headers['x-ratelimit-remaining'] === '0' && headers['retry-after'] === undefined;
      const resource = isPrimary ? String(headers['x-ratelimit-resource'] ?? resourceOf(route)) : undefined;
      rests.rest(nameOf(caller), resource, error.retryAfterMs, now());
    }
    throw error;
  }

  return {
    ask: async (caller, question, signal) => (await askPage(caller, question, signal))?.value,
    askPage,
    octokitOf,
    now,
  };
}

function parsed<T>({ schema, about }: Question<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const why = sayIssues(result.error, 'answer');
  throw new ForgeError('unparsable', `GitHub's answer about ${about} is not as published: ${why}`, {
    cause: result.error,
  });
}

const nameOf = (caller: Caller): string => (caller === 'app' ? 'app' : (caller.installation ?? 'anonymous'));

function sayCaller(caller: Caller): string {
  if (caller === 'app') return 'the App';
  return caller.installation === undefined ? 'anonymous readers' : `installation ${foreignId(caller.installation)}`;
}
