/**
 * What is in an archive: a commit's tree, other trees put into it (submodules, extra trees), and generated files, as one
 * sequence in the order of the paths' bytes. It is read from the mirrors as it is needed; nothing is held that grows with
 * the trees.
 *
 * That works because a tree that is put in at `a/b` is one unbroken stretch of the whole: what begins with `a/b/`.
 */
import { Readable } from 'node:stream';
import picomatch from 'picomatch';
import { type PackOptions, SourceError } from './sources.ts';
import { type BlobBytes, listTree, PathOrder, pathFault, readTree, type TreeEntry, type TreeSource } from './tree.ts';

/** A tree, and where in the archive it is put. */
export interface PlacedTree {
  path: Buffer;
  source: TreeSource;
  /** A submodule's files can be omitted; an extra tree is whole. */
  kind: 'submodule' | 'tree';
}

export interface Composition {
  title: string;
  /** In order, each with its bytes. */
  read(): AsyncIterable<BlobBytes>;
}

/** What is put in between the entries of a tree: before the first that comes after `key`. */
interface Insertion<Item> {
  key: Buffer;
  items(): AsyncIterable<Item>;
}

export function compose(source: TreeSource, options: PackOptions, placed: PlacedTree[]): Composition {
  for (const { path } of placed) checkPlace(source, path);
  const wanted = wantedInRoot(options, placed);
  const root: Part = { path: Buffer.alloc(0), source, whole: false, wanted, inside: [] };
  for (const tree of placed.toSorted((a, b) => Buffer.compare(a.path, b.path))) place(root, tree, options);
  const version = options.version === undefined ? [] : [fileOf('VERSION', () => [`${options.version}\n`])];
  const names = options.manifest ? [...version, fileOf('MANIFEST', () => [])] : version;
  const list = () => interleaved(listPart(root), pathOfEntry, names.map(listed));
  const manifest = fileOf('MANIFEST', () => manifestLines(list()));
  const generated = options.manifest ? [manifest, ...version] : version;
  const read = () => interleaved(readPart(root), pathOfBlob, generated.map(readable));
  return { title: source.title, read: () => inOrder(source.title, read()) };
}

/** Which of the root's own entries stay: what is generated or put in takes their place. */
export function wantedInRoot(
  options: PackOptions,
  placed: Pick<PlacedTree, 'path'>[],
): (entry: Pick<TreeEntry, 'path'>) => boolean {
  const generated = [...(options.manifest ? ['MANIFEST'] : []), ...(options.version === undefined ? [] : ['VERSION'])];
  const taken = [...generated.map((name) => Buffer.from(name)), ...placed.map(({ path }) => path)];
  const isOmitted = omitting(options.omit ?? []);
  return ({ path }) => !isOmitted(path) && !taken.some((place) => isAtOrBelow(path, place));
}

/**
 * Which paths are left out. A glob is matched from the top of the archive, against the path and each directory above it:
 * `.*` leaves out `.travis.yml` and all of `.github`, but not `src/.keep`.
 */
export function omitting(globs: string[]): (path: Buffer) => boolean {
  if (globs.length === 0) return () => false;
  const isOmitted = picomatch(globs, { dot: true });
  return (path) => {
    const parts = path.toString().split('/');
    return parts.some((_, index) => isOmitted(parts.slice(0, index + 1).join('/')));
  };
}

interface Part extends Omit<PlacedTree, 'kind'> {
  /** Nothing is omitted in it. */
  whole: boolean;
  /** By the path in the archive. */
  wanted(entry: Pick<TreeEntry, 'path'>): boolean;
  inside: Part[];
}

function checkPlace(source: TreeSource, path: Buffer): void {
  const fault = pathFault(path);
  if (fault) throw new SourceError('bad-tree', `${source.title} cannot be packed: ${fault}`);
}

/** Into the innermost part that it is in: places come in order, so that one is there already. */
function place(root: Part, { path, source, kind }: PlacedTree, options: PackOptions): void {
  let into = root;
  for (let next: Part | undefined = root; next; next = into.inside.find((part) => isAtOrBelow(path, part.path))) {
    into = next;
  }
  const whole = into.whole || kind === 'tree';
  const isOmitted = whole ? () => false : omitting(options.omit ?? []);
  const part: Part = { path, source, whole, inside: [], wanted: () => true };
  part.wanted = (entry) => !isOmitted(entry.path) && !part.inside.some((each) => isAtOrBelow(entry.path, each.path));
  into.inside.push(part);
}

