import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import type { Archive, ArchiveErrorKind, LogReader, LogWriter } from '../../src/archive/archive.ts';

/** The archives of the contract are opened with this secret. */
export const contractSecret = 'hunter2-hunter2';

/** `reopen`: what another instance, or the next process, sees. */
export interface OpenedArchive {
  archive: Archive;
  reopen(): Promise<Archive>;
  /** Where it lies, when it lies in a directory. */
  dir?: string;
  close(): Promise<void>;
}

/** What every archive promises; see the port. */
export function archiveContract(name: string, open: () => Promise<OpenedArchive>): void {
  const story = (title: string, tell: (opened: OpenedArchive) => Promise<void>) =>
    test(title, async () => {
      const opened = await open();
      try {
        await tell(opened);
      } finally {
        await opened.close();
      }
    });
  describe(`archive: ${name}: blobs`, () => blobStories(story));
  describe(`archive: ${name}: logs`, () => logStories(story));
}

type Story = (title: string, tell: (opened: OpenedArchive) => Promise<void>) => void;

const letters = Buffer.from('the quick brown fox\n'.repeat(5_000));

function blobStories(story: Story): void {
  for (const keep of ['zstd', 'plain'] as const) {
    story(`what was put (${keep}) is got, by another instance too`, async ({ archive, reopen }) => {
      const blob = await archive.put(Readable.from([letters.subarray(0, 7), letters.subarray(7)]), { keep });
      assert.deepEqual(blob, { sha256: sha256(letters), size: letters.length });
      for (const reader of [archive, await reopen()]) {
        assert.deepEqual(await reader.stat(blob.sha256), blob);
        assert.ok(letters.equals(await buffer(await reader.get(blob.sha256))));
      }
    });
    story(`an empty blob (${keep}) is a blob`, async ({ archive }) => {
      const blob = await archive.put(Readable.from([]), { keep });
      assert.equal(blob.size, 0);
      assert.deepEqual(await archive.stat(blob.sha256), blob);
      assert.equal((await buffer(await archive.get(blob.sha256))).length, 0);
    });
  }

  story('the same bytes are stored once', async ({ archive }) => {
    const first = await archive.put(letters);
    const { blobs } = await archive.usage();
    assert.ok(blobs > 0);
    assert.deepEqual(await archive.put(letters), first);
    assert.deepEqual(await archive.put(Readable.from([letters])), first);
    assert.deepEqual(await archive.put(letters, { keep: 'plain' }), first);
    assert.deepEqual(await archive.put(Readable.from([letters]), { keep: 'plain' }), first);
    assert.equal((await archive.usage()).blobs, blobs);
  });

  story('the same bytes can be put many times at once', async ({ archive }) => {
    const blobs = await Promise.all(Array.from({ length: 8 }, () => archive.put(Readable.from([letters]))));
    assert.equal(new Set(blobs.map((blob) => blob.sha256)).size, 1);
    assert.ok(letters.equals(await buffer(await archive.get(blobs[0]!.sha256))));
  });

  story('what is not there is missing, and can be forgotten', async ({ archive }) => {
    const unknown = sha256('never put');
    assert.equal(await archive.stat(unknown), undefined);
    await rejectsAs('missing', archive.get(unknown));
    await archive.remove(unknown);
  });

  story('a removed blob is gone, and can come back', async ({ archive }) => {
    const { sha256: id } = await archive.put(letters);
    await archive.remove(id);
    assert.equal(await archive.stat(id), undefined);
    await archive.put(letters);
    assert.equal((await archive.stat(id))?.size, letters.length);
  });

  story('what was put a moment ago is not removed as unused', async ({ archive }) => {
    const { sha256: id, size } = await archive.put(letters);
    assert.equal(await archive.remove(id, { unusedForMs: 60_000 }), false);
    assert.deepEqual(await archive.stat(id, 'use'), { sha256: id, size });
    assert.ok(letters.equals(await buffer(await archive.get(id))));
    assert.equal(await archive.remove(id), true);
    assert.equal(await archive.stat(id, 'use'), undefined);
    assert.equal(await archive.remove(id, { unusedForMs: 60_000 }), true);
  });

  story('more than maxBytes is too large, and leaves nothing', async ({ archive }) => {
    await rejectsAs('too-large', archive.put(letters, { maxBytes: letters.length - 1 }));
    await rejectsAs('too-large', archive.put(Readable.from([letters]), { maxBytes: letters.length - 1 }));
    assert.equal((await archive.usage()).blobs, 0);
    assert.equal((await archive.put(letters, { maxBytes: letters.length })).size, letters.length);
  });

  story('a source that fails, fails the put with its own error, and leaves nothing', async ({ archive }) => {
    const fault = new Error('the agent went away');
    const source = async function* () {
      yield letters;
      throw fault;
    };
    await assert.rejects(archive.put(Readable.from(source())), (error) => error === fault);
    assert.equal((await archive.usage()).blobs, 0);
  });

  story('secrets are masked where asked for, across chunks', async ({ archive }) => {
    const raw = Buffer.from(`password ${contractSecret}.\n`);
    const parts = () => Readable.from([raw.subarray(0, 12), raw.subarray(12)]);
    const masked = await archive.put(parts(), { mask: true });
    assert.equal(await text(await archive.get(masked.sha256)), 'password ***.\n');
    assert.deepEqual(await archive.put(raw, { mask: true }), masked);
    assert.equal((await archive.put(parts())).sha256, sha256(raw));
  });

  story('a name that is no sha256 is refused', async ({ archive }) => {
    for (const name of ['', '../../etc/passwd', 'A'.repeat(64), `${'a'.repeat(63)}/`]) {
      await assert.rejects(archive.get(name), TypeError);
      await assert.rejects(archive.stat(name), TypeError);
      await assert.rejects(archive.remove(name), TypeError);
    }
  });

  story('a reader that gives up does no harm', async ({ archive }) => {
    const { sha256: id } = await archive.put(letters);
    const reader = await archive.get(id);
    reader.destroy();
    assert.ok(letters.equals(await buffer(await archive.get(id))));
  });
}

