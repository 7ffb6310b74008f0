/** What a failed fetch means. Git tells it in words only, so the words are known here, and nowhere else (LC_ALL=C). */
import type { GitResult } from './git.ts';
import { shownStderr } from './remote.ts';
import { type Remote, SourceError } from './sources.ts';

export type FetchFailure =
  | 'not-offered' // The remote answered, and does not have what was asked for: another way may bring it.
  | 'redirected'
  | 'gone'
  | 'denied'
  | 'bad-objects'
  | 'full'
  | 'locked'
  | 'unreachable';

/** First match wins; what is unknown counts as `unreachable`, and is tried again. */
const WORDS: [RegExp, FetchFailure][] = [
  [/No space left on device|Disk quota exceeded/, 'full'],
  [/Unable to create '.*\.lock': File exists|could not lock config file .*: File exists/, 'locked'],
  [/returned error: 30[12378]\b/, 'redirected'],
  [/Authentication failed|could not read Username|could not read Password|returned error: 40[13]\b/, 'denied'],
  [/dubious ownership|Permission denied/, 'denied'],
  [/repository '.*' not found|returned error: (404|410)\b|does not appear to be a git repository/, 'gone'],
  [/fsck error|object corrupt|bad tree|mismatched object format|mismatched algorithms/, 'bad-objects'],
  [/couldn't find remote ref|not our ref|unadvertised object|cannot lock ref|local refs could not be/, 'not-offered'],
];

export function fetchFailure(result: GitResult): FetchFailure {
  return WORDS.find(([words]) => words.test(result.stderr))?.[1] ?? 'unreachable';
}

const MEANING: Record<FetchFailure, { kind: SourceError['kind']; words: string }> = {
  'not-offered': { kind: 'commit-missing', words: 'the remote does not offer what was asked for' },
  redirected: {
    kind: 'repository-gone',
    words: 'its URL redirects elsewhere, which is not followed. Configure the new URL',
  },
  gone: {
    kind: 'repository-gone',
    words: 'it is not there: removed, renamed, or not visible to us. Correct its name, or give RCB access to it',
  },
  denied: { kind: 'denied', words: 'access was denied. Check that the GitHub App is installed there and may read it' },
  'bad-objects': {
    kind: 'bad-tree',
    words: "its objects do not pass git's checks, so they were not taken. `git fsck` in a clone shows which",
  },
  full: { kind: 'full', words: 'the disk is full. It is tried again; make room in the data directory' },
  locked: {
    kind: 'unreachable',
    words: 'another git holds a lock in the mirror. It is tried again; a lock of a dead process is removed in time',
  },
  unreachable: { kind: 'unreachable', words: 'the remote could not be reached. It is tried again' },
};

export function fetchError(remote: Remote, failure: FetchFailure, stderr: string): SourceError {
  const { kind, words } = MEANING[failure];
  return new SourceError(kind, `${remote.name} cannot be fetched: ${words}. Git said: ${shownStderr(remote, stderr)}`);
}

/** A file of our own could not be written. What is not a full disk may pass as well: it is tried again. */
export function diskError(what: string, cause: unknown): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === undefined) return cause;
  const kind = code === 'ENOSPC' || code === 'EDQUOT' ? 'full' : 'unreachable';
  return new SourceError(kind, `${what} cannot be written: ${message}. It is tried again.`, { cause });
}
