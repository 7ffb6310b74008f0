import { stripAnsi } from './text.ts';

/** What is kept of a line, in bytes; a path has 4,096 at most (Linux, PATH_MAX), and `prove` wraps its lists. */
export const mostOfLine = 8192;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Takes bytes as they come. Splitting them elsewhere gives the same lines. */
export interface LineSplitter {
  push(chunk: Uint8Array): void;
  /** Tell the last line, if it has no newline. */
  end(): void;
}

/**
 * Bytes to lines of text, one pass, memory of one line. Decoded by the line, since no byte of a UTF-8 character is a
 * newline: what is malformed harms its own line only. Terminals are written over by a bare return (`prove` shows its
 * progress so): of such a line the last writing stays.
 */
export function splitLines(onLine: (text: string) => void): LineSplitter {
  const decoder = new TextDecoder();
  const kept = Buffer.alloc(mostOfLine);
  let length = 0;
  let isOpen = false;
  let isReturned = false;

  const keep = (part: Uint8Array): void => {
    const fitting = part.subarray(0, mostOfLine - length);
    kept.set(fitting, length);
    length += fitting.length;
  };
  const extend = (part: Uint8Array): void => {
    let end = part.length;
    while (end > 0 && part[end - 1] === RETURN) end -= 1;
    if (end > 0) {
      const start = part.lastIndexOf(RETURN, end - 1) + 1;
      if (isReturned || start > 0) length = 0;
      isReturned = false;
      keep(part.subarray(start, end));
    }
    if (end < part.length) isReturned = true;
    isOpen = true;
  };
  const tell = (): void => {
    onLine(decoder.decode(kept.subarray(0, length)));
    length = 0;
    isOpen = false;
  };

  return {
    push(chunk) {
      let start = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
        if (at > start) extend(chunk.subarray(start, at));
        tell();
        start = at + 1;
      }
      if (start < chunk.length) extend(chunk.subarray(start));
    },
    end() {
      if (isOpen) tell();
    },
  };
}

/** Azure's timestamp, then OBS' seconds. */
const PREFIX = /^(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z ?)?(?:\[ {0,9}\d{1,9}s\] ?)?/;

/** Of a line of text, what stays on a terminal, as `splitLines` has it of bytes. */
export function lastWriting(line: string): string {
  const text = line.replace(/[\r\n]+$/, '');
  return text.slice(text.lastIndexOf('\r') + 1).slice(0, mostOfLine);
}

/** A line as the test harness wrote it: no colours, none of the backend's prefixes, no white space at its end. */
export function bareLine(line: string): string {
  const text = stripAnsi(line);
  return (/^[\d[]/.test(text) ? text.replace(PREFIX, '') : text).trimEnd();
}
