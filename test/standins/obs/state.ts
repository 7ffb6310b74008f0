import { createHash } from 'node:crypto';

/** What a stand-in OBS keeps: projects, packages with their files, and a job for each package and target. */

export interface Project {
  name: string;
  meta: string;
  config: string;
  packages: Map<string, Package>;
  jobs: Map<string, Job>;
}

export interface Package {
  name: string;
  meta: string;
  /** Uploaded, by md5. */
  store: Map<string, Buffer>;
  files: Map<string, { md5: string; bytes: Buffer }>;
  rev: number;
  srcmd5?: string;
}

export interface Job {
  package: string;
  repository: string;
  arch: string;
  code: string;
  details?: string;
  log?: Buffer;
  /** Its worker died: nobody has its log. */
  isLost?: boolean;
  binaries: Map<string, { bytes: Buffer; mtime: number }>;
  history: EndedJob[];
  /** Of the job that runs: its end is no longer waited for when this changes. */
  round: number;
  startTime: number;
  isOver: boolean;
}

export interface EndedJob {
  srcmd5: string;
  rev: number;
  bcnt: number;
  readyTime: number;
  startTime: number;
  endTime: number;
  code: string;
}

export type Target = Pick<Job, 'repository' | 'arch'>;

export const md5 = (bytes: string | Buffer): string => createHash('md5').update(bytes).digest('hex');

export const srcmd5Of = (files: Package['files']): string =>
  md5(
    [...files]
      .sort()
      .map(([name, file]) => `${file.md5}  ${name}\n`)
      .join(''),
  );

/** Read by patterns, not by the parser of the code under test. */
export function targetsOf(meta: string): Target[] {
  return [...meta.matchAll(/<repository name="([^"]+)"(?:\/>|>(.*?)<\/repository>)/gs)].flatMap(
    ([, repository, body]) =>
      [...(body ?? '').matchAll(/<arch>([^<]+)<\/arch>/g)].map(([, arch]) => ({
        repository: repository!,
        arch: arch!,
      })),
  );
}

export const nameIn = (meta: string): string | undefined =>
  /^<(?:project|package) [^>]*?name="([^"]*)"/.exec(meta)?.[1];
export const isDisabled = (meta: string): boolean => /<build><disable\/><\/build>/.test(meta);
export const isLocked = (meta: string): boolean => /<lock><enable\/><\/lock>/.test(meta);
export const publishes = (meta: string): boolean => !/<publish><disable\/><\/publish>/.test(meta);

export const jobKey = ({ repository, arch }: Target, name: string): string => `${repository}/${arch}/${name}`;

const ESCAPES: Record<string, string> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };
export const escapeXml = (text: string): string => text.replace(/[<>&"]/g, (character) => ESCAPES[character]!);
