/**
 * Headers of a tar (POSIX ustar, with pax records where a field is too short), from names that are bytes.
 *
 * Not tar-stream: the sha256 of these bytes is an archive's identity, so they may not change with a library's version,
 * and its names are strings, which cannot carry a name that is malformed UTF-8 (git's can be). Like `git archive`:
 * names go into the header as they are, whatever their encoding.
 * Format: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 */

export interface TarEntry {
  type: 'file' | 'directory' | 'symlink';
  /** Without a trailing slash. */
  path: Buffer;
  mode: number;
  /** Of a file's content, in bytes. */
  size: number;
  /** Seconds since 1970. */
  mtime: number;
  /** Of a symlink. */
  target?: Buffer;
}

const BLOCK = 512;
/** Two empty blocks end a tar; tar and git fill up to a whole record, and some readers want it. */
const RECORD = 20 * BLOCK;
const TYPE_FLAGS = { file: '0', directory: '5', symlink: '2', pax: 'x' } as const;
/** The largest number of eleven octal digits. */
const MAX_OCTAL = 0o77777777777;

/** Everything of an entry before its content. */
export function tarHeader(entry: TarEntry): Buffer {
  const path = entry.type === 'directory' ? Buffer.concat([entry.path, Buffer.from('/')]) : entry.path;
  const target = entry.target ?? Buffer.alloc(0);
  const split = splitPath(path);
  const records: Buffer[] = [];
  if (!split) records.push(paxRecord('path', path));
  if (target.length > 100) records.push(paxRecord('linkpath', target));
  if (entry.size > MAX_OCTAL) records.push(paxRecord('size', Buffer.from(String(entry.size))));
  const fields = { ...entry, ...(split ?? shortened(path)), target: target.subarray(0, 100) };
  const header = ustarHeader({ ...fields, flag: TYPE_FLAGS[entry.type] });
  return records.length === 0 ? header : Buffer.concat([...paxHeader(records, entry.mtime), header]);
}

/** What fills the last block of a content of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** What follows the last entry, in a tar of `size` bytes so far. */
export function tarEnd(size: number): Buffer {
  const end = size + 2 * BLOCK;
  return Buffer.alloc(2 * BLOCK + ((RECORD - (end % RECORD)) % RECORD));
}

interface UstarFields {
  name: Buffer;
  prefix: Buffer;
  mode: number;
  size: number;
  mtime: number;
  target: Buffer;
  flag: string;
}

function ustarHeader(fields: UstarFields): Buffer {
  const header = Buffer.alloc(BLOCK);
  fields.name.copy(header, 0);
  header.write(octal(fields.mode, 7), 100);
  header.write(octal(0, 7), 108); // uid
  header.write(octal(0, 7), 116); // gid
  header.write(octal(Math.min(fields.size, MAX_OCTAL), 11), 124);
  header.write(octal(Math.min(Math.max(fields.mtime, 0), MAX_OCTAL), 11), 136);
  header.fill(' ', 148, 156); // The checksum counts its own field as blanks.
  header.write(fields.flag, 156);
  fields.target.copy(header, 157);
  header.write('ustar\x0000', 257);
  header.write(octal(0, 7), 329); // Device numbers: read even where they mean nothing.
  header.write(octal(0, 7), 337);
  fields.prefix.copy(header, 345);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${octal(sum, 6)}\0 `, 148);
  return header;
}

/** ustar's two fields for a path: 155 bytes, a slash, 100 bytes. Undefined when it does not fit. */
function splitPath(path: Buffer): { prefix: Buffer; name: Buffer } | undefined {
  if (path.length <= 100) return { prefix: Buffer.alloc(0), name: path };
  // The last slash that leaves a name: not the one at the end of a directory.
  const slash = path.lastIndexOf('/', Math.min(155, path.length - 2));
  if (slash <= 0 || path.length - slash - 1 > 100) return undefined;
  return { prefix: path.subarray(0, slash), name: path.subarray(slash + 1) };
}

/** A name for readers that do not know pax. */
function shortened(path: Buffer): { prefix: Buffer; name: Buffer } {
  return { prefix: Buffer.alloc(0), name: path.subarray(0, 100) };
}

function paxHeader(records: Buffer[], mtime: number): Buffer[] {
  const body = Buffer.concat(records);
  const names = { name: Buffer.from('pax_header'), prefix: Buffer.alloc(0), target: Buffer.alloc(0) };
  const header = ustarHeader({ ...names, mode: 0o644, size: body.length, mtime, flag: TYPE_FLAGS.pax });
  return [header, body, tarPadding(body.length)];
}

/** `LENGTH key=value\n`, where LENGTH counts its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
}

function octal(value: number, digits: number): string {
  return Math.floor(value).toString(8).padStart(digits, '0');
}
