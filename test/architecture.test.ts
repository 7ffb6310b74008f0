import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Import, importsOf, type Source, withoutComments } from './support/imports.ts';

/**
 * The arrows of the design, read off the imports of src/. Each rule is a function from imports to complaints, so that
 * it can be shown to complain.
 */

const src = fileURLToPath(new URL('../src/', import.meta.url));
const sources: Source[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.startsWith('generated/'))
  .map((path) => ({ path, text: readFileSync(join(src, path), 'utf8') }));

const imports = sources.flatMap(importsOf);

/** Types name one another freely, a port and its adapter for instance: nothing of them is there when the code runs. */
const neededImports = sources.flatMap(({ path, text }) =>
  importsOf({ path, text: text.replace(/^(?:import|export) type\b[^;]*;/gm, '') }),
);
const isPackage = (to: string): boolean => !to.endsWith('.ts');
const inside = (path: string, places: string[]): boolean =>
  places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));

const PORTS = [
  'archive/archive.ts',
  'backends/backend.ts',
  'forge/forge.ts',
  'forge/forge-app.ts',
  'forge/forge-login.ts',
  'queue/queue.ts',
  'store/store.ts',
  'sources/sources.ts',
  'site/reader.ts',
  'site/reader-runs.ts',
  'site/reader-tests.ts',
  'site/reader-buttons.ts',
  'site/sessions.ts',
  'site/reader-log.ts',
  'site/reader-run.ts',
  'site/reader-service.ts',
];

/** Small things that anybody may use: the time and the log. */
const COMMON = ['clock.ts', 'log.ts'];

/** What each place may import of ours: the first entry that fits a file decides. Its own folder is named, too. */
const ARROWS: [place: string, mayImport: string[]][] = [
  ['core/', ['core/']],
  ...PORTS.map((port): [string, string[]] => [port, ['core/', ...PORTS]]),
  ['handlers/', ['core/', 'store/store.ts', 'handlers/']],
  ['effects/', ['core/', ...PORTS, 'effects/']],
  ['config/', ['core/', 'config/']],
  ['database/', ['database/', 'generated/', ...COMMON]],
  ['archive/', ['core/', ...PORTS, ...COMMON, 'archive/']],
  ['backends/local/', ['core/', ...PORTS, ...COMMON, 'backends/local/']],
  ['backends/azure/', ['core/', ...PORTS, ...COMMON, 'forge/hook-request.ts', 'backends/azure/']],
  ['backends/obs/', ['core/', ...PORTS, ...COMMON, 'forge/hook-request.ts', 'backends/obs/']],
  ['forge/hook-request.ts', []],
  ['forge/github/', ['core/', ...PORTS, ...COMMON, 'forge/hook-request.ts', 'forge/github/']],
  ['forge/git/', ['core/', ...PORTS, ...COMMON, 'forge/hook-request.ts', 'forge/git/']],
  ['sources/', ['core/', ...PORTS, ...COMMON, 'sources/']],
  ['queue/', ['core/', ...PORTS, ...COMMON, 'queue/', 'database/', 'generated/']],
  ['store/', ['core/', ...PORTS, ...COMMON, 'store/', 'database/', 'generated/']],
  ['site/', ['core/', ...PORTS, ...COMMON, 'site/']],
  ['log.ts', []],
  ['clock.ts', []],
];

/** Packages that the core may use: pure ones. */
const PURE = ['node:crypto', 'picomatch', 'fast-xml-parser'];

/** What knows one way of doing what a port asks for. */
const ADAPTERS = [
  'backends/local/',
  'backends/azure/',
  'backends/obs/',
  'forge/github/',
  'forge/git/',
  'archive/disk.ts',
  'archive/disk-blobs.ts',
  'sources/index.ts',
  'queue/prisma.ts',
  'store/prisma.ts',
  'store/prisma-reader.ts',
];
/** The root, with the back-ends that it opens, and the command line: each of its commands composes what it needs. */
const COMPOSITION = ['main.ts', 'open-backends.ts', 'cli.ts', 'cli/'];

const folderOf = (path: string): string => `${dirname(path)}/`;

function wrongArrows(given: Import[]): string[] {
  return given.flatMap(({ from, to }) => {
    const arrows = ARROWS.find(([place]) => inside(from, [place]));
    if (!arrows || isPackage(to) || inside(to, arrows[1])) return [];
    return [`${from} must not import ${to}`];
  });
}

