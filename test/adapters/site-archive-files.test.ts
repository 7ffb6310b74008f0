import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { type FileLimits, listFiles, NoArchive, openFile } from '../../src/site/archive-files.ts';
import { openArchiveLists } from '../../src/site/archive-lists.ts';
import { zipOf } from '../standins/azure/zip.ts';
import { until } from '../support/until.ts';

/** What is in a zip or tar of strangers is listed and read, and nothing of it reaches a disk or costs more than is allowed. */

const LIMITS: FileLimits = { maxEntries: 100, maxBytes: 1_000_000, maxUnpackedBytes: 2_000_000 };
const signal = new AbortController().signal;

type TarEntry = Partial<Header> & { name: string; contents?: string };

async function tarOf(entries: TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { contents = '', ...header } of entries) tar.entry(header, contents);
  tar.finalize();
  return Buffer.concat(await Array.fromAsync(tar as AsyncIterable<Buffer>));
}

/** In small pieces, as from a disk. */
const streamOf = (bytes: Buffer, size = 1000): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
  );

const FILES = [
  { name: 't/01-basic.t', contents: 'ok 1\n' },
  { name: 'log.txt', contents: 'x'.repeat(5000) },
];

const KINDS: [kind: string, bytes: () => Promise<Buffer>][] = [
  ['zip', async () => zipOf(FILES)],
  ['tar.gz', async () => gzipSync(await tarOf(FILES))],
  ['tar', () => tarOf(FILES)],
];

const textOf = async (bytes: Readable): Promise<string> => Buffer.concat(await Array.fromAsync(bytes)).toString();

for (const [kind, bytes] of KINDS) {
  describe(`a ${kind}`, () => {
    test('lists its files, and reads each by its place', async () => {
      const list = await listFiles(streamOf(await bytes()), LIMITS, signal);
      assert.deepEqual(list.entries, [
        { index: 0, path: 't/01-basic.t', size: 5 },
        { index: 1, path: 'log.txt', size: 5000 },
      ]);
      for (const [index, { contents }] of FILES.entries()) {
        const opened = await openFile(streamOf(await bytes()), index, LIMITS, signal);
        assert.equal(await textOf(opened!.bytes), contents);
      }
      assert.equal(await openFile(streamOf(await bytes()), 2, LIMITS, signal), undefined);
    });

    test('takes its source no further when its reader goes away', async () => {
      const source = streamOf(await bytes(), 600);
      const opened = await openFile(source, 1, LIMITS, signal);
      opened!.bytes.destroy();
      await until(async () => source.destroyed);
    });

    test('with more entries than are listed says so', async () => {
      const { entries, cut } = await listFiles(streamOf(await bytes()), { ...LIMITS, maxEntries: 1 }, signal);
      assert.equal(entries.length, 1);
      assert.match(cut!, /Only the first 1 entries/);
    });

    test('that breaks off is told in words', async () => {
      const whole = await bytes();
      const cut = streamOf(whole.subarray(0, whole.length - (kind === 'tar' ? 2500 : 30)));
      const told = await listFiles(cut, LIMITS, signal).then(
        (list) => list.cut,
        (error: unknown) => (error instanceof NoArchive ? error.message : String(error)),
      );
      assert.match(told!, /damaged or incomplete|could not be read/);
    });
  });
}

test('hostile names are listed as they are, and nothing is written under them', async () => {
  const names = [
    '../../../etc/passwd',
    '/root/.ssh/authorized_keys',
    'C:\\x.exe',
    '\u202egnp.exe',
    '<script>alert(1)</script>.t',
  ];
  const before = await readdir(tmpdir());
  for (const bytes of [
    zipOf(names.map((name) => ({ name, contents: 'x' }))),
    await tarOf(names.map((name) => ({ name, contents: 'x' }))),
  ]) {
    const { entries } = await listFiles(streamOf(bytes), LIMITS, signal);
    assert.equal(entries.length, names.length);
    assert.ok(entries.some(({ path }) => path.includes('../../../etc/passwd')));
    assert.equal(await textOf((await openFile(streamOf(bytes), 0, LIMITS, signal))!.bytes), 'x');
  }
  const left = (await readdir(tmpdir())).filter((name) => name.startsWith('rcb-look-') && !before.includes(name));
  assert.deepEqual(left, []);
});

