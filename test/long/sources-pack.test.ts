import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { openSources } from '../../src/sources/index.ts';
import type { PackedSource, PackOptions, Remote } from '../../src/sources/sources.ts';
import { serveGit } from '../support/git-http.ts';
import { createGitRepository, type Files, type GitRepository, runGit } from '../support/git-repository.ts';
import { aSourcesWorld, isSourceError, rememberingArchive, type SourcesWorld } from '../support/sources.ts';

const never = new AbortController().signal;
const runProgram = promisify(execFile);

/** Repositories beside one another, as on a forge. */
interface Forge {
  root: string;
  make(name: string): Promise<GitRepository>;
  remote(name: string): Remote;
}

async function aForge(t: TestContext): Promise<Forge> {
  const root = await mkdtemp(join(tmpdir(), 'rcb-forge-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  return {
    root,
    make: async (name) => {
      await mkdir(join(root, name.split('/')[0]!), { recursive: true });
      return createGitRepository(join(root, `${name}.git`));
    },
    remote: (name) => ({ key: `git:${root}/${name}`, name, url: join(root, `${name}.git`) }),
  };
}

const gitmodules = (modules: Record<string, string>): string =>
  Object.entries(modules)
    .map(([path, url]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`)
    .join('');

/** With names around the submodules' that sort differently as a file, as a directory, and as a submodule. */
async function aMoarVM(forge: Forge) {
  const libuv = await forge.make('MoarVM/libuv');
  await libuv.commit({ README: 'history' });
  const old = await libuv.commit({ 'src/unix/core.c': 'old', '.gitignore': '*.o\n', README: 'libuv' });
  await libuv.commit({ README: 'a libuv that is too new' });
  const dyncall = await forge.make('MoarVM/dyncall');
  const nested = await (await forge.make('MoarVM/nested')).commit({ deep: 'down' });
  const call = await dyncall.commit({
    '.gitmodules': gitmodules({ 'in/nested': '../nested.git' }),
    configure: { executable: '#!/bin/sh\n' },
    'in/nested': { submodule: nested },
  });
  const moar = await forge.make('MoarVM/MoarVM');
  const files: Files = {
    '.gitmodules': gitmodules({ '3rdparty/libuv': '../libuv.git', '3rdparty/dyncall': '../dyncall' }),
    '.gitattributes': 'README export-ignore\nVERSION export-subst\n*.txt eol=crlf\n',
    '.github/ci.yml': 'on: push\n',
    README: 'read me\n',
    VERSION: '2026.07\n',
    LICENSE: 'free\n',
    'Zoo.txt': 'one\r\ntwo\n',
    '3rdparty/libuv': { submodule: old },
    '3rdparty/libuv-patches/a.diff': '1',
    '3rdparty/libuv.txt': '1',
    '3rdparty/libuv0': '1',
    '3rdparty/dyncall': { submodule: call },
    'src/moar.c': 'int main() {}\n',
    'tools/link': { symlink: '../src/moar.c' },
  };
  const tagged = await moar.commit(files, { time: 1_767_225_600 });
  await moar.tag('2026.07', tagged, 'Release');
  const sha = await moar.commit({ ...files, 'src/new.c': '1' }, { time: 1_767_312_000 });
  return { moar, libuv, sha, old, call, nested };
}

interface Unpacked {
  directory: string;
  /** Of files and symlinks, in the order of the tar. */
  names: string[];
}

async function unpacked(world: SourcesWorld, packed: PackedSource): Promise<Unpacked> {
  const into = await mkdtemp(join(world.dir, 'unpacked-'));
  await runProgram('tar', ['-xzf', world.blobPath(packed.sha256), '-C', into, '--same-permissions']);
  const listing = (await runProgram('tar', ['-tzf', world.blobPath(packed.sha256)])).stdout.trim().split('\n');
  const top = listing[0]!;
  const names = listing.filter((name) => !name.endsWith('/')).map((name) => name.slice(top.length));
  return { directory: join(into, top), names };
}

/** As the release scripts have it: a clone with its submodules, and what git tracks in all of them. */
async function clonedByGit(world: SourcesWorld, url: string, sha: string): Promise<Unpacked> {
  const directory = await mkdtemp(join(world.dir, 'cloned-'));
  const free = ['-c', 'protocol.file.allow=always', '-c', 'core.autocrlf=false', '-c', 'core.attributesFile=/dev/null'];
  await runGit([...free, 'clone', '--quiet', url, directory]);
  await runGit([...free, 'checkout', '--quiet', sha], '', directory);
  await runGit([...free, 'submodule', '--quiet', 'update', '--init', '--recursive'], '', directory);
  const names = await runGit(['-c', 'core.quotePath=false', 'ls-files', '--recurse-submodules'], '', directory);
  return { directory, names: names.split('\n') };
}

const byBytes = (names: string[]): string[] => names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

async function contents(directory: string, names: string[]): Promise<Record<string, string>> {
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), 'latin1')])),
  );
}

test('the archive of MoarVM is what its release script would make of a clone with its submodules', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const { moar, sha, old, call, nested } = await aMoarVM(forge);
  const remote = forge.remote('MoarVM/MoarVM');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const version = await world.sources.describe(remote, sha, '20*', never);
  assert.equal(version, `2026.07-1-g${sha.slice(0, 10)}`);
  const options = { topDirectory: `MoarVM-${version}`, manifest: true, version, submodules: { allow: [forge.root] } };
  const packed = await world.sources.pack(remote, sha, options, never);
  const [ours, theirs] = [await unpacked(world, packed), await clonedByGit(world, moar.path, sha)];
  assert.deepEqual(ours.names, byBytes([...theirs.names, 'MANIFEST']));
  assert.equal(await readFile(join(ours.directory, 'MANIFEST'), 'utf8'), `${ours.names.join('\n')}\n`);
  assert.equal(await readFile(join(ours.directory, 'VERSION'), 'utf8'), `${version}\n`);
  const same = theirs.names.filter((name) => !['VERSION', 'Zoo.txt'].includes(name));
  assert.deepEqual(await contents(ours.directory, same), await contents(theirs.directory, same));
  assert.equal(await readFile(join(ours.directory, 'Zoo.txt'), 'utf8'), 'one\r\ntwo\n', 'line ends are as committed');
  const { stdout } = await runProgram('find', [ours.directory, '-newermt', '@1767312000']);
  assert.equal(stdout, '', 'nothing in it is newer than the commit');
  assert.deepEqual(
    packed.parts?.map(({ kind, path, sha }) => [kind, path, sha]),
    [
      ['submodule', '3rdparty/dyncall', call],
      ['submodule', '3rdparty/dyncall/in/nested', nested],
      ['submodule', '3rdparty/libuv', old],
    ],
  );
  assert.equal(packed.files, ours.names.length);
});

test('the archive of rakudo has no dot-files of its own, and all of roast', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const roast = await (await forge.make('Raku/roast')).commit({
    'S01/a.t': 'ok',
    '.precomp': 'x',
    'spectest.data': '1',
  });
  const configure = await (await forge.make('Raku/nqp-configure')).commit({ 'lib/NQP.pm': '1', '.gitignore': 'x' });
  const rakudo = await forge.make('rakudo/rakudo');
  const sha = await rakudo.commit({
    '.gitmodules': gitmodules({ '3rdparty/nqp-configure': '../../Raku/nqp-configure.git' }),
    '.travis.yml': '1',
    '.github/workflows/ci.yml': '1',
    '3rdparty/nqp-configure': { submodule: configure },
    'src/.keep': '',
    'src/omitted.data': '',
    't/01-sanity/01.t': '1',
    't/spec/old.t': 'gives way',
    't/spec-extra': '1',
    MANIFEST: 'an old one, which gives way\n',
  });
  const remote = forge.remote('rakudo/rakudo');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const trees = [{ path: 't/spec', remote: forge.remote('Raku/roast'), sha: roast }];
  const options = { topDirectory: 'rakudo-1', omit: ['.*', '**/*.data'], manifest: true, version: '1', trees };
  const packed = await world.sources.pack(remote, sha, { ...options, submodules: { allow: [forge.root] } }, never);
  const { directory, names } = await unpacked(world, packed);
  const expected = ['3rdparty/nqp-configure/.gitignore', '3rdparty/nqp-configure/lib/NQP.pm', 'src/.keep'];
  expected.push('MANIFEST', 'VERSION', 't/01-sanity/01.t', 't/spec-extra');
  expected.push('t/spec/.precomp', 't/spec/S01/a.t', 't/spec/spectest.data');
  assert.deepEqual(names, byBytes(expected));
  assert.equal(await readFile(join(directory, 'MANIFEST'), 'utf8'), `${names.join('\n')}\n`);
  assert.deepEqual(
    packed.parts?.map(({ kind, path }) => [kind, path]),
    [
      ['submodule', '3rdparty/nqp-configure'],
      ['tree', 't/spec'],
    ],
  );
});

test('an omitted submodule is neither fetched nor there', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const sha = await (await forge.make('a/b')).commit({ bad: { submodule: '1'.repeat(40) }, good: '1' });
  const remote = forge.remote('a/b');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const pack = (omit: string[]) =>
    world.sources.pack(remote, sha, { topDirectory: 'b', omit, submodules: { allow: [] } }, never);
  await assert.rejects(pack([]), isSourceError('bad-tree', /submodule "bad" of a\/b at .* has no URL in \.gitmodules/));
  assert.deepEqual((await unpacked(world, await pack(['bad']))).names, ['good']);
});

test('submodules that are not to be had stop the packing, with the reason', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const secret = await (await forge.make('a/secret')).commit({ key: 'x' });
  const repository = await forge.make('a/b');
  const remote = forge.remote('a/b');
  const packing = async (files: Files, allow: string[] = []) => {
    const sha = await repository.commit(files);
    await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
    return world.sources.pack(remote, sha, { topDirectory: 'b', submodules: { allow } }, never);
  };
  const withUrl = (url: string, sha = secret): Files => ({
    '.gitmodules': gitmodules({ x: url }),
    x: { submodule: sha },
  });
  for (const url of [`${forge.root}/a/secret.git`, `file://${forge.root}/a/secret.git`, '../secret.git', 'ext::sh']) {
    await assert.rejects(packing(withUrl(url)), isSourceError('denied', /submodule "x" of a\/b.* only https and http/));
  }
  await assert.rejects(packing(withUrl('http://127.0.0.1/x')), isSourceError('denied', /not a public one/));
  const gone = packing(withUrl('../gone.git'), [forge.root]);
  await assert.rejects(gone, isSourceError('repository-gone', /The submodule "x" of a\/b at .* cannot be fetched/));
  const lost = packing(withUrl('../secret.git', '2'.repeat(40)), [forge.root]);
  await assert.rejects(lost, isSourceError('commit-missing', /submodule "x"/));
  const linked = { ...withUrl('../secret.git'), '.gitmodules': { symlink: '/etc/passwd' } };
  await assert.rejects(packing(linked), isSourceError('bad-tree', /gitmodulesSymlink/));
  await repository.deleteRef('refs/heads/main');
  const broken = { ...withUrl('../secret.git'), '.gitmodules': '[submodule "x"\n' };
  await assert.rejects(packing(broken), isSourceError('bad-tree', /\.gitmodules cannot be read/));
  const including = `[include]\n\tpath = ${forge.root}/evil\n`;
  await assert.rejects(
    packing({ ...withUrl('../secret.git'), '.gitmodules': including }),
    isSourceError('bad-tree', /has no URL/),
  );
});

