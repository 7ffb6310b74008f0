import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LogBook, type LogPart, readParts } from '../../src/backends/azure/logs.ts';

/** What is read of a log while it grows is the beginning of what is read at its end, whoever reads it, in whatever pieces. */

const TIME = '2026-08-01T15:56:28.0241422Z ';
const line = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, '')),
  fc.constantFrom('', 'x'.repeat(300), `${TIME}said twice`, '\t', '\uFEFFmarked', '2026-'),
);
/** Without a time and without an end a last line that is empty is not there: Azure's have times. */
const timed = fc.tuple(fc.boolean(), line).map(([hasTime, text]) => (hasTime || text === '' ? TIME + text : text));
const step = fc.array(timed, { minLength: 1, maxLength: 8 });

/** Azure's answer from a line on, cut into chunks of odd sizes. */
function served(lines: string[], startLine: number, size: number, end: string): Readable {
  const mark = startLine === 1 ? '\uFEFF' : '';
  const bytes = Buffer.from(mark + lines.slice(startLine - 1).join(end));
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return Readable.from(chunks, { objectMode: false });
}

test('reading a log as it grows gives what reading it at its end gives', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 3 }),
      fc.array(
        fc.record({
          lines: fc.nat(24),
          size: fc.integer({ min: 1, max: 70 }),
          forgets: fc.boolean(),
          back: fc.nat(60),
        }),
        {
          maxLength: 6,
        },
      ),
      fc.constantFrom('\n', '\r\n'),
      fc.constantFrom('keep' as const, 'strip' as const),
      async (steps, looks, end, timestamps) => {
        const whole = steps.flatMap((lines) =>
          lines.map((text) => `${timestamps === 'strip' ? text.replace(TIME, '') : text}\n`),
        );
        let book: LogBook = new Map();
        let read = Buffer.alloc(0);
        const look = async (printed: number, size: number, back: number) => {
          const from = Math.max(0, read.length - back);
          const source = {
            timestamps,
            mostBytes: 2 ** 20,
            lineCounts: new Map(steps.map((_, id) => [id, linesOf(steps, id, printed).length])),
            open: async (id: number, from: number) => served(linesOf(steps, id, printed), from, size, end),
          };
          const more = await buffer(readParts(partsOf(steps, printed), book, from, source));
          read = Buffer.concat([read.subarray(0, from), more]);
        };
        let printed = 0;
        for (const { lines, size, forgets, back } of looks) {
          printed = Math.max(printed, Math.min(lines, whole.length));
          if (forgets) book = new Map();
          await look(printed, size, back);
          assert.equal(read.toString(), whole.slice(0, printed).join(''));
        }
        await look(whole.length, 13, 5);
        assert.equal(read.toString(), whole.join(''));
      },
    ),
    { numRuns: 300 },
  );
});

/** The steps that have printed something: all but the last of them are over. */
function partsOf(steps: string[][], printed: number): LogPart[] {
  const total = steps.flat().length;
  return steps.flatMap((lines, at) => {
    const before = steps.slice(0, at).flat().length;
    return printed > before ? [{ logId: at, isWhole: printed > before + lines.length || printed === total }] : [];
  });
}

function linesOf(steps: string[][], id: number, printed: number): string[] {
  return steps[id]!.slice(0, Math.max(0, printed - steps.slice(0, id).flat().length));
}
