import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { ArchiveError } from '../../src/archive/archive.ts';
import { openSources } from '../../src/sources/index.ts';
import type { PackedSource, PackOptions, Remote, SourceError } from '../../src/sources/sources.ts';
import { tarEnd, tarHeader } from '../../src/sources/tar.ts';
import { createGitRepository, type Files, type GitRepository, runGit } from '../support/git-repository.ts';
import { isSourceError, openSourcesWorld, type SourcesWorld } from '../support/sources.ts';

const never = new AbortController().signal;
const TOP: PackOptions = { topDirectory: 'nqp-2026.08-14-gabcdef0' };
const LONG = 'd'.repeat(90);

/** Everything that a tar has trouble with, and that git carries. */
const ODD: Files = [
  ['README', 'read me\n'],
  ['.gitattributes', 'README export-ignore\n'],
  ['.github/workflows/ci.yml', 'on: push\n'],
  ['a', 'before a-b\n'],
  ['a-b/c', '1'],
  ['b/x', '1'],
  ['b.c', '1'],
  ['ci/run', { executable: '#!/bin/sh\n' }],
  ['empty', ''],
  ['block', Buffer.alloc(512, 7)],
  ['big', Buffer.alloc(700_001, 'big')],
  ['binary', Buffer.from([0, 10, 13, 255, 0])],
  ['link', { symlink: 'b/x' }],
  ['dangling', { symlink: `../${'t'.repeat(150)}` }],
  [`${LONG}/${LONG}/${LONG}/${LONG}/long`, 'beyond ustar'],
  [`${LONG}/fits-into-prefix-and-name`, 'ustar'],
  ['n'.repeat(200), 'one long name'],
  ['ünïcödé/ファイル', 'utf-8'],
  [Buffer.from([0x6d, 0xff, 0xfe, 0x78]), 'malformed utf-8'],
  [Buffer.concat([Buffer.from('m/'), Buffer.alloc(240, 0xff)]), 'long and malformed'],
  ['new\nline', 'x'],
  [' space \t"quote\'', 'x'],
  ['-rf', 'x'],
  ['back\\slash', 'x'],
];

interface Packing {
  world: SourcesWorld;
  repository: GitRepository;
  remote: Remote;
  pack(sha: string, options?: PackOptions, signal?: AbortSignal): Promise<PackedSource>;
}

async function aPacking(t: TestContext): Promise<Packing> {
  const world = await openSourcesWorld();
  const repository = await createGitRepository();
  t.after(() => Promise.all([world.remove(), repository.remove()]));
  const remote = { key: 'github:123', name: 'Raku/nqp', url: repository.path };
  const pack: Packing['pack'] = async (sha, options = TOP, signal = never) => {
    await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, signal);
    return world.sources.pack(remote, sha, options, signal);
  };
  return { world, repository, remote, pack };
}

/** Unpacked by GNU tar; returns the top directory. */
async function unpacked(world: SourcesWorld, packed: PackedSource): Promise<string> {
  const into = await mkdtemp(join(world.dir, 'unpacked-'));
  await run('tar', ['-xzf', world.blobPath(packed.sha256), '-C', into, '--same-permissions']);
  const names = await readdir(into);
  assert.deepEqual(names, [TOP.topDirectory]);
  return join(into, TOP.topDirectory);
}

/** The id of the tree that git makes of a directory: names, modes, symlinks and contents. */
async function treeOf(world: SourcesWorld, directory: string): Promise<string> {
  const gitDir = await mkdtemp(join(world.dir, 'index-'));
  await runGit(['init', '--bare', '--quiet', '--template=', gitDir]);
  const git = [`--git-dir=${gitDir}`, `--work-tree=${directory}`, '-c', 'core.bare=false'];
  await runGit([...git, 'add', '--all', '--force', '.'], '', directory);
  return runGit([...git, 'write-tree'], '', directory);
}