test('a .gitmodules that is no small file is not read, even if it got into a mirror', async (t) => {
  const world = await aSourcesWorld(t);
  const mirror = await createGitRepository(join(world.mirrors, 'github-5.git'));
  const remote = { key: 'github:5', name: 'a/b', url: '/nowhere' };
  for (const gitmodules of [{ symlink: '/etc/passwd' }, '#'.repeat(300_000)]) {
    const sha = await mirror.commit({ '.gitmodules': gitmodules, x: { submodule: '1'.repeat(40) } });
    const packing = world.sources.pack(remote, sha, { topDirectory: 'b', submodules: { allow: [] } }, never);
    await assert.rejects(packing, isSourceError('bad-tree', /\.gitmodules is not a small file/));
  }
});

test('a submodule that contains itself comes to an end', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const repository = await forge.make('a/b');
  const modules = (count: number) =>
    gitmodules(Object.fromEntries(Array.from({ length: count }, (_, at) => [`m${at}`, './'])));
  let sha = await repository.commit({ '.gitmodules': modules(1), end: '1' });
  for (let level = 0; level < 7; level += 1) {
    sha = await repository.commit({ '.gitmodules': gitmodules({ m: '../b.git' }), m: { submodule: sha } });
  }
  const remote = forge.remote('a/b');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const packing = world.sources.pack(remote, sha, { topDirectory: 'b', submodules: { allow: [forge.root] } }, never);
  await assert.rejects(packing, isSourceError('bad-tree', /too many submodules/));
});

