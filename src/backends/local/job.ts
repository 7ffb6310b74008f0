/** `w<n>/job.json`: all that a supervisor is told. Written by the adapter for the supervisor of the same claim. */
export interface SupervisedJob {
  /** The job's name. */
  name: string;
  claim: number;
  argv: string[];
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
}
