import { createHash } from 'node:crypto';
import { link, mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { codeOf } from './files.ts';

/** `maxBytes` counts the tar after decompression. */
export interface UnpackLimits {
  maxFiles: number;
  maxBytes: number;
}

/** The archive is not what was ordered, or not what a source archive may be. The message is for people. */
export class UnpackError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnpackError';
  }
}

/**
 * Unpack a .tar.gz into the new directory `into`, without the one directory at its top. Nothing is ever written outside:
 * an entry that climbs out, or goes through a symbolic link, ends it. Owners are ignored; of modes the executable bit is
 * kept; times are kept, because make compares them. Throws UnpackError, or what the file system says.
 */
export async function unpack(
  bytes: Readable,
  sha256: string,
  into: string,
  limits: UnpackLimits,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  const entries = extract();
  await mkdir(into, { recursive: true });
  const flow = pipeline(
    bytes,
    tap((chunk) => hash.update(chunk)),
    createGunzip(),
    limitTo(limits.maxBytes),
    entries,
    {
      signal,
    },
  );
  throwCause(await Promise.allSettled([writeEntries(entries, new Tree(into, limits.maxFiles)), flow]));
  if (hash.digest('hex') !== sha256) throw new UnpackError(`its bytes are not those of sha256 ${sha256}`);
}

/** When one end of a pipeline fails the other says `premature close`, which explains nothing. */
function throwCause(ends: PromiseSettledResult<void>[]): void {
  const reasons = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  const cause = reasons.find((reason) => !/premature/i.test(`${codeOf(reason)} ${reason}`)) ?? reasons[0];
  if (cause !== undefined) throw cause;
}

function tap(see: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      see(chunk);
      done(null, chunk);
    },
  });
}

function limitTo(maxBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) done(new UnpackError(`it unpacks to more than ${maxBytes} bytes`));
      else done(null, chunk);
    },
  });
}

async function writeEntries(entries: ReturnType<typeof extract>, tree: Tree): Promise<void> {
  for await (const entry of entries) {
    await tree.add(entry.header, entry);
    entry.resume(); // Entries without a body still have to be read to their end.
  }
}

type Kind = 'directory' | 'file' | 'symlink';

/** What was unpacked so far. The directory was empty and nobody else writes to it, so remembering is knowing. */
class Tree {
  readonly #root: string;
  readonly #maxFiles: number;
  readonly #kinds = new Map<string, Kind>();
  #top: string | undefined;

  constructor(root: string, maxFiles: number) {
    this.#root = root;
    this.#maxFiles = maxFiles;
  }

  async add(header: Header, body: AsyncIterable<unknown>): Promise<void> {
    const path = this.#belowTop(header.name);
    if (header.type === 'directory') return await this.#ensureDirectories(path);
    const name = path.join('/');
    if (name === '') throw new UnpackError('it has no single directory at its top');
    if (this.#kinds.has(name)) throw new UnpackError(`'${header.name}' is in it twice`);
    await this.#ensureDirectories(path.slice(0, -1));
    this.#remember(name, header.type === 'symlink' ? 'symlink' : 'file');
    await this.#write(name, header, body);
  }

  async #write(name: string, header: Header, body: AsyncIterable<unknown>): Promise<void> {
    switch (header.type) {
      case 'file':
      case 'contiguous-file':
        return await writeFile(join(this.#root, name), header, body);
      case 'symlink':
        return await symlink(header.linkname, join(this.#root, name));
      case 'link':
        return await link(join(this.#root, this.#linkTarget(header)), join(this.#root, name));
      default:
        throw new UnpackError(
          `'${header.name}' is a ${header.type}: source archives hold files, directories and links`,
        );
    }
  }

  /** A hard link is to a file that came before it; so it can leave the tree by no path. */
  #linkTarget(header: Header): string {
    const target = this.#belowTop(header.linkname).join('/');
    if (this.#kinds.get(target) === 'file') return target;
    throw new UnpackError(`'${header.name}' is a hard link to '${header.linkname}', which is no file before it`);
  }

  /** The path's parts below the top directory, which is the same for all entries. */
  #belowTop(name: string): string[] {
    if (name.startsWith('/') || name.includes('\0')) throw new UnpackError(`'${name}' is not a relative path`);
    const [top, ...rest] = name.split('/').filter((part) => part !== '' && part !== '.');
    if (top === '..' || rest.includes('..')) throw new UnpackError(`'${name}' leads out of the archive`);
    this.#top ??= top;
    if (top === undefined || top !== this.#top) throw new UnpackError('it has no single directory at its top');
    return rest;
  }

  async #ensureDirectories(path: string[]): Promise<void> {
    for (let depth = 1; depth <= path.length; depth++) {
      const name = path.slice(0, depth).join('/');
      const kind = this.#kinds.get(name);
      if (kind === 'directory') continue;
      if (kind) throw new UnpackError(`'${path.join('/')}' goes through '${name}', which is a ${kind}`);
      this.#remember(name, 'directory');
      await mkdir(join(this.#root, name));
    }
  }

  #remember(name: string, kind: Kind): void {
    if (this.#kinds.size >= this.#maxFiles) throw new UnpackError(`it holds more than ${this.#maxFiles} files`);
    this.#kinds.set(name, kind);
  }
}

async function writeFile(path: string, header: Header, body: AsyncIterable<unknown>): Promise<void> {
  const isExecutable = (header.mode & 0o111) !== 0;
  const handle = await open(path, 'wx', isExecutable ? 0o755 : 0o644);
  try {
    for await (const chunk of body) await handle.writeFile(chunk as Uint8Array); // From where it is, and all of it.
    await handle.utimes(header.mtime, header.mtime);
  } finally {
    await handle.close();
  }
}