test('directories are no files, and links and devices cannot be read', async () => {
  const bytes = gzipSync(
    await tarOf([
      { name: 'src/', type: 'directory' },
      { name: 'src/a', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'src/b', type: 'fifo' },
      { name: 'src/c', contents: 'c' },
    ]),
  );
  const { entries } = await listFiles(streamOf(bytes), LIMITS, signal);
  assert.deepEqual(
    entries.map(({ index, path, unreadable }) => [index, path, unreadable]),
    [
      [1, 'src/a', 'a link to /etc/passwd'],
      [2, 'src/b', 'a special file'],
      [3, 'src/c', undefined],
    ],
  );
  await assert.rejects(openFile(streamOf(bytes), 1, LIMITS, signal), /This entry is a link to \/etc\/passwd/);
  assert.equal(await openFile(streamOf(bytes), 0, LIMITS, signal), undefined);
});

test('a bomb costs no more than is allowed', async () => {
  const bomb = gzipSync(
    await tarOf([
      { name: 'small', contents: 'x' },
      { name: 'zeros', contents: '\0'.repeat(20_000_000) },
    ]),
  );
  const { entries, cut } = await listFiles(streamOf(bomb), LIMITS, signal);
  assert.equal(entries[0]?.path, 'small');
  assert.match(cut!, /Only what is in its first 2 MB/);
  await assert.rejects(openFile(streamOf(bomb), 2, LIMITS, signal), /larger than 2 MB/);
  const large = zipOf([
    { name: 'noise', contents: Buffer.from(Array.from({ length: 1_100_000 }, (_, i) => (i * 7919) % 251)) },
  ]);
  await assert.rejects(listFiles(streamOf(large), { ...LIMITS, maxBytes: 2_000 }, signal), /larger than/);
});

test('a zip whose file is larger than it says breaks the download off', async () => {
  const lies = zipOf([{ name: 'x', contents: 'long enough', claims: 3 }]);
  const opened = await openFile(streamOf(lies), 0, LIMITS, signal);
  await assert.rejects(textOf(opened!.bytes));
});

const NO_ARCHIVES: [what: string, bytes: Buffer, words: RegExp][] = [
  ['an empty file', Buffer.alloc(0), /neither a zip nor a tar/],
  ['a text', Buffer.from('hello, world\n'.repeat(100)), /neither a zip nor a tar/],
  ['a compressed text', gzipSync('hello, world\n'.repeat(100)), /could not be read/],
  ['no gzip after all', Buffer.from([0x1f, 0x8b, 1, 2, 3]), /could not be read/],
  ['no zip after all', Buffer.from('PK\x03\x04 and so on'), /could not be read/],
];
for (const [what, bytes, words] of NO_ARCHIVES) {
  test(`${what} is told in words`, async () => {
    const isTold = (error: Error) => error instanceof NoArchive && words.test(error.message);
    await assert.rejects(listFiles(streamOf(bytes), LIMITS, signal), isTold);
    await assert.rejects(openFile(streamOf(bytes), 0, LIMITS, signal), isTold);
  });
}

test('what takes too long is broken off', async () => {
  const slow = new Readable({ read() {} });
  slow.push(gzipSync(await tarOf(FILES)).subarray(0, 15));
  const abort = new AbortController();
  const listed = listFiles(slow, LIMITS, abort.signal);
  abort.abort(new Error('too slow'));
  await assert.rejects(listed);
  assert.ok(slow.destroyed);
});

test('a fault of the archive itself stays its own', async () => {
  const { ArchiveError } = await import('../../src/archive/archive.ts');
  const bytes = gzipSync(await tarOf(FILES));
  const broken = Readable.from(
    (async function* () {
      yield bytes.subarray(0, 20);
      throw new ArchiveError('corrupt', 'It is not what was put.');
    })(),
  );
  await assert.rejects(listFiles(broken, LIMITS, signal), (error) => error instanceof ArchiveError);
});

test('a list is read once, few at a time, and the rest are asked to come again', async () => {
  const bytes = zipOf(FILES);
  let reads = 0;
  const gates: (() => void)[] = [];
  const lists = openArchiveLists({
    async get() {
      reads += 1;
      await new Promise<void>((open) => gates.push(open));
      return streamOf(bytes);
    },
  });
  const asked = Array.from({ length: 12 }, (_, i) => lists.list(String(i)));
  await assert.rejects(lists.list('one too many'), /Several archives are being read/);
  assert.equal(reads, 2);
  let ended = false;
  const all = Promise.all(asked).finally(() => {
    ended = true;
  });
  await until(async () => {
    for (const open of gates.splice(0)) open();
    return ended;
  });
  assert.equal((await all).length, 12);
  assert.deepEqual((await lists.list('3')).entries.length, 2);
  assert.equal(reads, 12);
});
