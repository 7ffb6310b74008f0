import { pipeline, type Readable } from 'node:stream';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Archive } from '../archive/archive.ts';
import { fileName, sourceFileName } from './links.ts';
import type { Reader } from './reader.ts';
import type { SiteContext } from './site.ts';

/** What tests of strangers produced must never run as a page of ours: no script, no frame, no origin. */
export const DOWNLOAD_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'";

export interface Download {
  name: string;
  type: string;
  size: number;
  open(): Promise<Readable>;
}

/** Only what a run refers to can be downloaded; `gone` when the archive forgot it. */
export async function findDownload(
  sha256: string,
  reader: Pick<Reader, 'sourceByArchive' | 'artifactBySha256'>,
  archive: Pick<Archive, 'get' | 'stat'>,
): Promise<Download | 'unknown' | 'gone'> {
  const known = await named(sha256, reader);
  if (!known) return 'unknown';
  const blob = await archive.stat(sha256);
  if (!blob) return 'gone';
  return { ...known, size: blob.size, open: () => archive.get(sha256) };
}

async function named(
  sha256: string,
  reader: Parameters<typeof findDownload>[1],
): Promise<{ name: string; type: string } | undefined> {
  const source = await reader.sourceByArchive(sha256);
  if (source) return { name: sourceFileName(source.repository, source.sha), type: 'application/gzip' };
  const artifact = await reader.artifactBySha256(sha256);
  return artifact && { name: fileName(artifact.name), type: 'application/octet-stream' };
}

/** RFC 6266: an ASCII name for old readers, and the whole one (RFC 8187) for all others. */
export function contentDisposition(kind: 'attachment' | 'inline', name: string): string {
  const plain = name.replace(/[^\w .+~@()=,-]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `${kind}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/**
 * Answer with a node stream, past hono: its adapter would print a fault in the middle, and write its message into the
 * download. Here a fault breaks the connection, so that nobody takes half a file for a whole one, and goes to `onError`.
 * A reader who goes away is no fault.
 */
export function sendStream(
  c: SiteContext,
  stream: Readable,
  headers: Record<string, string>,
  onError: (error: unknown) => void,
): Response {
  const { outgoing } = c.env;
  outgoing.writeHead(200, headers);
  pipeline(stream, outgoing, (error) => {
    if (error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') onError(error);
  });
  return RESPONSE_ALREADY_SENT;
}
