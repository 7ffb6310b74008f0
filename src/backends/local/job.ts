/** `w<n>/job.json`: all that a supervisor is told. Written by the adapter for the supervisor of the same claim. */
export interface SupervisedJob {
  /** The job's name. */
  name: string;
  claim: number;
  argv: string[];
  /** Where it runs, as the command sees it. */
  directory: string;
  /** The command's whole environment. */
  environment: Record<string, string>;
  /** The entry of `environment` by which the build's processes are known. */
  environmentEntry: string;
  timeoutS: number;
  silenceS: number;
  outputLimitBytes: number;
  /** From SIGTERM to SIGKILL. */
  killGraceMs: number;
  /** The directory with source, home and tmp in it, as the supervisor sees it. */
  scratch: string;
  sandbox: Sandbox;
  limits: BuildLimits;
}

/** Weakest last. What each stops is told in the README. */
export type Isolation = 'bubblewrap' | 'user' | 'plain';

/** How to run a command so that it reaches nothing but its scratch; as far as this machine was found to offer it. */
export interface Sandbox {
  isolation: Isolation;
  /** Commands run as one of these users, a different one for each build. Absent: as the bot's own. */
  users?: UserRange;
  network: 'on' | 'off';
  /** user: a network and IPC namespace can be had without bubblewrap. */
  hasNamespaces: boolean;
  /** bubblewrap: user namespaces can be forbidden inside. */
  isSealed: boolean;
  /** Directories that must not be seen, even below those of the system that are. */
  hidden: string[];
  /** Control groups in which a group for each build can be made, one per hierarchy. */
  cgroups: CgroupParent[];
}

export interface UserRange {
  first: number;
  count: number;
}

export interface CgroupParent {
  directory: string;
  version: 1 | 2;
  memory: boolean;
  pids: boolean;
}

/** Of all of a build's processes together. */
export interface BuildLimits {
  memoryBytes: number;
  processes: number;
  /** Of the scratch, and of each file. */
  diskBytes: number;
}