test('mirrors of submodules are tidied together, and filled again when they are needed', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const { sha } = await aMoarVM(forge);
  const remote = forge.remote('MoarVM/MoarVM');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const options = { topDirectory: 'MoarVM-1', submodules: { allow: [forge.root] } };
  const packed = await world.sources.pack(remote, sha, options, never);
  const day = 86_400_000;
  const early = await world.sources.tidySubmodules({ keep: [], unusedForMs: day }, never);
  assert.ok(early.kind === 'tidied' && early.dropped === 0);
  const { stdout } = await runProgram('find', [world.mirrors, '-path', '*submodule-*']);
  for (const path of stdout.trim().split('\n')) await utimes(path, 1, 1);
  const late = await world.sources.tidySubmodules({ keep: [], unusedForMs: day }, never);
  assert.ok(late.kind === 'tidied' && late.dropped === 3 && late.after < late.before, JSON.stringify(late));
  assert.deepEqual(await world.sources.pack(remote, sha, options, never), packed);
});

test('a submodule of a slow server is given up, to be tried again', async (t) => {
  const forge = await aForge(t);
  const world = await aSourcesWorld(t, { fetchTimeoutMs: 1500 });
  const slow = await (await forge.make('a/slow')).commit({ noise: randomBytes(200_000) });
  const server = await serveGit({ root: forge.root, stallPackAfter: 30_000 });
  t.after(() => server.close());
  const modules = gitmodules({ x: `${server.url}/a/slow.git` });
  const sha = await (await forge.make('a/b')).commit({ '.gitmodules': modules, x: { submodule: slow } });
  const remote = forge.remote('a/b');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const options = { topDirectory: 'b', submodules: { allow: [server.url] } };
  const packing = world.sources.pack(remote, sha, options, never);
  await assert.rejects(packing, isSourceError('unreachable', /submodule "x" of a\/b at .* did not finish/));
});

