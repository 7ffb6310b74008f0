import { BackendError } from '../backend.ts';
import { childOf, childrenOf, parseXml, textOf, type XmlElement } from './xml.ts';

/** OBS's answers, parsed; its words end here. (Source: OBS's API documentation; open-build-service, src/backend.) */

/**
 * What a package's code on one repository and architecture says:
 * - `waiting`: nothing is built yet · `running`: a worker has it, or its result is being collected
 * - `built`: a job ended, ours or an older one: the job history knows
 * - `no-job`: there is nothing to build, as far as OBS knows now
 */
export type CodeMeaning = 'waiting' | 'running' | 'built' | 'no-job' | 'strange';

const CODES: Record<string, CodeMeaning> = {
  unknown: 'waiting',
  blocked: 'waiting',
  scheduled: 'waiting',
  dispatching: 'running',
  building: 'running',
  signing: 'running',
  // The job is over and not collected: details say how it went, and that may still change.
  finished: 'running',
  deleting: 'running',
  succeeded: 'built',
  failed: 'built',
  unresolvable: 'no-job',
  broken: 'no-job',
  excluded: 'no-job',
  disabled: 'no-job',
  locked: 'no-job',
};

export const meaningOf = (code: string): CodeMeaning => (Object.hasOwn(CODES, code) ? CODES[code]! : 'strange');

/** Codes of packages that somebody chose not to build. */
export const isLeftOut = (code: string): boolean => code === 'excluded' || code === 'disabled';

/** The scheduler has nothing to do there. */
export const isQuiet = (repositoryCode: string): boolean =>
  ['finished', 'published', 'unpublished', 'broken'].includes(repositoryCode);

/** How a job in the history ended. Undefined: an unknown word. */
export const endOf = (code: string): 'passed' | 'failed' | undefined =>
  code === 'succeeded' || code === 'unchanged' ? 'passed' : code === 'failed' ? 'failed' : undefined;

export interface ResultList {
  /** A digest of the whole answer. */
  state: string;
  results: TargetResult[];
}

/** A repository on one architecture. */
export interface TargetResult {
  repository: string;
  arch: string;
  code: string;
  details?: string;
  /** The scheduler knows of changes that it has not looked at: every code may be out of date. */
  dirty: boolean;
  packages: Map<string, PackageStatus>;
}

export interface PackageStatus {
  code: string;
  details?: string;
}

export function parseResultList(text: string): ResultList {
  return read('resultlist', text, (root) => ({
    state: attribute(root, 'state'),
    results: childrenOf(root, 'result').map((result) => ({
      repository: attribute(result, 'repository'),
      arch: attribute(result, 'arch'),
      code: result.attributes.get('state') ?? attribute(result, 'code'),
      details: result.attributes.get('details'),
      dirty: result.attributes.get('dirty') === 'true',
      packages: new Map(
        childrenOf(result, 'status').map((status): [string, PackageStatus] => [
          attribute(status, 'package'),
          { code: attribute(status, 'code'), details: textOf(status, 'details') },
        ]),
      ),
    })),
  }));
}

/** A job that ended. Times are the server's, in Unix seconds. */
export interface EndedJob {
  package: string;
  srcmd5: string;
  /** Counts the builds of one source. */
  bcnt: number;
  readyTime: number;
  startTime: number;
  endTime: number;
  code: string;
}

/** Oldest first. */
export function parseJobHistory(text: string): EndedJob[] {
  return read('jobhistlist', text, (root) =>
    childrenOf(root, 'jobhist').map((job) => ({
      package: attribute(job, 'package'),
      srcmd5: attribute(job, 'srcmd5'),
      bcnt: whole(job.attributes.get('bcnt') ?? '0'),
      readyTime: whole(attribute(job, 'readytime')),
      startTime: whole(attribute(job, 'starttime')),
      endTime: whole(attribute(job, 'endtime')),
      code: attribute(job, 'code'),
    })),
  );
}

/** A package's files; or, in the answer to a commit, those that the server lacks. */
export interface SourceDirectory {
  srcmd5?: string;
  error?: string;
  entries: { name: string; md5?: string }[];
}

export function parseDirectory(text: string): SourceDirectory {
  return read('directory', text, (root) => ({
    srcmd5: root.attributes.get('srcmd5'),
    error: root.attributes.get('error'),
    entries: childrenOf(root, 'entry').map((entry) => ({
      name: attribute(entry, 'name'),
      md5: entry.attributes.get('md5'),
    })),
  }));
}

/** `mtime`: Unix seconds, of the server. */
export interface Binary {
  name: string;
  size: number;
  mtime: number;
}

export function parseBinaries(text: string): Binary[] {
  return read('binarylist', text, (root) =>
    childrenOf(root, 'binary').map((binary) => ({
      name: attribute(binary, 'filename'),
      size: whole(attribute(binary, 'size')),
      mtime: whole(attribute(binary, 'mtime')),
    })),
  );
}

/** Names of projects: of a search's `<collection>`, or of a plain list. */
export function parseNames(text: string): string[] {
  return read(undefined, text, (root) =>
    [...childrenOf(root, 'project'), ...childrenOf(root, 'entry')].map((each) => attribute(each, 'name')),
  );
}

/** `_meta` of a project or a package, as it is: it is edited, and what the server added stays. */
export const parseMeta = (text: string, kind: 'project' | 'package'): XmlElement => read(kind, text, (root) => root);

export const targetsOf = (meta: XmlElement): [repository: string, arch: string][] =>
  childrenOf(meta, 'repository').flatMap((repository) =>
    childrenOf(repository, 'arch').map((arch): [string, string] => [attribute(repository, 'name'), arch.text.trim()]),
  );

export const descriptionOf = (meta: XmlElement): string => childOf(meta, 'description')?.text ?? '';

function read<T>(name: string | undefined, text: string, take: (root: XmlElement) => T): T {
  try {
    const root = parseXml(text);
    if (name !== undefined && root.name !== name) throw new Error(`<${root.name}>, not <${name}>`);
    return take(root);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BackendError('unparsable', `OBS's answer is not understood: ${why}`, { cause: error });
  }
}

function attribute(element: XmlElement, name: string): string {
  const value = element.attributes.get(name);
  if (value === undefined) throw new Error(`<${element.name}> has no ${name}`);
  return value;
}

function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${JSON.stringify(text.slice(0, 40))} is not a whole number`);
  return Number(text);
}
