import type { KnownFlapper } from '../core/flapper.ts';
import type { PolicyRule } from '../core/policy.ts';

/**
 * What the bot was told, complete: every default is filled in. Times are in milliseconds, sizes in bytes, globs as
 * `core/globs.ts` reads them. `rcb.example.yaml` says in words what each setting does.
 */
export interface Config {
  /** Absent: no GitHub App is configured. */
  github?: GitHubConfig;
  server: ServerConfig;
  log: { level: LogLevel };
  /** As it was given, relative to the working directory. */
  dataDir: string;
  /** Absent: the embedded database, in `dataDir`. */
  databaseUrl?: string;
  /** The file that was read. Absent: there is none, the Raku preset is used. */
  configFile?: string;
  stacks: Stack[];
  backends: BackendConfig[];
  /** Beginnings of URLs from which submodules may be fetched beside public addresses. */
  submodules: { allow: string[] };
  /** Milliseconds between two polls of a source. */
  poll: Record<PollSource, Milliseconds>;
  /** Plain repositories on disk, absolute paths. */
  git: string[];
  /** First match wins: ask `policyFor`. */
  policy: PolicyRule[];
  flappers: FlapperSettings;
  /** Accounts whose installations are served. */
  owners: string[];
  /** Globs of the branches that are tested beside the default branch. */
  watch: string[];
  limits: Limits;
  retention: Retention;
  credentials: Credentials;
  /** Every secret value in here, to be masked in logs. */
  secrets(): string[];
}

export type Milliseconds = number;
export type Bytes = number;

export type LogLevel = (typeof logLevels)[number];
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export interface GitHubConfig {
  appId: number;
  /** PEM, RSA. */
  privateKey: string;
  /** The current one first; a second one while it is rotated. */
  webhookSecrets: string[];
  /** `GHE_HOST`, absent for github.com. */
  host?: string;
  protocol: 'http' | 'https';
  /** `https://api.github.com` or `https://HOST/api/v3`, no slash at the end. */
  apiUrl: string;
  /** `https://github.com` or `https://HOST`, no slash at the end. */
  htmlUrl: string;
  login: LoginConfig;
}

/** Whether people can log in on the site; `off`: why not, in words. */
export type LoginConfig =
  | {
      clientId: string;
      clientSecret: string;
      /** The current one first; a second one while it is replaced. */
      sessionKeys: string[];
    }
  | { off: string };

export interface ServerConfig {
  host: string;
  /** 0: any free one. */
  port: number;
  /** How people reach the site, no slash at the end. */
  publicUrl: string;
  /** `RCB_PUBLIC_URL` was not given: with port 0 the true address is known after listening only. */
  isPublicUrlGuessed: boolean;
}

/** Repositories that are tested together. */
export interface Stack {
  name: string;
  repositories: StackRepository[];
}

export interface StackRepository {
  /** `owner/name` */
  repository: string;
  release: Release;
  /** Pinned repository → file in this one that names its commit. */
  pins: Record<string, string>;
  /** Directory in this repository's archive → repository whose tree is put there. */
  trees: Record<string, string>;
}

/** How the source archive follows the project's release files. */
export interface Release {
  /** Globs of paths that are left out. */
  omit: string[];
  /** A file `MANIFEST` lists the files. */
  manifest: boolean;
  /** `describe`: `git describe` is written into the file VERSION. `tracked`: VERSION stays as it is. */
  version: 'describe' | 'tracked';
}

export type BackendConfig = LocalBackendConfig | AzureBackendConfig | ObsBackendConfig;
export type BackendKind = BackendConfig['kind'];

interface Serves {
  /** Unique among the backends, first part of its jobs' names. */
  name: string;
  /** Globs of `owner/name`; absent: all. */
  repositories?: string[];
  /** Globs; absent: all. Of a pull request its base branch counts. */
  branches?: string[];
  /** It may see code of private repositories; absent: where no other build can read it. */
  private?: boolean;
}

