import type { Answers, Asking } from './match-known.ts';
import { manifestMessages, type PinPlace } from './messages-manifest.ts';
import { PIN_BYTES, type Revision, readings, readPin } from './pin.ts';
import type { StackPin } from './stack.ts';

/** Why a run cannot begin. `pinText`: what the pin file says, cut, for showing. */
export interface Fault {
  why: string;
  pinText?: string;
}

export type FollowedPin = { kind: 'commit'; sha: string; ref?: string; text: string } | ({ kind: 'fault' } & Fault);

/** From a pin in the file of one repository, at this commit, to the other one's commit; undefined while an answer is
 *  lacking. */
export function followPin({ ask }: Pick<Asking, 'ask'>, pin: StackPin, sha: string): FollowedPin | undefined {
  const place = { ...pin, sha };
  const read = ask({ kind: 'pin', repository: pin.by, sha, file: pin.file });
  if (!read) return undefined;
  if (read.kind === 'missing') return { kind: 'fault', why: manifestMessages.noPinFile(place, read.why) };
  if (read.kind === 'malformed') {
    return { kind: 'fault', why: manifestMessages.malformedPin(place, read.why), pinText: read.text };
  }
  return commitOf({ ask }, place, read);
}

function commitOf({ ask }: Pick<Asking, 'ask'>, place: PinPlace, pin: Revision): FollowedPin | undefined {
  let why: string | undefined;
  for (const revision of readings(pin)) {
    const found = ask({ kind: 'revision', repository: place.pinned, revision });
    if (!found) return undefined;
    if (found.kind === 'missing') why = found.why;
    else if (!found.sha.startsWith(revision.sha ?? '')) why = manifestMessages.wrongRevision(found.sha);
    else {
      const ref = revision.kind === 'tag' ? { ref: `refs/tags/${revision.text}` } : {};
      return { kind: 'commit', sha: found.sha, ...ref, text: pin.text };
    }
  }
  return { kind: 'fault', why: manifestMessages.revisionNotFound(place, pin.text, why), pinText: pin.text };
}

/** What was found in the place of a pin file, as an answer. */
export function pinAnswer(
  file:
    | { kind: 'file'; bytes: Uint8Array }
    | { kind: 'missing' }
    | { kind: 'too-large'; size: number }
    | { kind: 'symlink' | 'directory' | 'submodule' },
): Answers['pin'] {
  switch (file.kind) {
    case 'file':
      return readPin(file.bytes);
    case 'missing':
      return { kind: 'missing' };
    case 'too-large':
      return { kind: 'malformed', why: manifestMessages.pin.huge(PIN_BYTES), text: '' };
    default:
      return { kind: 'missing', why: manifestMessages.notAFile(file.kind) };
  }
}
