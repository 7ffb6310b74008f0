import type { TestFile, Unreadable } from './testlog-files.ts';
import type { AttemptTests } from './testlog-kept.ts';
import { cutText } from './text.ts';

/**
 * What of a reading can be stored. Logs are written by anybody who may open a pull request: names and texts are bounded,
 * and hold no character that PostgreSQL refuses.
 */

/** Files of one attempt. Rakudo has 1,400. */
const MOST_FILES = 10_000;
const MOST_FAILED = 3_000;
/** In bytes; longer ones would not fit into the index of the names. */
const MOST_OF_NAME = 500;
const MOST_RANGES = 100;
const MOST_NOTES = 20;
const MOST_OF_TEXT = 300;

/** Each file once, a failure before a pass. What is left out is noted as `too-much`. */
export function keepable(tests: AttemptTests): AttemptTests {
  const failed = new Map(tests.failed.filter(({ name }) => isName(name)).map((file) => [file.name, boundedFile(file)]));
  const passed = new Set(tests.passed.filter((name) => isName(name) && !failed.has(name)));
  const kept = [...failed.values()].slice(0, MOST_FAILED);
  const rest = [...passed].slice(0, MOST_FILES - kept.length);
  const left = new Set([...tests.passed, ...tests.failed.map(({ name }) => name)]).size - kept.length - rest.length;
  const note: Unreadable[] = left > 0 ? [{ because: 'too-much', detail: `${left} files are not kept` }] : [];
  return {
    passed: rest,
    failed: kept,
    unreadable: [...note, ...tests.unreadable].slice(0, MOST_NOTES).map(boundedNote),
    otherFailures: tests.otherFailures.slice(0, MOST_NOTES).map(({ line, text }) => ({ line, text: storable(text) })),
  };
}

const isName = (name: string): boolean =>
  name !== '' && Buffer.byteLength(name) <= MOST_OF_NAME && name.isWellFormed() && !name.includes('\0');

const storable = (text: string): string => cutText(text.toWellFormed().replaceAll('\0', '\uFFFD'), MOST_OF_TEXT);

const boundedNote = (note: Unreadable): Unreadable => ({
  ...note,
  ...(note.detail !== undefined && { detail: storable(note.detail) }),
});

const boundedFile = (file: TestFile): TestFile => ({
  ...file,
  failed: file.failed.slice(0, MOST_RANGES),
  todoPassed: file.todoPassed.slice(0, MOST_RANGES),
  parseErrors: file.parseErrors.slice(0, MOST_NOTES).map(storable),
  ...(file.signal !== undefined && { signal: storable(file.signal) }),
});