async function run(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const child = spawn(program, args, { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(await ended, 0, `${program} failed: ${errors}`);
  assert.equal(errors, '', `${program} has complaints`);
  return output;
}

async function namesIn(world: SourcesWorld, packed: PackedSource): Promise<string[]> {
  const listing = await run('tar', ['-tzf', world.blobPath(packed.sha256)]);
  return listing.trim().split('\n');
}

test('GNU tar unpacks exactly the tree of the commit', async (t) => {
  const { world, repository, pack } = await aPacking(t);
  const sha = await repository.commit(ODD);
  const packed = await pack(sha);
  const directory = await unpacked(world, packed);
  assert.equal(await treeOf(world, directory), await repository.git(['rev-parse', `${sha}^{tree}`]));
  assert.equal(packed.files, ODD.length);
});

test('what is said of an archive is true of its bytes', async (t) => {
  const { world, repository, pack } = await aPacking(t);
  const packed = await pack(await repository.commit(ODD));
  const gz = await readFile(world.blobPath(packed.sha256));
  const tar = gunzipSync(gz);
  assert.equal(packed.size, gz.length);
  assert.equal(packed.tarSize, tar.length);
  assert.equal(packed.tarSha256, createHash('sha256').update(tar).digest('hex'));
  assert.equal(tar.length % 10240, 0);
  assert.deepEqual([...gz.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], 'no time, no name, always Unix');
});

test('a second reader sees owners, times and modes that tell nothing of this machine', async (t) => {
  const { world, repository, pack } = await aPacking(t);
  const packed = await pack(await repository.commit(ODD, { time: 1_700_000_001 }));
  const modes = new Set<string>();
  const reader = extract();
  reader.end(gunzipSync(await readFile(world.blobPath(packed.sha256))));
  for await (const entry of reader) {
    const { header } = entry;
    entry.resume();
    assert.deepEqual([header.uid, header.gid, header.uname, header.gname], [0, 0, '', ''], header.name);
    assert.equal(header.mtime?.getTime(), 1_700_000_001_000);
    modes.add(`${header.type} ${header.mode?.toString(8)}`);
  }
  assert.deepEqual([...modes].sort(), ['directory 755', 'file 644', 'file 755', 'symlink 777']);
});

test('the same commit gives the same bytes: again, from another mirror, under another locale', async (t) => {
  const { world, repository, remote, pack } = await aPacking(t);
  const sha = await repository.commit(ODD);
  await repository.commit({ later: '1' }, { ref: 'refs/heads/later' });
  const first = await pack(sha);
  assert.deepEqual(await pack(sha), first);
  await repository.git(['repack', '-adfq']); // Other packs, other deltas.
  await world.sources.ensureCommit({ ...remote, key: 'github:456' }, { sha }, never);
  assert.deepEqual(await world.sources.pack({ ...remote, key: 'github:456' }, sha, TOP, never), first);
  assert.deepEqual(await packInChild(world, remote, sha), first);
});

/** In a process with another time zone, file mode mask and locale. */
async function packInChild(world: SourcesWorld, remote: Remote, sha: string): Promise<unknown> {
  const modules = ['../../src/sources/index.ts', '../support/sources.ts'].map(
    (name) => new URL(name, import.meta.url).href,
  );
  const blobs = await mkdtemp(join(world.dir, 'blobs-'));
  const program = `
    import { openSources } from ${JSON.stringify(modules[0])};
    import { fileArchive } from ${JSON.stringify(modules[1])};
    process.umask(0o077);
    const { dir, blobs, remote, sha, options } = JSON.parse(process.env.PACK);
    const environment = process.env;
    const sources = await openSources({ dir, archive: fileArchive(blobs), fetchTimeoutMs: 20000, environment });
    const packed = await sources.pack(remote, sha, options, new AbortController().signal);
    console.log(JSON.stringify(packed));`;
  const PACK = JSON.stringify({ dir: world.mirrors, blobs, remote, sha, options: TOP });
  const env = { PACK, TZ: 'Pacific/Chatham', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', NODE_NO_WARNINGS: '1' };
  return JSON.parse(await run(process.execPath, ['--input-type=module', '-e', program], env));
}

test('entries are in the order of their paths, each directory before what is in it', async (t) => {
  const { world, repository, pack } = await aPacking(t);
  const packed = await pack(await repository.commit({ 'b/c/d': '1', 'b.a': '1', 'b/c-d': '1', a: '1', 'bb/x': '1' }));
  const names = (await namesIn(world, packed)).map((name) => name.slice(TOP.topDirectory.length + 1));
  assert.deepEqual(names, ['', 'a', 'b.a', 'b/', 'b/c-d', 'b/c/', 'b/c/d', 'bb/', 'bb/x']);
});

test('a submodule is an empty directory, and an empty commit an empty directory', async (t) => {
  const { world, repository, pack } = await aPacking(t);
  const sha = await repository.commit({ '3rdparty/libuv': { submodule: '1'.repeat(40) }, z: '1' });
  const packed = await pack(sha);
  assert.deepEqual(await readdir(join(await unpacked(world, packed), '3rdparty', 'libuv')), []);
  assert.equal(packed.files, 1);
  const empty = await pack(await repository.commit({}));
  assert.deepEqual(await readdir(await unpacked(world, empty)), []);
  assert.equal(empty.files, 0);
});

test('globs leave out files and whole directories, without leaving empty ones', async (t) => {
  const { world, repository, pack } = await aPacking(t);
  const files = ['.travis.yml', '.github/ci.yml', 'src/.keep', 'src/a.c', 'src/a.o', 'docs/a/b.md', 'docs/c.txt'];
  const sha = await repository.commit(Object.fromEntries(files.map((name) => [name, name])));
  const left = async (omit: string[]) => {
    const names = await namesIn(world, await pack(sha, { ...TOP, omit }));
    return names.map((name) => name.slice(TOP.topDirectory.length + 1)).filter(Boolean);
  };
  assert.deepEqual(await left(['.*']), [
    'docs/',
    'docs/a/',
    'docs/a/b.md',
    'docs/c.txt',
    'src/',
    'src/.keep',
    'src/a.c',
    'src/a.o',
  ]);
  assert.deepEqual(await left(['**/.*', '**/*.o', 'docs/a']), ['docs/', 'docs/c.txt', 'src/', 'src/a.c']);
  assert.deepEqual(await left(['docs', 'src/**', '.*']), []);
});

test('what is too large is refused', async (t) => {
  const { repository, pack } = await aPacking(t);
  const sha = await repository.commit({ a: Buffer.alloc(900_000), b: 'x' });
  await assert.rejects(
    pack(sha, { ...TOP, maxBytes: 800_000 }),
    isSourceError('too-large', /Raku\/nqp at .* larger than 0\.8 MB/),
  );
  assert.equal((await pack(sha, { ...TOP, maxBytes: 1_000_000 })).files, 2);
});

test('a commit that was not fetched, and names that no directory may have', async (t) => {
  const { world, repository, remote, pack } = await aPacking(t);
  const sha = await repository.commit({ a: '1' });
  await assert.rejects(world.sources.pack(remote, sha, TOP, never), isSourceError('commit-missing', /not fetched/));
  await assert.rejects(world.sources.pack(remote, '--all', TOP, never), isSourceError('commit-missing', /not fetched/));
  for (const topDirectory of ['', '.', '..', 'a/b', '/a', '-a', '.git', 'a\nb', 'é', 'x'.repeat(101)]) {
    await assert.rejects(pack(sha, { topDirectory }), isSourceError('bad-tree', /top directory/));
  }
});

test('trees that no honest git writes are refused', async (t) => {
  const { world, repository, remote, pack } = await aPacking(t);
  await pack(await repository.commit({ a: '1' }));
  const blob = await repository.git(['hash-object', '-w', '--stdin'], 'x');
  const tree = await repository.git(['rev-parse', 'main^{tree}']);
  const cases: [[mode: string, name: string, id: string][], RegExp][] = [
    [[['100644', '..', blob]], /component \.\./],
    [[['40000', '..', tree]], /component \.\./],
    [[['40000', '.GIT', tree]], /component \.git/i],
    [[['100644', 'a\\..\\b', blob]], /component \.\./],
    [
      [
        ['100644', 'b', blob],
        ['100644', 'a', blob],
      ],
      /not in order/,
    ],
    [
      [
        ['100644', 'a', blob],
        ['100644', 'a', blob],
      ],
      /not in order/,
    ],
    [
      [
        ['120000', 'a', blob],
        ['100644', 'a-b', blob],
        ['40000', 'a', tree],
      ],
      /both a file and a directory/,
    ],
    [[['120000', 'a', await repository.git(['hash-object', '-w', '--stdin'], '')]], /target of 0 bytes/],
    [[['100644', 'a', '1'.repeat(40)]], /cannot be read from its mirror/],
  ];
  // Written into the mirror behind git's checks: a fetch does not let them in.
  const objects = join(world.mirrors, 'github-123.git');
  await runGit([`--git-dir=${repository.path}`, 'push', '--quiet', objects, 'main:refs/heads/other']);
  for (const [entries, words] of cases) {
    const sha = await hostileCommit(objects, entries);
    await runGit([`--git-dir=${objects}`, 'update-ref', `refs/rcb/keep/${sha}`, sha]);
    await assert.rejects(world.sources.pack(remote, sha, TOP, never), (error: SourceError) => {
      assert.ok(error.kind === 'bad-tree' || error.kind === 'commit-missing', error.message);
      return isSourceError(error.kind, words)(error);
    });
  }
});

async function hostileCommit(gitDir: string, entries: string[][]): Promise<string> {
  const parts = entries.map(([mode, name, id]) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id!, 'hex')]),
  );
  const write = (type: string, bytes: string | Buffer) =>
    runGit([`--git-dir=${gitDir}`, 'hash-object', '-t', type, '-w', '--literally', '--stdin'], bytes);
  for (const content of ['x', '']) await write('blob', content);
  const tree = await write('tree', Buffer.concat(parts));
  const identity = 'Ada Tester <ada@example.test> 1767225600 +0000';
  return write('commit', `tree ${tree}\nauthor ${identity}\ncommitter ${identity}\n\nHostile\n`);
}

