/** Fetching from a remote into a mirror, and nothing about what for. */
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { type FetchFailure, fetchError, fetchFailure } from './failure.ts';
import { type Git, type GitResult, GitTimeout } from './git.ts';
import { removeStaleFiles } from './leftovers.ts';
import { type FetchUrl, parseFetchUrl, shownStderr } from './remote.ts';
import { type Remote, SourceError } from './sources.ts';

export interface FetchOptions {
  git: Git;
  fetchTimeoutMs: number;
  /** A git configuration file that trusts any directory. For remotes on this disk that belong to another user. */
  trustingConfig: string;
}

/** A remote, and how far it is trusted. */
export interface Origin extends Remote {
  /** Only these addresses are talked to, whatever its name resolves to meanwhile. */
  addresses?: string[];
  /** Without history: for a tree alone. */
  shallow?: boolean;
}

export interface Fetch {
  refspecs: string[];
  /** Forget refs that the remote no longer has: a branch `a` that is gone would be in the way of a branch `a/b`. */
  prune?: boolean;
  /** Of a shallow origin: fetch all the same what leads to it. */
  deep?: boolean;
}

/** Faults that old, harmless tools left in many repositories' histories; GitHub accepts them as well. */
const TOLERATED = ['missingSpaceBeforeDate', 'zeroPaddedDate', 'badTimezone', 'missingEmail', 'missingNameBeforeEmail'];
/** Git's word for all there is; of a mirror that has gaps, unlike `--unshallow`, also when it has none. */
const INFINITE_DEPTH = 0x7fffffff;
const PROBE_TIMEOUT_MS = 30_000;

/** Fetch, and once more when there was a cause that could be removed: a lock of a dead git, or a renamed repository. */
export async function fetchInto(
  mirror: string,
  origin: Origin,
  what: Fetch,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<GitResult> {
  const from = parseFetchUrl(origin);
  const fetchOnce = (url: FetchUrl) => runFetch(mirror, origin, url, what, options, signal);
  const first = await fetchOnce(from);
  const failure = first.code === 0 ? undefined : fetchFailure(first);
  if (failure === 'locked' && (await removeStaleFiles(mirror, options.fetchTimeoutMs)) > 0) return fetchOnce(from);
  if (failure !== 'redirected') return first;
  const url = await redirectOnSameHost(from, origin, AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]));
  signal.throwIfAborted();
  return url ? fetchOnce({ ...from, url }) : first;
}

/** What a result means; undefined when all is well. */
export function failureOf(result: GitResult): FetchFailure | undefined {
  return result.code === 0 ? undefined : fetchFailure(result);
}

async function runFetch(
  mirror: string,
  origin: Origin,
  from: FetchUrl,
  what: Fetch,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<GitResult> {
  const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--recurse-submodules=no'];
  if (what.prune) flags.push('--prune');
  if (origin.shallow) flags.push(`--depth=${what.deep ? INFINITE_DEPTH : 1}`);
  const args = ['fetch', ...flags, '--', from.url, ...what.refspecs];
  try {
    return await options.git.run([`--git-dir=${mirror}`, ...args], {
      signal,
      timeoutMs: options.fetchTimeoutMs,
      config: fetchConfig(origin, from),
      environment: fetchEnvironment(from, options),
    });
  } catch (cause) {
    if (!(cause instanceof GitTimeout)) throw cause;
    const { kind, message } = fetchError(origin, 'unreachable', cause.message);
    throw new SourceError(kind, message, { cause });
  }
}

function fetchConfig(origin: Origin, from: FetchUrl): Record<string, string> {
  const config: Record<string, string> = {
    'transfer.fsckObjects': 'true',
    'fetch.fsckObjects': 'true',
    'fetch.unpackLimit': '1', // A pack appears whole or not at all; loose objects come one by one.
    'http.followRedirects': 'false', // It would carry the authorization to whatever host is named.
    'http.lowSpeedLimit': '1000',
    'http.lowSpeedTime': '60',
  };
  for (const message of TOLERATED) config[`fetch.fsck.${message}`] = 'ignore';
  if (from.protocol !== 'file' && origin.authorization !== undefined) {
    config['http.extraHeader'] = `Authorization: ${origin.authorization}`;
  }
  if (from.protocol !== 'file' && origin.addresses) {
    const { hostname, port, protocol } = new URL(from.url);
    const shown = origin.addresses.map((address) => (address.includes(':') ? `[${address}]` : address));
    config['http.curloptResolve'] = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}:${shown.join(',')}`;
  }
  return config;
}

function fetchEnvironment(from: FetchUrl, options: FetchOptions): Record<string, string> {
  const environment: Record<string, string> = { GIT_ALLOW_PROTOCOL: from.protocol };
  // `git upload-pack` is a second git on this disk, which gets no other configuration of ours.
  if (from.protocol === 'file') environment['GIT_CONFIG_GLOBAL'] = options.trustingConfig;
  return environment;
}

/** Where a renamed repository went, when that is on the same host (as on GitHub); undefined when it is not. */
async function redirectOnSameHost(from: FetchUrl, origin: Origin, signal: AbortSignal): Promise<string | undefined> {
  const path = '/info/refs?service=git-upload-pack';
  let url = new URL(from.url.replace(/\/$/, '') + path);
  for (let hops = 0; hops < 4; hops += 1) {
    const location = await locationOf(url, origin, signal);
    if (location === undefined) break;
    const next = URL.parse(location, url.href);
    if (next?.origin !== url.origin || next.username || next.password) return undefined;
    url = next;
  }
  return url.href.endsWith(path) ? url.href.slice(0, -path.length) : undefined;
}

/** Not by `fetch`, which resolves the name anew. */
function locationOf(url: URL, origin: Origin, signal: AbortSignal): Promise<string | undefined> {
  const headers = origin.authorization === undefined ? {} : { authorization: origin.authorization };
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const get = url.protocol === 'https:' ? getHttps : getHttp;
  const options = { headers, signal, agent: false as const, lookup: lookupOf(origin.addresses) };
  const request = get(url, options, (answer) => {
    answer.destroy();
    const { statusCode = 0, headers } = answer;
    resolve(statusCode >= 300 && statusCode <= 399 ? headers.location : undefined);
  });
  request.once('error', (cause) => {
    const words = shownStderr(origin, cause.message);
    reject(new SourceError('unreachable', `${origin.name} cannot be fetched: ${words}. It is tried again.`, { cause }));
  });
  return promise;
}

function lookupOf(addresses: string[] | undefined): LookupFunction | undefined {
  if (!addresses) return undefined;
  const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  return (_, options, callback) => {
    if (options.all) callback(null, all);
    else callback(null, all[0]!.address, all[0]!.family);
  };
}
