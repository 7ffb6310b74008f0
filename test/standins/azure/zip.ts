import { crc32, deflateRawSync } from 'node:zlib';

/** One file of a zip; the rest is for zips that lie. */
export interface ZipFileEntry {
  name: string;
  contents: string | Buffer;
  /** Unix mode; default a plain file. 0o120777: a symbolic link. */
  mode?: number;
  /** The size that it claims to have when unpacked. */
  claims?: number;
  /** The checksum that it claims to have. */
  sum?: number;
}

/** A zip as Azure makes them: deflated, names in UTF-8 (APPNOTE.TXT, 4.3). */
export function zipOf(files: ZipFileEntry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, contents, mode = 0o100644, claims, sum } of files) {
    const bytes = Buffer.from(contents);
    const packed = deflateRawSync(bytes);
    const named = Buffer.from(name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x0800, 2);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(sum ?? crc32(bytes), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(claims ?? bytes.length, 18);
    shared.writeUInt16LE(named.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, named, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), shared, tail, named]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