test('paths and targets of any length are read back as they were', async () => {
  const lengths = [1, 99, 100, 101, 155, 156, 255, 256, 257, 988, 989, 990, 991, 992, 993, 9986, 9987, 9988];
  const shapes = [(length: number) => 'x'.repeat(length), (length: number) => 'x/y'.repeat(length).slice(0, length)];
  const paths = lengths.flatMap((length) => shapes.map((shape) => shape(length).replace(/\/$/, 'z')));
  const link = { type: 'symlink', mode: 0o777, size: 0, mtime: 1_700_000_000 } as const;
  const headers = paths.map((path) => tarHeader({ ...link, path: Buffer.from(path), target: Buffer.from(path) }));
  const reader = extract();
  reader.end(Buffer.concat([...headers, tarEnd(0)]));
  const found: (string | null | undefined)[][] = [];
  for await (const entry of reader) {
    entry.resume();
    found.push([entry.header.name, entry.header.linkname]);
  }
  assert.deepEqual(
    found,
    paths.map((path) => [path, path]),
  );
});

test('an abort stops the packing, and an archive that fails is told of', async (t) => {
  const { world, repository, remote, pack } = await aPacking(t);
  const sha = await repository.commit({ a: Buffer.alloc(3_000_000, 'abc'), b: '1' });
  await pack(sha);
  const stop = new AbortController();
  const failing = (put: Parameters<typeof openSources>[0]['archive']['put']) =>
    openSources({
      dir: world.mirrors,
      archive: { put },
      fetchTimeoutMs: 1000,
      environment: { PATH: process.env['PATH'] },
    });
  const stuck = await failing(async (bytes) => {
    for await (const _ of bytes as AsyncIterable<Buffer>) stop.abort(new Error('shutting down'));
    throw new Error('the stream ended as if all were well');
  });
  await assert.rejects(stuck.pack(remote, sha, TOP, stop.signal), /shutting down/);
  const full = await failing(() => Promise.reject(new ArchiveError('full', 'no space left on the disk')));
  await assert.rejects(full.pack(remote, sha, TOP, never), isSourceError('full', /Raku\/nqp.*no space left/));
});

test('packing needs little memory, whatever the size of a file', async (t) => {
  const { world, repository, remote, pack } = await aPacking(t);
  const sha = await repository.commit({ small: '1', 'zeros.bin': Buffer.alloc(120_000_000) });
  await pack(await repository.commit({ small: '1' }, { ref: 'refs/heads/main' }));
  await world.sources.ensureCommit(remote, { sha }, never);
  const idle = process.memoryUsage().rss;
  let peak = idle;
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  const packed = await world.sources.pack(remote, sha, TOP, never).finally(() => clearInterval(sampler));
  assert.ok(packed.tarSize > 120_000_000);
  assert.ok(peak - idle < 100e6, `${Math.round((peak - idle) / 1e6)} MB above idle`);
});
