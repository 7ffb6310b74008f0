import { z } from 'zod';
import { defaultPolicy } from '../core/policy.ts';
import { flapperList } from './flappers.ts';
import { oneOf } from './mistake.ts';
import { globs, listOf, relativePath, repository, section, text, wholeNumber, word } from './schema-parts.ts';
import { parseDuration, parseSize } from './units.ts';
import type { Path } from './yaml-file.ts';

/**
 * The shape of rcb.yaml. Each schema's message is what is expected there, as the end of a sentence: `found 0, expected
 * a whole number from 1 to 256`. Seconds become milliseconds here. `stack: raku` is taken out before: in a union of both
 * forms zod would tell a list's mistakes as one.
 */

const seconds = 1000;
const hour = 3600 * seconds;
const day = 24 * hour;

/** Plain numbers count in `unit` milliseconds. */
const duration = (least: number, most: number, expected: string, unit: number) =>
  z
    .union([z.string(), z.number()], { error: expected })
    .transform((given) => (typeof given === 'number' ? given * unit : parseDuration(given)))
    .refine((value) => value !== undefined && value >= least && value <= most, { error: expected })
    // Narrows only: the line above refused the rest.
    .transform((value) => value as number);

const pollInterval = duration(seconds, day, 'seconds from 1 to 86400, or a duration like 90s or 5m', seconds);

const deadline = duration(seconds, 7 * day, 'seconds from 1 to 604800, or a duration like 90s or 2h', seconds);

const keepExpected = 'a duration with its unit like 12h or 60d, or forever';
const keep = z
  .string({ error: keepExpected })
  .transform((given) => (given === 'forever' ? given : parseDuration(given)))
  .refine((value) => value !== undefined && value !== 0, { error: keepExpected })
  .transform((value) => value as number | 'forever');

const sizeExpected = 'a size from 1 kB to 100 GB like 256MiB, or a number of bytes';
const size = z
  .union([z.string(), z.number()], { error: sizeExpected })
  .transform((given) => (typeof given === 'number' ? given : parseSize(given)))
  .refine((value) => value !== undefined && Number.isInteger(value) && value >= 1000 && value <= 1e11, {
    error: sizeExpected,
  })
  .transform((value) => value as number);

const url = z
  .string({ error: 'an http or https URL without a password' })
  .refine(isPlainUrl, { error: 'an http or https URL without a password' })
  .transform((given) => given.replace(/\/+$/, ''));

function isPlainUrl(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const { protocol, username, password, search, hash } = new URL(given);
  return /^https?:$/.test(protocol) && !username && !password && !search && !hash;
}

const releaseSchema = z.strictObject(
  {
    omit: globs.default([]),
    manifest: z.boolean({ error: 'true or false' }).default(false),
    version: word(['describe', 'tracked']).default('tracked'),
  },
  { error: 'a map of omit, manifest and version' },
);

const stackRepository = z.strictObject(
  {
    repository,
    release: releaseSchema.prefault({}),
    pins: z.record(repository, relativePath, { error: 'a map of repositories to files' }).default({}),
    trees: z.record(relativePath, repository, { error: 'a map of directories to repositories' }).default({}),
  },
  { error: 'a map with the key repository' },
);

const stackExpected = 'raku or a list of repositories';
const stackList = z
  .array(stackRepository, { error: stackExpected })
  .min(1, { error: stackExpected })
  .max(100, { error: 'a list of at most 100 repositories' });

const serves = {
  name: text('a short name of letters, digits, dots, dashes', /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/),
  repositories: globs.optional(),
  branches: globs.optional(),
};

/** Whether it may see private code; where it is not said, the back-end that was opened says it (open-backends.ts). */
const seesPrivate = z.boolean({ error: 'true or false' });

const command = z
  .string({ error: 'a command' })
  .max(10_000, { error: 'a command of at most 10000 characters' })
  .refine((given) => given.trim() !== '' && !given.includes('\0'), { error: 'a command' });

const localBackend = z.strictObject({
  ...serves,
  kind: z.literal('local'),
  private: seesPrivate.optional(),
  command: command.optional(),
  slots: wholeNumber(1, 256).default(2),
  timeout: deadline.prefault(3600),
  silence: deadline.prefault(600),
  outputLimit: size.prefault('256MiB'),
  sandbox: word(['auto', 'bubblewrap', 'user', 'plain']).default('auto'),
  network: word(['on', 'off']).default('on'),
  memory: size.prefault('4GiB'),
  processes: wholeNumber(16, 100_000).default(1024),
  disk: size.prefault('16GiB'),
  artifacts: listOf(text('a glob like logs/**/*.xml', /^(?!\/)[^\p{Cc}]+$/u), 'globs').default([]),
});

