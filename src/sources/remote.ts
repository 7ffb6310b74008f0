/**
 * What may be said to git about a remote: its URL, names of refs, shas, the authorization. All of it comes from outside,
 * so it is checked here before it gets near a command line; and what git answers is scrubbed here before it is shown.
 */
import { createHash } from 'node:crypto';
import { type Remote, SourceError } from './sources.ts';

/** A URL that git may fetch from, and the one transport it needs. */
export interface FetchUrl {
  url: string;
  protocol: 'https' | 'http' | 'file';
}

/** `https://`, `http://`, `file:///` or an absolute path. Anything else (ssh, `ext::`, relative) is refused. */
export function parseFetchUrl(remote: Remote): FetchUrl {
  if (remote.authorization !== undefined && !/^[\x20-\x7e]{1,8192}$/.test(remote.authorization)) {
    throw refused(remote, 'the authorization has characters that a header cannot carry');
  }
  if (/[\0-\x1f\x7f]/.test(remote.url)) throw refused(remote, 'its URL has control characters');
  if (remote.url.startsWith('/')) return { url: remote.url, protocol: 'file' };
  const url = URL.parse(remote.url);
  if (url?.protocol === 'file:' && url.host === '') return { url: remote.url, protocol: 'file' };
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw refused(remote, 'its URL is neither https, http nor an absolute path');
  }
  if (url.username || url.password) throw refused(remote, 'its URL carries credentials, which would end up in logs');
  return { url: url.href, protocol: url.protocol === 'https:' ? 'https' : 'http' };
}

function refused(remote: Remote, why: string): SourceError {
  return new SourceError('denied', `${remote.name} cannot be fetched: ${why}. Correct the configured URL or token.`);
}

export function isSha(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** The rules of git-check-ref-format(1), for a full name below `refs/`, without wildcards. */
export function isRefName(text: string): boolean {
  if (!text.startsWith('refs/') || text.length > 1024) return false;
  if (/[\0-\x20\x7f~^:?*[\\]|\.\.|@\{/.test(text) || text.endsWith('.')) return false;
  const components = text.split('/');
  return components.length > 2 && components.every((part) => part && !part.startsWith('.') && !part.endsWith('.lock'));
}

/** The mirror's directory: `github:123` → `github-123.git`. Other keys get a digest, so that no two keys share one. */
export function mirrorDirectory(key: string): string {
  if (/^[a-z0-9]{1,40}:[a-z0-9]{1,100}$/.test(key)) return `${key.replace(':', '-')}.git`;
  const words = key.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 20);
  return `${words.replace(/^-|-$/g, '').slice(0, 60) || 'repository'}-${digest}.git`;
}

/** Of the mirror of a submodule, which no forge has given a name. */
export const submoduleKey = (digest: string): string => `submodule:${digest}`;

/** The end of git's own words, short, on one line and without secrets: fit for a message. */
export function shownStderr(remote: Remote, stderr: string): string {
  let text = stderr;
  for (const secret of secretsOf(remote.authorization)) text = text.replaceAll(secret, '***');
  text = text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/\s@]*@/gi, '$1***@').replace(/(authorization:).*/gi, '$1 ***');
  text = text.replace(/[\0-\x1f\x7f]+/g, ' ').trim();
  return text.length > 500 ? `…${text.slice(-500)}` : text;
}

/** The header's value, the token in it, and what a Basic token stands for. */
function secretsOf(authorization: string | undefined): string[] {
  if (authorization === undefined) return [];
  const token = authorization.slice(authorization.indexOf(' ') + 1);
  const pair = Buffer.from(token, 'base64').toString();
  const password = pair.slice(pair.indexOf(':') + 1);
  return [authorization, token, pair, password].filter((secret) => secret.length >= 4);
}