test('nothing is put below a symlink or out of the tree', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const spec = await (await forge.make('a/spec')).commit({ 'x.t': '1' });
  const sha = await (await forge.make('a/b')).commit({ t: { symlink: '/etc' }, z: '1' });
  const remote = forge.remote('a/b');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const put = (path: string) => {
    const trees = [{ path, remote: forge.remote('a/spec'), sha: spec }];
    return world.sources.pack(remote, sha, { topDirectory: 'b', trees }, never);
  };
  await assert.rejects(put('t/spec'), isSourceError('bad-tree', /"t" is both a file and a directory/));
  for (const path of ['../x', '/x', '', 'a/../../x', '.git/hooks', 'a//b', 'a\\..\\x']) {
    await assert.rejects(put(path), isSourceError('bad-tree', /component/), path);
  }
});

test('a name that would break MANIFEST’s lines is quoted', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const odd = ['new\nline', 'quote"', 'back\\slash', 'ünïcödé', 'a b'];
  const sha = await (await forge.make('a/b')).commit(odd.map((name) => [name, '1']));
  const remote = forge.remote('a/b');
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const packed = await world.sources.pack(remote, sha, { topDirectory: 'b', manifest: true }, never);
  const { directory } = await unpacked(world, packed);
  const lines = ['MANIFEST', 'a b', '"back\\\\slash"', '"new\\012line"', '"quote\\""', 'ünïcödé'];
  assert.equal(await readFile(join(directory, 'MANIFEST'), 'utf8'), `${lines.join('\n')}\n`);
});

interface Remembering {
  world: SourcesWorld;
  puts: () => number;
  pack(options?: Partial<PackOptions>): Promise<PackedSource>;
  sha: string;
}

async function aRemembering(t: TestContext): Promise<Remembering> {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const { sha } = await aMoarVM(forge);
  let puts = 0;
  const { put, stat } = rememberingArchive(join(world.dir, 'blobs'));
  const archive = {
    stat,
    put: (...given: Parameters<typeof put>) => {
      puts += 1;
      return put(...given);
    },
  };
  const environment = { PATH: process.env['PATH'] };
  const sources = await openSources({ dir: world.mirrors, archive, fetchTimeoutMs: 20_000, environment });
  const remote = forge.remote('MoarVM/MoarVM');
  await sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const base = { topDirectory: 'MoarVM-1', manifest: true, version: '1', submodules: { allow: [forge.root] } };
  const pack = (options = {}) => sources.pack(remote, sha, { ...base, ...options }, never);
  return { world, puts: () => puts, pack, sha };
}