const azureBackend = z.strictObject({
  ...serves,
  kind: z.literal('azure'),
  private: seesPrivate.optional(),
  url,
  project: text('the name of an Azure DevOps project', /^[^\p{Cc}/\\]+$/u),
  pipeline: wholeNumber(1, 2 ** 31 - 1),
  mode: word(['build', 'observe']).default('build'),
  branch: text('the name of a branch like main', /^(?!\/)[^\p{Cc}\s~^:?*[\\]+$/u)
    .transform((given) => (given.startsWith('refs/') ? given : `refs/heads/${given}`))
    .optional(),
  secrets: word(['none', 'some']).default('some'),
  credentialHosts: listOf(text('a host like *.artifacts.visualstudio.com', /^[\w.*:[\]-]+$/), 'hosts').optional(),
  artifacts: section({
    maxFiles: wholeNumber(1, 100_000).default(2_000),
    maxBytes: size.prefault('1GiB'),
    maxZipBytes: size.prefault('512MiB'),
  }).prefault({}),
  logLimit: size.prefault('256MiB'),
  timestamps: word(['keep', 'strip']).default('keep'),
  issues: word(['passed', 'failed']).default('passed'),
});

const obsBackend = z.strictObject({
  ...serves,
  kind: z.literal('obs'),
  private: seesPrivate.optional(),
  url,
  project: text('the name of an OBS project like home:rcb', /^[A-Za-z0-9][\w.+-]*(?::[A-Za-z0-9][\w.+-]*)*$/),
  mode: word(['project-per-run', 'standing']).default('project-per-run'),
  template: text('the path of a directory', /^[^\p{Cc}]+$/u),
  webUrl: url.optional(),
  timeout: deadline.prefault('8h'),
  jobTimeout: deadline.prefault('4h'),
  keepFailed: duration(day, 365 * day, 'a duration from 1d to 365d', day).prefault('7d'),
  artifacts: section({
    maxFiles: wholeNumber(1, 100_000).default(100),
    maxBytes: size.prefault('512MiB'),
  }).prefault({}),
  logLimit: size.prefault('256MiB'),
});

export const backendKinds = ['local', 'azure', 'obs'] as const;
const backend = z.discriminatedUnion('kind', [localBackend, azureBackend, obsBackend], {
  error: (issue) => (issue.code === 'invalid_union' ? oneOf(backendKinds) : 'a map with the keys name and kind'),
});

const defaultBackends = [{ name: 'local', kind: 'local' as const }];

const policyRule = z.strictObject(
  {
    branches: globs.min(1, { error: 'a list of globs, one at least' }),
    flappers: word(['off', 'once']).default(defaultPolicy.flappers),
    merge: word(['merge', 'squash', 'rebase']).default(defaultPolicy.merge),
    test: word(['merge', 'head']).default(defaultPolicy.test),
    stale: word(['retest', 'overlap', 'merge']).default(defaultPolicy.stale),
    partners: word(['rerun', 'note']).default(defaultPolicy.partners),
    commits: word(['all', 'latest']).default(defaultPolicy.commits),
    forks: word(['never', 'ask', 'ask-new', 'test']).default(defaultPolicy.forks),
    flapped: word(['merge', 'refuse']).default(defaultPolicy.flapped),
    optional: listOf(text('a glob like azure / Windows*', /^[^\p{Cc}]+$/u), 'globs').default([]),
  },
  { error: 'a map with the key branches' },
);

export const fileSchema = z.strictObject(
  {
    stack: stackList.optional(),
    backends: listOf(backend, 'backends').prefault(defaultBackends),
    submodules: section({
      allow: listOf(text('the beginning of a URL or path', /^[^\p{Cc}\s]+$/u), 'beginnings of URLs').default([]),
    }).prefault({}),
    poll: section({
      github: pollInterval.prefault(60),
      azure: pollInterval.prefault(30),
      obs: pollInterval.prefault(30),
      git: pollInterval.prefault(10),
    }).prefault({}),
    git: listOf(text('the path of a git repository', /^(?!\w+:\/\/)[^\p{Cc}]+$/u), 'paths').default([]),
    policy: listOf(policyRule, 'rules').default([]),
    flappers: section({
      known: flapperList.default([]),
      file: relativePath.default('.rcb/flappers.yml'),
      off: listOf(text('a glob over owner/name', /^[^\s\p{Cc}]+$/u), 'globs').default([]),
    }).prefault({}),
    owners: listOf(
      text('the name of a GitHub account', /^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/),
      'GitHub accounts',
    ).optional(),
    watch: globs.default([]),
    limits: section({
      catchUpRunsPerMinute: wholeNumber(1, 1000).default(5),
      building: wholeNumber(1, 10_000).default(20),
      writeSpacing: duration(0, 60 * seconds, 'milliseconds from 0 to 60000, or a duration like 1s', 1).prefault(1000),
    }).prefault({}),
    retention: section({
      sources: keep.prefault('60d'),
      logs: keep.prefault('forever'),
      artifacts: keep.prefault('90d'),
      events: keep.prefault('30d'),
      valued: keep.prefault('365d'),
      releases: globs.default(['release*', 'v[0-9]*', '[0-9]*.[0-9]*']),
    }).prefault({}),
  },
  { error: 'a map of settings' },
);

export type FileSettings = z.output<typeof fileSchema>;

/** The keys that a map at this path may have. */
export function knownKeys(path: Path, value: unknown): string[] {
  let schema: z.core.$ZodType | undefined = fileSchema;
  let at = value;
  for (const step of path) {
    at = (at as Record<PropertyKey, unknown> | undefined)?.[step];
    schema = candidates(schema)
      .map((candidate) => childOf(candidate, step))
      .find(Boolean);
  }
  const kind = (at as { kind?: unknown } | undefined)?.kind;
  const shapes = candidates(schema).flatMap((candidate) => (candidate instanceof z.ZodObject ? [candidate.shape] : []));
  const fitting = shapes.find((shape) => shape['kind'] instanceof z.ZodLiteral && shape['kind'].value === kind);
  return Object.keys(fitting ?? shapes[0] ?? {});
}

/** The schemas behind defaults and unions. */
export function candidates(schema: z.core.$ZodType | undefined): z.core.$ZodType[] {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return candidates(schema.def.innerType);
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => candidates(option));
  return schema ? [schema] : [];
}

function childOf(schema: z.core.$ZodType, step: PropertyKey): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodObject && Object.hasOwn(schema.shape, step)) return schema.shape[String(step)];
  return undefined;
}
