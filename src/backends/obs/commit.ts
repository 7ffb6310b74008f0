import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Archive } from '../../archive/archive.ts';
import { BackendError } from '../backend.ts';
import { isGone, type ObsBody, type ObsClient, xmlBody } from './client.ts';
import { parseDirectory, type SourceDirectory } from './schema.ts';
import type { PackageFile } from './template.ts';
import { xml } from './xml.ts';

export interface CommitParts {
  client: ObsClient;
  archive: Pick<Archive, 'get'>;
  digests: Md5s;
}

/**
 * Make these the files of the package, all and only these, in one revision; answer its srcmd5. What the server has is
 * not sent again: it is told the digests, and says which it lacks.
 */
export async function ensureCommitted(
  parts: CommitParts,
  project: string,
  packageName: string,
  files: PackageFile[],
  signal: AbortSignal,
): Promise<string> {
  const path = ['source', project, packageName];
  const wanted = await Promise.all(
    files.map(async (file) => ({ file, md5: await parts.digests.of(file, parts.archive, signal) })),
  );
  const there = parseDirectory(await parts.client.text({ path, signal }));
  // Committing the same again would be a new revision.
  if (there.srcmd5 !== undefined && isSame(there, wanted)) return there.srcmd5;
  const answer = await commitList(parts, path, wanted, signal);
  if (answer.srcmd5 === undefined || !isSame(answer, wanted)) {
    throw new BackendError('unparsable', `OBS committed ${project}/${packageName}, and does not say what`);
  }
  return answer.srcmd5;
}

interface Wanted {
  file: PackageFile;
  md5: string;
}

const isSame = ({ entries }: SourceDirectory, wanted: Wanted[]): boolean =>
  entries.length === wanted.length &&
  wanted.every(({ file, md5 }) => entries.some((entry) => entry.name === file.name && entry.md5 === md5));

async function commitList(
  parts: CommitParts,
  path: string[],
  wanted: Wanted[],
  signal: AbortSignal,
): Promise<SourceDirectory> {
  let withHashes = false;
  // Each answer may ask for one thing more: hashes, the files, and what another writer removed in between.
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const answer = parseDirectory(await parts.client.text(commitRequest(path, wanted, withHashes, signal)));
    // OBS answers 200 here, and has committed nothing.
    if (answer.error === undefined) return answer;
    if (/sha256/.test(answer.error) && !withHashes) withHashes = true;
    else if (answer.error === 'missing') await uploadMissing(parts, path, wanted, answer, signal);
    else throw new BackendError('refused', `OBS does not commit ${path.slice(1).join('/')}: ${answer.error}`);
  }
  throw new BackendError('unreachable', `OBS goes on lacking files of ${path.slice(1).join('/')} that it was sent`);
}

const MOST_ROUNDS = 4;

/** Newer servers want to validate by sha256; older ones refuse to be asked to. */
function commitRequest(path: string[], wanted: Wanted[], withHashes: boolean, signal: AbortSignal) {
  const entries = wanted.map(({ file, md5 }) =>
    xml('entry', { name: file.name, md5, hash: withHashes ? `sha256:${file.sha256}` : undefined }),
  );
  return {
    method: 'POST',
    path,
    query: { cmd: 'commitfilelist', comment: 'RCB', withvalidate: withHashes ? '1' : undefined },
    body: xmlBody(xml('directory', {}, entries).xml),
    signal,
  } as const;
}

async function uploadMissing(
  { client, archive }: CommitParts,
  path: string[],
  wanted: Wanted[],
  { entries }: SourceDirectory,
  signal: AbortSignal,
): Promise<void> {
  const missing = wanted.filter(({ file }) => entries.some(({ name }) => name === file.name));
  if (missing.length === 0) throw new BackendError('unparsable', 'OBS lacks files, and names none that it was to have');
  for (const { file } of missing) {
    await client.text({
      method: 'PUT',
      path: [...path, file.name],
      // Without it each file would be a revision, and a build.
      query: { rev: 'repository' },
      body: uploadBody(file, archive),
      deadlineMs: UPLOAD_DEADLINE_MS,
      signal,
    });
  }
}

const UPLOAD_DEADLINE_MS = 15 * 60_000;

const uploadBody = (file: PackageFile, archive: Pick<Archive, 'get'>): ObsBody => ({
  type: 'application/octet-stream',
  size: file.size,
  open: () => (file.kind === 'text' ? file.text : archive.get(file.sha256)),
});

/** MD5 is how OBS names contents. The archive knows them by sha256: each is read for it once. */
export class Md5s {
  readonly #known = new Map<string, string>();

  async of(file: PackageFile, archive: Pick<Archive, 'get'>, signal: AbortSignal): Promise<string> {
    const known = this.#known.get(file.sha256);
    if (known !== undefined) return known;
    const hash = createHash('md5');
    const contents = file.kind === 'text' ? Readable.from([Buffer.from(file.text)]) : await archive.get(file.sha256);
    for await (const chunk of contents) {
      signal.throwIfAborted();
      hash.update(chunk as Buffer);
    }
    const md5 = hash.digest('hex');
    if (this.#known.size >= MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(file.sha256, md5);
    return md5;
  }
}

const MOST_KNOWN = 1_000;

/** What the call answers, or undefined when OBS has no such thing. */
export async function ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