function impurePackages(given: Import[]): string[] {
  return given
    .filter(({ from, to }) => from.startsWith('core/') && isPackage(to) && !PURE.includes(to))
    .map(({ from, to }) => `${from} must stay pure: ${to}`);
}

/** Adapters are named by the composition root, and inside their own folder. */
function namedAdapters(given: Import[]): string[] {
  return given
    .filter(({ from, to }) => inside(to, ADAPTERS) && !inside(from, COMPOSITION) && folderOf(from) !== folderOf(to))
    .map(({ from, to }) => `${from} must not name the adapter ${to}`);
}

/** Every cycle once, as the way around it. */
function cycles(given: Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of given) if (!isPackage(to)) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: string[]): void => {
    if (way.includes(path)) {
      found.push([...way.slice(way.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...way, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  return found;
}

function environmentReaders(given: Source[]): string[] {
  return given
    .filter(({ path, text }) => !path.startsWith('config/') && /process\s*\.\s*env\b/.test(withoutComments(text)))
    .map(({ path }) => `${path} must not read process.env`);
}

const IMPURE =
  /\bDate\.now\s*\(|\bnew Date\s*(\(\s*\)|(?![\w\s]*\())|\bMath\.random\b|\bperformance\.now\b|\brandomUUID\b/;

function clockReaders(given: Source[]): string[] {
  return given
    .filter(({ path, text }) => inside(path, ['core/', 'handlers/', 'effects/']) && IMPURE.test(withoutComments(text)))
    .map(({ path }) => `${path} must be given the time and chance, not take them`);
}

const MOST_LINES = 400;

function longFiles(given: Source[]): string[] {
  return given
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > MOST_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines: split it`);
}

/** A relative import of what is not there would slip through the other rules. */
function unresolved(given: Import[], paths: string[]): string[] {
  const known = new Set(paths);
  const packages = (to: string) => to.startsWith('node:') || /^(@[\w.-]+\/)?[\w.-]+(\/|$)/.test(to);
  return given
    .filter(({ to }) => (isPackage(to) ? !packages(to) : !known.has(to) && !to.startsWith('generated/')))
    .map(({ from, to }) => `${from} imports ${to}, which is not there`);
}

function unprefixedBuiltins(given: Import[]): string[] {
  return given.filter(({ to }) => builtinModules.includes(to)).map(({ from, to }) => `${from}: say node:${to}`);
}

const paths = sources.map(({ path }) => path);

test('the sources are found, with their imports', () => {
  assert.ok(sources.length > 80, `${sources.length} files`);
  assert.ok(imports.length > 300, `${imports.length} imports`);
  for (const port of PORTS) assert.ok(paths.includes(port), `the port ${port} is not there`);
});

test('every file has its place among the arrows, or is the composition', () => {
  const free = paths.filter((path) => !ARROWS.some(([place]) => inside(path, [place])));
  const commands = free.filter((path) => path.startsWith('cli/'));
  assert.deepEqual(free.filter((path) => !commands.includes(path)).sort(), [
    'app.ts',
    'bot.ts',
    'cli.ts',
    'main.ts',
    'open-backends.ts',
    'server.ts',
  ]);
});

test('imports point inwards', () => assert.deepEqual(wrongArrows(imports), []));
test('the core uses pure packages only', () => assert.deepEqual(impurePackages(imports), []));
test('nobody but the root and the command line names an adapter', () => assert.deepEqual(namedAdapters(imports), []));
test('nothing needs itself, however long the way', () => assert.deepEqual(cycles(neededImports), []));
test('nobody but the configuration reads the environment', () => assert.deepEqual(environmentReaders(sources), []));
test('core, handlers and effects are given time and chance', () => assert.deepEqual(clockReaders(sources), []));
test('no file is longer than 400 lines', () => assert.deepEqual(longFiles(sources), []));
test('every import is there', () => assert.deepEqual(unresolved(imports, paths), []));
test('modules of node are called so', () => assert.deepEqual(unprefixedBuiltins(imports), []));

// The rules complain when they should.

test('imports of all kinds are seen, and nothing else', () => {
  const text = `
    import { a } from './a.ts';
    import type { B } from '../b/b.ts';
    import fs, { type C } from 'node:fs';
    import './side.ts';
    export { d } from "./d.ts";
    export * from './e.ts';
    import {
      f,
      g,
    } from './f.ts';
    const h = await import('./h.ts');
    let i: import('./i.ts').I;
    // import { no } from './no1.ts';
    /* import { no } from './no2.ts'; */
    const text = 'the import of goods';
  `;
  const seen = importsOf({ path: 'x/y.ts', text }).map(({ to }) => to);
  const expected = ['x/a.ts', 'b/b.ts', 'node:fs', 'x/side.ts', 'x/d.ts', 'x/e.ts', 'x/f.ts', 'x/h.ts', 'x/i.ts'];
  assert.deepEqual(seen.sort(), expected.sort());
});

const forbidden: [string, string][] = [
  ['core/run.ts', 'store/store.ts'],
  ['core/run.ts', 'clock.ts'],
  ['store/store.ts', 'store/prisma.ts'],
  ['queue/queue.ts', 'database/database.ts'],
  ['handlers/run.ts', 'forge/forge.ts'],
  ['handlers/run.ts', 'effects/index.ts'],
  ['effects/builds.ts', 'backends/local/local.ts'],
  ['effects/builds.ts', 'handlers/run.ts'],
  ['backends/local/local.ts', 'backends/azure/azure.ts'],
  ['backends/local/local.ts', 'store/prisma.ts'],
  ['forge/github/github.ts', 'config/config.ts'],
  ['site/routes.ts', 'store/prisma-reader.ts'],
  ['database/database.ts', 'core/run.ts'],
];
for (const [from, to] of forbidden) {
  test(`the rule complains: ${from} → ${to}`, () => {
    assert.deepEqual(wrongArrows([{ from, to }]), [`${from} must not import ${to}`]);
  });
}

const allowed: [string, string][] = [
  ['core/run.ts', 'core/check.ts'],
  ['forge/forge.ts', 'sources/sources.ts'],
  ['handlers/run.ts', 'store/store.ts'],
  ['effects/builds.ts', 'backends/backend.ts'],
  ['store/prisma.ts', 'generated/prisma/client.ts'],
  ['main.ts', 'backends/local/local.ts'],
];
for (const [from, to] of allowed) {
  test(`the rule is content: ${from} → ${to}`, () => assert.deepEqual(wrongArrows([{ from, to }]), []));
}

test('the other rules complain as well', () => {
  assert.equal(impurePackages([{ from: 'core/run.ts', to: 'node:fs' }]).length, 1);
  assert.equal(impurePackages([{ from: 'core/run.ts', to: 'node:crypto' }]).length, 0);
  assert.equal(namedAdapters([{ from: 'app.ts', to: 'forge/github/github.ts' }]).length, 1);
  assert.equal(namedAdapters([{ from: 'main.ts', to: 'forge/github/github.ts' }]).length, 0);
  assert.equal(namedAdapters([{ from: 'queue/worker.ts', to: 'queue/prisma.ts' }]).length, 0);
  const round = ['a.ts', 'b.ts', 'c.ts', 'a.ts'];
  const ring = [0, 1, 2].map((at) => ({ from: round[at]!, to: round[at + 1]! }));
  assert.deepEqual(cycles(ring), ['a.ts → b.ts → c.ts → a.ts']);
  assert.deepEqual(cycles(ring.slice(0, 2)), []);
  assert.equal(environmentReaders([{ path: 'log.ts', text: 'const x = process.env.X;' }]).length, 1);
  assert.equal(environmentReaders([{ path: 'log.ts', text: '// not process.env' }]).length, 0);
  assert.equal(environmentReaders([{ path: 'config/environment.ts', text: 'process.env' }]).length, 0);
  for (const text of ['Date.now()', 'new Date()', 'new Date( )', 'Math.random()', 'randomUUID()']) {
    assert.equal(clockReaders([{ path: 'core/run.ts', text }]).length, 1, text);
  }
  for (const text of ['new Date(seen.at)', 'now: Date', 'context.now', 'new Date(0)']) {
    assert.equal(clockReaders([{ path: 'core/run.ts', text }]).length, 0, text);
  }
  assert.equal(longFiles([{ path: 'a.ts', text: 'x\n'.repeat(401) }]).length, 1);
  assert.equal(longFiles([{ path: 'a.ts', text: 'x\n'.repeat(400) }]).length, 0);
  assert.equal(unresolved([{ from: 'a.ts', to: 'b.ts' }], ['a.ts']).length, 1);
  assert.equal(unprefixedBuiltins([{ from: 'a.ts', to: 'fs' }]).length, 1);
});