function logStories(story: Story): void {
  story('a log that nobody wrote is not there', async ({ archive }) => {
    assert.equal(await archive.readLog('a-1'), undefined);
    const writer = await archive.openLog('a-1');
    assert.equal(writer.sourceOffset, 0);
    assert.equal(await archive.readLog('a-1'), undefined);
  });

  story('what was appended is read at once, by another instance too, and the same after the end', async (opened) => {
    const writer = await opened.archive.openLog('a-1');
    await writer.append(Buffer.from('one\ntwo\nthr'));
    assert.equal(writer.lines, 2);
    for (const archive of [opened.archive, await opened.reopen()]) {
      const reader = await logOf(archive, 'a-1');
      assert.equal(reader.ended, false);
      assert.equal(reader.lines, 3);
      assert.deepEqual(await reader.lineRange(2, 9), [
        { number: 2, text: 'two' },
        { number: 3, text: 'thr' },
      ]);
    }
    await writer.append(Buffer.from('ee\n'));
    const content = 'one\ntwo\nthree\n';
    assert.deepEqual(await writer.end(), { sha256: sha256(content), bytes: 14, lines: 3 });
    const reader = await logOf(await opened.reopen(), 'a-1');
    assert.equal(reader.ended, true);
    assert.equal(reader.bytes, 14);
    assert.equal(reader.lines, 3);
    assert.equal(await text(reader.stream()), content);
    assert.equal(await text(reader.stream(5)), content.slice(5));
    assert.equal(await text(reader.stream(99)), '');
  });

  story('a reader keeps to what was there when it was opened', async ({ archive }) => {
    const writer = await archive.openLog('a-1');
    await writer.append(Buffer.from('one\n'));
    const early = await logOf(archive, 'a-1');
    for (let round = 0; round < 40; round += 1) await writer.append(letters);
    await writer.end();
    assert.equal(await text(early.stream()), 'one\n');
    assert.deepEqual(await early.lineRange(1, 5), [{ number: 1, text: 'one' }]);
    assert.equal((await logOf(archive, 'a-1')).bytes, 4 + 40 * letters.length);
  });

  story('ending is final, and can be repeated, by the next process too', async ({ archive, reopen }) => {
    const writer = await archive.openLog('a-1');
    await writer.append(Buffer.from('no newline'));
    const summary = await writer.end();
    assert.equal(summary.lines, 1);
    assert.deepEqual(await writer.end(), summary);
    const later = await (await reopen()).openLog('a-1');
    assert.equal(later.sourceOffset, 10);
    assert.deepEqual(await later.end(), summary);
    await assert.rejects(later.append(Buffer.from('more')), /has ended/);
  });

  story('a log may end with nothing in it', async ({ archive }) => {
    const summary = await (await archive.openLog('a-1')).end();
    assert.deepEqual(summary, { sha256: sha256(''), bytes: 0, lines: 0 });
    const reader = await logOf(archive, 'a-1');
    assert.equal(reader.ended, true);
    assert.deepEqual(await reader.lineRange(1, 10), []);
    assert.equal(await text(reader.stream()), '');
  });

  story('the next writer goes on where the one before it stopped', async ({ archive, reopen }) => {
    const first = await archive.openLog('a-1');
    await first.append(Buffer.from(`one\nkey ${contractSecret.slice(0, 5)}`));
    const second = await (await reopen()).openLog('a-1');
    assert.equal(second.sourceOffset, 8, 'what may be half a secret is not taken in yet');
    await second.append(Buffer.from(`${contractSecret}\ntwo\n`));
    const summary = await second.end();
    assert.equal(summary.sha256, sha256('one\nkey ***\ntwo\n'));
  });

  story('a writer that was overtaken goes on from where the log is', async ({ archive, reopen }) => {
    const source = Buffer.from('one\ntwo\nthree\nfour\nfive\n');
    const slow = await archive.openLog('a-1');
    await slow.append(source.subarray(0, 4));
    const quick = await (await reopen()).openLog('a-1');
    await quick.append(source.subarray(4, 14));
    await slow.append(source.subarray(4, 10));
    assert.equal(slow.sourceOffset, 14);
    await slow.append(source.subarray(10));
    assert.equal((await slow.end()).sha256, sha256(source));
    assert.equal((await quick.end()).sha256, sha256(source));
  });

  story('appends may overlap; they keep their order', async ({ archive }) => {
    const writer = await archive.openLog('a-1');
    const chunks = Array.from({ length: 500 }, (_, index) => Buffer.from(`line ${index}\n`));
    const appended = chunks.map((chunk) => writer.append(chunk));
    const summary = await writer.end();
    await Promise.all(appended);
    assert.equal(summary.sha256, sha256(Buffer.concat(chunks)));
    assert.equal(writer.lines, 500);
    assert.equal(writer.sourceOffset, Buffer.concat(chunks).length);
  });

  story('lines of a long log are found, wherever they are', async ({ archive }) => {
    const content = numberedLines(150_000);
    const writer = await appendAll(await archive.openLog('a-1'), content, 100_000);
    for (const isEnded of [false, true]) {
      if (isEnded) await writer.end();
      const reader = await logOf(archive, 'a-1');
      assert.equal(reader.lines, 150_000);
      for (const from of [1, 2, 74_000, 149_999]) {
        const lines = await reader.lineRange(from, 1_000);
        assert.equal(lines.length, Math.min(1_000, 150_000 - from + 1));
        for (const [index, line] of lines.entries()) {
          assert.deepEqual(line, { number: from + index, text: `line ${from + index} of the log` });
        }
      }
      for (const from of [1, 2, 74_000, 150_000, 150_001, 999_999]) {
        const rest = await text(reader.stream(await reader.startOfLine(from)));
        assert.equal(
          rest.slice(0, 40),
          content
            .toString()
            .split('\n')
            .slice(from - 1)
            .join('\n')
            .slice(0, 40),
          `${from}`,
        );
      }
      assert.deepEqual(await reader.lineRange(150_001, 5), []);
      assert.deepEqual(await reader.lineRange(7, 0), []);
    }
  });

  story('a line that is longer than many frames comes cut, with its length', async ({ archive }) => {
    const writer = await archive.openLog('a-1');
    await writer.append(Buffer.from('short\n'));
    for (let round = 0; round < 5; round += 1) await writer.append(Buffer.alloc(1_000_000, 'é'));
    await writer.append(Buffer.from('\nlast'));
    await writer.end();
    const reader = await logOf(archive, 'a-1');
    assert.deepEqual(await reader.lineRange(1, 9, 7), [
      { number: 1, text: 'short' },
      { number: 2, text: 'ééé', cut: 5_000_000 },
      { number: 3, text: 'last' },
    ]);
    assert.equal((await reader.lineRange(2, 1))[0]?.text.length, 32 * 1024);
    assert.equal((await reader.lineRange(2, 1, 6_000_000))[0]?.text, 'é'.repeat(2_500_000));
  });

  story('malformed UTF-8 is kept, and shown as U+FFFD', async ({ archive }) => {
    const raw = Buffer.from([0x61, 0xff, 0x0a, 0x00, 0xc3, 0x0a, 0x0a, 0xe2]);
    const writer = await archive.openLog('a-1');
    for (const byte of raw) await writer.append(Buffer.from([byte]));
    assert.equal((await writer.end()).sha256, sha256(raw));
    const reader = await logOf(archive, 'a-1');
    assert.deepEqual(
      (await reader.lineRange(1, 9)).map((line) => line.text),
      ['a\ufffd', '\0\ufffd', '', '\ufffd'],
    );
    assert.ok(raw.equals(await buffer(reader.stream())));
  });

  story('two readers follow a writer and never see anything but a beginning of the log', async (opened) => {
    const content = numberedLines(60_000);
    const other = await opened.reopen();
    const writer = await opened.archive.openLog('a-1');
    let isWriting = true;
    let seen = 0;
    const follow = async (archive: Archive) => {
      while (isWriting) {
        const acknowledged = writer.sourceOffset;
        const reader = await archive.readLog('a-1');
        const read = reader ? await buffer(reader.stream()) : Buffer.alloc(0);
        assert.ok(read.length >= acknowledged, 'what was acknowledged is read');
        assert.ok(content.subarray(0, read.length).equals(read));
        seen += 1;
      }
    };
    const write = async () => {
      await appendAll(writer, content, 9_999);
      await writer.end();
      isWriting = false;
    };
    const followed = Promise.all([follow(opened.archive), follow(other)]);
    await write().finally(() => {
      isWriting = false;
    });
    await followed;
    assert.ok(seen > 2);
    assert.ok(content.equals(await buffer((await logOf(other, 'a-1')).stream())));
  });

  story('a removed log is gone, and its name can be used again', async ({ archive }) => {
    await (await archive.openLog('a-1')).append(letters);
    const ended = await archive.openLog('a-2');
    await ended.append(letters);
    await ended.end();
    for (const id of ['a-1', 'a-2', 'a-3']) {
      await archive.removeLog(id);
      assert.equal(await archive.readLog(id), undefined);
    }
    assert.equal((await archive.usage()).logs, 0);
    const again = await archive.openLog('a-2');
    await again.append(Buffer.from('anew\n'));
    assert.equal((await again.end()).sha256, sha256('anew\n'));
  });

  story('writing a log that was removed meanwhile is told', async ({ archive }) => {
    const writer = await archive.openLog('a-1');
    await writer.append(letters);
    await archive.removeLog('a-1');
    await rejectsAs('missing', writer.append(letters));
  });

  story('a name that is no log id is refused', async ({ archive }) => {
    for (const id of ['', '..', 'a/b', 'A', 'a'.repeat(65), 'a.b', 'a\n']) {
      await assert.rejects(archive.openLog(id), TypeError);
      await assert.rejects(archive.readLog(id), TypeError);
      await assert.rejects(archive.removeLog(id), TypeError);
    }
  });

  story('nonsense line numbers are refused', async ({ archive }) => {
    await (await archive.openLog('a-1')).append(letters);
    const reader = await logOf(archive, 'a-1');
    for (const [from, count] of [
      [0, 1],
      [-1, 1],
      [1.5, 1],
      [1, -1],
      [1, Number.NaN],
    ]) {
      await assert.rejects(async () => reader.lineRange(from!, count!), RangeError);
      if (count === 1) await assert.rejects(async () => reader.startOfLine(from!), RangeError);
    }
  });
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function rejectsAs(kind: ArchiveErrorKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, { name: 'ArchiveError', kind });
}

export async function logOf(archive: Archive, id: string): Promise<LogReader> {
  const reader = await archive.readLog(id);
  assert.ok(reader, `log ${id} is there`);
  return reader;
}

/** Append `content` from the writer's offset on, in chunks. */
export async function appendAll(writer: LogWriter, content: Buffer, chunkSize: number): Promise<LogWriter> {
  for (let at = writer.sourceOffset; at < content.length; at += chunkSize) {
    await writer.append(content.subarray(at, at + chunkSize));
  }
  return writer;
}

export function numberedLines(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, index) => `line ${index + 1} of the log\n`).join(''));
}
