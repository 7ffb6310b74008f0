import { ForgeError } from '../forge.ts';
import { type Headers, serverTime } from './limits.ts';

/** What GitHub's answers mean for us (docs.github.com, "Rate limits for the REST API", "Troubleshooting"). */
export function toForgeError(error: unknown, what: string, now: Date): ForgeError {
  if (error instanceof ForgeError) return error;
  const { status, message, response } = (error ?? {}) as {
    status?: number;
    message?: string;
    response?: { headers?: Headers };
  };
  // Octokit gives a broken connection the status 500; only an answer has a response.
  const answered = status !== undefined && response !== undefined;
  const said = `${what}: ${answered ? `GitHub answered ${status}` : 'GitHub could not be reached'} (${firstLine(message)})`;
  const options = { cause: error };
  const restMs = restOf(status, message, response?.headers ?? {}, now);
  if (restMs !== undefined) {
    return new ForgeError('rate-limited', said, { ...options, retryAfterMs: Math.min(restMs, LONGEST_REST_MS) });
  }
  if (status === undefined || status >= 500 || status === 408) return new ForgeError('unreachable', said, options);
  if (status === 404 || status === 410) return new ForgeError('gone', said, options);
  if (status === 401 || status === 403) return new ForgeError('denied', said, options);
  return new ForgeError('refused', said, options);
}

/** Are we told to rest? By its status alone a limit looks like a refusal. */
export const isRateLimit = (error: unknown): boolean =>
  toForgeError(error, 'GitHub', new Date(0)).kind === 'rate-limited';

/** Of the answer that an error was made of; undefined: there was none. */
export function statusOf({ cause }: ForgeError): number | undefined {
  const { status, response } = (cause ?? {}) as { status?: number; response?: unknown };
  return response === undefined ? undefined : status;
}

/** GitHub's own words in its answer, on one line; else what went wrong on the way. */
export function saidBy(error: ForgeError): string {
  const { response } = (error.cause ?? {}) as { response?: { data?: { message?: unknown } } };
  const said = response?.data?.message;
  return (typeof said === 'string' ? said : error.message).replace(/\s+/g, ' ').trim().slice(0, 500);
}

const firstLine = (message: string | undefined): string => (message ?? 'no reason given').split('\n')[0]!.slice(0, 300);

const MINUTE = 60_000;
/** Primary limits are renewed every hour: a longer rest is a mistake of whoever asks for it. */
export const LONGEST_REST_MS = 65 * MINUTE;

/** Milliseconds to rest when this is a rate limit: `retry-after`, else until the reset, else a minute. */
function restOf(
  status: number | undefined,
  message: string | undefined,
  headers: Headers,
  now: Date,
): number | undefined {
  if (status !== 403 && status !== 429) return undefined;
  const retryAfter = Number(headers['retry-after']);
  if (headers['retry-after'] !== undefined && Number.isFinite(retryAfter)) return Math.max(1, retryAfter) * 1_000;
  if (headers['x-ratelimit-remaining'] === '0') {
    const reset = Number(headers['x-ratelimit-reset']) * 1_000;
    return Number.isFinite(reset) ? Math.max(1_000, reset - serverTime(headers, now)) : MINUTE;
  }
  // A secondary limit without a header is told apart from a refusal by its text only.
  return status === 429 || /secondary rate limit|abuse detection/i.test(message ?? '') ? MINUTE : undefined;
}