test('what was packed before is not packed again, until the archive loses it', async (t) => {
  const { world, puts, pack } = await aRemembering(t);
  const first = await pack();
  assert.deepEqual(await pack(), first);
  assert.equal(puts(), 1);
  for (const other of [{ topDirectory: 'MoarVM-2' }, { version: '2' }, { manifest: false }, { omit: ['src'] }]) {
    assert.notEqual((await pack(other)).tarSha256, first.tarSha256);
  }
  assert.equal(puts(), 5);
  await assert.rejects(pack({ maxBytes: 1000 }), isSourceError('too-large', /larger than/));
  await rm(world.blobPath(first.sha256));
  assert.deepEqual(await pack(), first);
  assert.equal(puts(), 7);
});

test('two processes that fetch and pack the same at once make the same archive', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const { sha } = await aMoarVM(forge);
  const [index, archive] = ['../../src/sources/index.ts', '../../src/archive/disk.ts'].map(
    (name) => new URL(name, import.meta.url).href,
  );
  const program = `
    import { openSources } from ${JSON.stringify(index)};
    import { openDiskArchive } from ${JSON.stringify(archive)};
    const { dir, blobs, remote, sha, allow, path } = JSON.parse(process.env.PACK);
    const archive = await openDiskArchive({ dir: blobs, secrets: [] });
    const sources = await openSources({ dir, archive, fetchTimeoutMs: 20000, environment: { PATH: path } });
    const { signal } = new AbortController();
    const patiently = async (work) => {
      for (let tries = 1; ; tries += 1) {
        try { return await work(); } catch (error) { if (!error.retry || tries === 20) throw error; }
      }
    };
    const options = { topDirectory: 'MoarVM-1', manifest: true, version: '1', submodules: { allow } };
    await patiently(() => sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, signal));
    console.log(JSON.stringify(await patiently(() => sources.pack(remote, sha, options, signal))));`;
  const remote = forge.remote('MoarVM/MoarVM');
  const blobs = join(world.dir, 'archive');
  const PACK = JSON.stringify({
    dir: world.mirrors,
    blobs,
    remote,
    sha,
    allow: [forge.root],
    path: process.env['PATH'],
  });
  const told = await Promise.all(
    Array.from({ length: 3 }, () =>
      runProgram(process.execPath, ['--input-type=module', '-e', program], {
        env: { PACK, NODE_NO_WARNINGS: '1' },
        timeout: 50_000,
      }),
    ),
  );
  const packed = told.map(({ stdout }) => JSON.parse(stdout));
  assert.equal(packed[0].parts.length, 3);
  for (const each of packed) assert.deepEqual(each, packed[0]);
});

test('a submodule over HTTP comes without history and without the authorization of its repository', async (t) => {
  const [world, forge] = [await aSourcesWorld(t), await aForge(t)];
  const { libuv, sha, old } = await aMoarVM(forge);
  const server = await serveGit({ root: forge.root });
  t.after(() => server.close());
  const url = `${server.url}/MoarVM/MoarVM.git`;
  const remote = { key: 'github:1', name: 'MoarVM/MoarVM', url, authorization: 'Bearer secret-token' };
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const before = server.requests.length;
  const options = { topDirectory: 'MoarVM-1', submodules: { allow: [server.url] } };
  await world.sources.pack(remote, sha, options, never);
  const fetches = server.requests.slice(before);
  assert.ok(fetches.some(({ path }) => path.startsWith('/MoarVM/libuv.git/')));
  assert.deepEqual(
    fetches.filter(({ authorization }) => authorization !== undefined),
    [],
  );
  const others = (await libuv.git(['rev-list', 'main'])).split('\n').filter((each) => each !== old);
  assert.equal(others.length, 2, 'one before it and one after it');
  const { stdout } = await runProgram('find', [world.mirrors, '-name', 'submodule-*.git']);
  const mirrors = stdout.trim().split('\n');
  assert.equal(mirrors.length, 3);
  for (const mirror of mirrors) {
    for (const sha of others) await assert.rejects(runGit([`--git-dir=${mirror}`, 'cat-file', '-e', sha]));
  }
});
