import { createHash } from 'node:crypto';

/** Names that RCB gives at OBS: made from the order's key, so that whoever comes again finds what was made. */

export type ObsMode = 'project-per-run' | 'standing';

/** What RCB makes lies below here, and nothing else is ever deleted. */
export const runPrefix = (project: string): string => `${project}:RCB:run-`;

/** In a standing project the end of a package's name tells its build. */
const SUFFIX = /-r[0-9a-f]{16}$/;

/** A key as it is where it can be a name, so that people recognise it; else its digest. */
function wordOf(key: string): string {
  return /^[a-z0-9][a-z0-9-]{0,79}$/.test(key) ? key : `x${digest(key, 20)}`;
}

const digest = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

/** The id of a build: its project, or `<project>/<suffix>` in a standing one. */
export function externalIdOf(key: string, project: string, mode: ObsMode): string {
  return mode === 'standing' ? `${project}/-r${digest(key, 16)}` : `${runPrefix(project)}${wordOf(key)}`;
}

/** Where a build is; undefined when the id is none that `externalIdOf` could have given. */
export function parseExternalId(
  externalId: string,
  project: string,
  mode: ObsMode,
): { project: string; suffix: string } | undefined {
  if (mode === 'standing') {
    const suffix = externalId.startsWith(`${project}/`) ? externalId.slice(project.length + 1) : '';
    return SUFFIX.test(suffix) && suffix.length === 18 ? { project, suffix } : undefined;
  }
  const word = externalId.startsWith(runPrefix(project)) ? externalId.slice(runPrefix(project).length) : '';
  return /^[a-z0-9][a-z0-9-]{0,79}$/.test(word) ? { project: externalId, suffix: '' } : undefined;
}

/** The build that a package in a standing project belongs to. */
export const suffixOf = (packageName: string): string | undefined => SUFFIX.exec(packageName.split(':', 1)[0]!)?.[0];

export interface TargetName {
  repository: string;
  arch: string;
}

export const jobName = (packageName: string, { repository, arch }: TargetName): string =>
  `${packageName} ${arch}-${repository}`;
