import { join } from 'node:path';
import type { OrderFile } from './schema.ts';
import type { Workspace } from './workspace.ts';

/** Where claim n's things are: `w<n>/…`, absolute. */
export interface WorkPaths {
  sources: string;
  home: string;
  tmp: string;
}

/** The whole environment of a command of the build in `directory`. It is built, not inherited: nothing of the bot's own, which holds its secrets.
 *  `extra` (the operator's) may change anything but the entry by which the build's processes are known. */
export function environmentFor(
  order: Pick<OrderFile, 'runId' | 'repository'>,
  workspace: Workspace,
  paths: WorkPaths,
  directory: string,
  extra: Record<string, string>,
): Record<string, string> {
  const sources = workspace.sources.map(({ variable, directory }) => [variable, join(paths.sources, directory)]);
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    SHELL: '/bin/sh',
    HOME: paths.home,
    TMPDIR: paths.tmp,
    CI: 'true',
    RCB: 'true',
    RCB_RUN: order.runId,
    RCB_REPOSITORY: order.repository,
    RCB_SHA: workspace.changed.source.sha,
    ...Object.fromEntries(sources),
    ...extra,
    [markName]: directory,
  };
}

/** The environment entry that marks a build's processes: its directory, which no other bot on this machine has. */
export function environmentEntryOf(directory: string): string {
  return `${markName}=${directory}`;
}

const markName = 'RCB_BUILD';