function isAtOrBelow(path: Buffer, place: Buffer): boolean {
  if (!path.subarray(0, place.length).equals(place)) return false;
  return path.length === place.length || path[place.length] === SLASH;
}

const SLASH = 0x2f;

/** In the archive. */
function pathIn(part: Part, path: Buffer): Buffer {
  return part.path.length === 0 ? path : Buffer.concat([part.path, Buffer.from('/'), path]);
}

async function* listPart(part: Part): AsyncGenerator<TreeEntry, void, void> {
  const own = async function* () {
    for await (const entry of listTree(part.source)) {
      const path = pathIn(part, entry.path);
      if (part.wanted({ path })) yield { ...entry, path };
    }
  };
  yield* interleaved(own(), pathOfEntry, insertionsOf(part, listPart));
}

async function* readPart(part: Part): AsyncGenerator<BlobBytes, void, void> {
  const own = async function* () {
    const isWanted = (entry: TreeEntry) => part.wanted({ path: pathIn(part, entry.path) });
    for await (const { entry, ...bytes } of readTree(part.source, isWanted)) {
      yield { ...bytes, entry: { ...entry, path: pathIn(part, entry.path) } };
    }
  };
  yield* interleaved(own(), pathOfBlob, insertionsOf(part, readPart));
}

function insertionsOf<Item>(part: Part, itemsOf: (inner: Part) => AsyncIterable<Item>): Insertion<Item>[] {
  return part.inside.map((inner) => ({
    key: Buffer.concat([inner.path, Buffer.from('/')]),
    items: () => itemsOf(inner),
  }));
}

const pathOfEntry = ({ path }: TreeEntry): Buffer => path;
const pathOfBlob = ({ entry }: BlobBytes): Buffer => entry.path;

async function* interleaved<Item>(
  items: AsyncIterable<Item>,
  pathOf: (item: Item) => Buffer,
  insertions: Insertion<Item>[],
): AsyncGenerator<Item, void, void> {
  const waiting = insertions.toSorted((a, b) => Buffer.compare(a.key, b.key));
  for await (const item of items) {
    while (waiting.length > 0 && Buffer.compare(waiting[0]!.key, pathOf(item)) < 0) yield* waiting.shift()!.items();
    yield item;
  }
  for (const insertion of waiting) yield* insertion.items();
}

/** Across the trees: a tree that is put below a symlink of another would be written through it. */
async function* inOrder(title: string, blobs: AsyncIterable<BlobBytes>): AsyncGenerator<BlobBytes, void, void> {
  const order = new PathOrder();
  for await (const blob of blobs) {
    const fault = order.faultOf(blob.entry.path);
    if (fault) throw new SourceError('bad-tree', `${title} cannot be packed: ${fault}`);
    yield blob;
  }
}

/** A file that no mirror has. Its pieces are made twice: for its size, and for its bytes. */
interface GeneratedFile {
  entry: TreeEntry;
  pieces(): AsyncIterable<string | Buffer> | Iterable<string | Buffer>;
}

function fileOf(name: string, pieces: GeneratedFile['pieces']): GeneratedFile {
  return { entry: { kind: 'file', id: '', path: Buffer.from(name) }, pieces };
}

const listed = ({ entry }: GeneratedFile): Insertion<TreeEntry> => ({
  key: entry.path,
  items: () => Readable.from([entry]),
});

const readable = ({ entry, pieces }: GeneratedFile): Insertion<BlobBytes> => ({
  key: entry.path,
  items: async function* () {
    let size = 0;
    for await (const piece of pieces()) size += Buffer.byteLength(piece);
    yield { entry, size, chunks: buffers(pieces()) };
  },
});

async function* buffers(pieces: ReturnType<GeneratedFile['pieces']>): AsyncGenerator<Buffer, void, void> {
  for await (const piece of pieces) yield Buffer.from(piece as string);
}

/** As the release scripts make it: each file's path, one a line, in the order of bytes; not those of empty submodules. */
async function* manifestLines(entries: AsyncIterable<TreeEntry>): AsyncGenerator<Buffer, void, void> {
  for await (const { kind, path } of entries) if (kind !== 'submodule') yield manifestLine(path);
}

/** Like `git ls-files`, a name that would break the line is quoted; others are as they are, UTF-8 or not. */
function manifestLine(path: Buffer): Buffer {
  const text = path.toString('latin1');
  if (!/[\0-\x1f\x7f"\\]/.test(text)) return Buffer.concat([path, Buffer.from('\n')]);
  const quoted = text.replace(/[\0-\x1f\x7f"\\]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;
  });
  return Buffer.from(`"${quoted}"\n`, 'latin1');
}
