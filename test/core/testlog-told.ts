import { readFileSync } from 'node:fs';
import { flapperMessages } from '../../src/core/messages-flappers.ts';
import { readTests, type TestResults } from '../../src/core/testlog.ts';

/** Results as short lines, so that a table can hold them. */
export const told = (results: TestResults): string[] =>
  results.files.map((file) => {
    const end = file.outcome === 'failed' ? flapperMessages.failureOf(file) : file.isSkipped ? 'skipped' : 'passed';
    const todo = file.todoPassed.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', ');
    const at = [file.line, file.summaryLine].filter(Boolean).join('/');
    return `${file.name}: ${end}${todo && `, TODO passed ${todo}`}${at && ` @${at}`}`;
  });

export const reasons = (results: TestResults): string[] =>
  results.unreadable.map(({ because, line }) => (line === undefined ? because : `${because} @${line}`));

export function read(log: string | Uint8Array, options?: { tap?: string }): TestResults {
  const reader = readTests(options);
  reader.bytes(typeof log === 'string' ? Buffer.from(log) : log);
  return reader.end();
}

const folder = new URL('../fixtures/logs/', import.meta.url);
export const sample = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

/** The real excerpts, by their number in the file; the line that names the source is left out. */
export function excerpt(number: number): string {
  const parts = sample('issue_excerpts.txt').split(/^### /m);
  const part = parts.find((each) => each.startsWith(`[${number}]`)) ?? '';
  return part.slice(part.indexOf('\n') + 1);
}