export interface LocalBackendConfig extends Serves {
  kind: 'local';
  /** Absent: an executable `.ci/run`, `ci/run` or `.ci` of the changed repository. */
  command?: string;
  slots: number;
  timeout: Milliseconds;
  silence: Milliseconds;
  outputLimit: Bytes;
  /** `auto`: the strongest isolation that works on this machine. */
  sandbox: 'auto' | 'bubblewrap' | 'user' | 'plain';
  /** For changes of the repository's own people; those from outside never have any. */
  network: 'on' | 'off';
  /** Of a build's processes together. */
  memory: Bytes;
  processes: number;
  /** Of its scratch directory. */
  disk: Bytes;
  /** Globs of the files that are kept. */
  artifacts: string[];
}

export interface AzureBackendConfig extends Serves {
  kind: 'azure';
  /** `https://dev.azure.com/ORG`, no slash at the end. */
  url: string;
  project: string;
  /** Id of the pipeline's definition. */
  pipeline: number;
  /** `observe`: nothing is queued; what Azure's own GitHub integration builds is shown. */
  mode: 'build' | 'observe';
  /** Whose YAML is run: `refs/heads/main`. Absent: the pipeline's default branch. */
  branch?: string;
  /** `none`: nothing secret can be reached from the pipeline, so changes from outside may go there. */
  secrets: 'none' | 'some';
  /** Globs of hosts beside `url`'s that may see the credentials. Absent: where dev.azure.com keeps artifacts. */
  credentialHosts?: string[];
  /** Of one job: files and bytes unpacked, bytes of one zip. */
  artifacts: { maxFiles: number; maxBytes: Bytes; maxZipBytes: Bytes };
  /** Of one job. */
  logLimit: Bytes;
  /** Whether lines keep the times that Azure puts before them. */
  timestamps: 'keep' | 'strip';
  /** What a job that succeeded with issues is. */
  issues: 'passed' | 'failed';
}

export interface ObsBackendConfig extends Serves {
  kind: 'obs';
  /** `https://api.opensuse.org`, no slash at the end. */
  url: string;
  /** Projects of runs are made below it; with mode `standing` packages in it. */
  project: string;
  mode: 'project-per-run' | 'standing';
  /** Directory of the template, as it was given. */
  template: string;
  /** Of the web interface; absent: build.opensuse.org's beside api.opensuse.org, else builds have no links. */
  webUrl?: string;
  /** Of a whole build, and of one job since a worker has it. */
  timeout: Milliseconds;
  jobTimeout: Milliseconds;
  /** What did not pass stays there so long, so that it can be built again. */
  keepFailed: Milliseconds;
  /** Of one job; what is beyond is not kept. */
  artifacts: { maxFiles: number; maxBytes: Bytes };
  logLimit: Bytes;
}

export type PollSource = 'github' | 'azure' | 'obs' | 'git';

export interface Limits {
  /** New runs per minute after an absence. */
  catchUpRunsPerMinute: number;
  /** Runs that build at the same time. */
  building: number;
  /** Between two writes of one installation. */
  writeSpacing: Milliseconds;
}

export interface FlapperSettings {
  /** Those of rcb.yaml, and of the preset. */
  known: KnownFlapper[];
  /** The file in which each repository may list its own; `none`: nowhere. */
  file: string;
  /** Globs of `owner/name`: there a failure is a failure. */
  off: string[];
}

export type Keep = Milliseconds | 'forever';
export interface Retention extends Record<'sources' | 'logs' | 'artifacts' | 'events' | 'valued', Keep> {
  /** Globs of the branches and tags that are releases. */
  releases: string[];
}

/** Of Microsoft Entra; counts before a token. */
export interface AzureServicePrincipal {
  tenant: string;
  clientId: string;
  clientSecret: string;
}

export interface Credentials {
  azure: { token?: string; servicePrincipal?: AzureServicePrincipal; hookPassword?: string };
  /** `keyFile`: of an SSH key, which counts before a password. `bus`: the message bus that is relayed. */
  obs: { user?: string; password?: string; keyFile?: string; hookSecret?: string; bus?: string };
}
