import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { BackendConfig, Config, Stack } from './config.ts';
import { type Environment, type EnvironmentSettings, parseEnvironment } from './environment.ts';
import { type Files, readFailure } from './files.ts';
import { misplaced } from './misplaced.ts';
import { didYouMean, type Mistake, oneOf, shown } from './mistake.ts';
import { rakuOwners, rakuStack } from './raku.ts';
import { rakuFlappers } from './raku-flappers.ts';
import { backendKinds, type FileSettings, fileSchema, knownKeys } from './schema.ts';
import { repeated, stackMistakes } from './stack.ts';
import { formatPath, largestFile, type Path, parseYamlFile, type YamlFile } from './yaml-file.ts';

export type Loaded = { config: Config } | { mistakes: Mistake[] };

const defaultFile = 'rcb.yaml';

/** The whole configuration, or everything that is wrong with it. Never throws; reads nothing but through `files`. */
export function loadConfig(env: Environment, files: Files): Loaded {
  const { settings: environment, mistakes } = parseEnvironment(env, files);
  const file = loadFile(environment.configFile, files);
  const all = [...mistakes, ...file.mistakes];
  if (all.length > 0 || !file.settings) return { mistakes: all };
  return { config: resolveConfig(environment, file.settings, file) };
}

interface LoadedFile {
  /** Absent when there are mistakes. */
  settings?: FileSettings;
  hasPreset: boolean;
  /** Absent when there is no file. */
  name?: string;
  mistakes: Mistake[];
}

function loadFile(given: string | undefined, files: Files): LoadedFile {
  const name = given ?? defaultFile;
  const failed = (found: string): LoadedFile => ({
    hasPreset: false,
    mistakes: [{ file: name, key: '', found, expected: 'a readable file', ...(given && { hint: namedByVariable }) }],
  });
  let bytes: Uint8Array | undefined;
  try {
    bytes = files.read(name, largestFile + 1);
  } catch (error) {
    return failed(readFailure(error));
  }
  if (bytes) return { name, ...parseSettings(name, bytes) };
  if (given) return failed('no file of this name');
  return { settings: fileSchema.parse({}), hasPreset: true, mistakes: [] };
}

const namedByVariable = 'It is named by the environment variable RCB_CONFIG.';

function parseSettings(name: string, bytes: Uint8Array): Omit<LoadedFile, 'name'> {
  const yaml = parseYamlFile(name, bytes);
  if (yaml.value === undefined && yaml.mistakes.length > 0) return { hasPreset: false, mistakes: yaml.mistakes };
  const { value, hasPreset } = withoutPreset(yaml.value ?? {});
  const parsed = fileSchema.safeParse(value);
  const issues = parsed.error?.issues ?? [];
  const shape = issues.flatMap((issue) => issueMistakes(issue, value, name, yaml));
  const mistakes = [...yaml.mistakes, ...shape, ...crossMistakes(value, issues, name, yaml)];
  return { settings: mistakes.length === 0 ? parsed.data : undefined, hasPreset, mistakes: sorted(mistakes) };
}

function withoutPreset(value: unknown): { value: unknown; hasPreset: boolean } {
  if (!isMap(value) || value['stack'] !== 'raku') return { value, hasPreset: false };
  const { stack: _, ...rest } = value;
  return { value: rest, hasPreset: true };
}

function issueMistakes(issue: z.core.$ZodIssue, value: unknown, file: string, yaml: YamlFile): Mistake[] {
  const at = (path: Path) => ({ file, ...yaml.locate(path), key: formatPath(path) });
  if (issue.code === 'unrecognized_keys') {
    const parent = valueAt(value, issue.path);
    const known = knownKeys(issue.path, value);
    return issue.keys.map((key) => ({ ...at([...issue.path, key]), ...unknownKey(key, known, parent) }));
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues[0]?.message ?? issue.message;
    return [{ ...at(issue.path), found: `the key ${shown(issue.path.at(-1))}`, expected }];
  }
  const found = valueAt(value, issue.path);
  const hint = hintFor(issue, found);
  return [{ ...at(issue.path), found: shown(found), expected: issue.message, ...(hint && { hint }) }];
}

function unknownKey(key: string, known: string[], parent: unknown): Pick<Mistake, 'found' | 'expected' | 'hint'> {
  const hint = didYouMean(key, known);
  const elsewhere = misplaced(key, isMap(parent) ? parent['kind'] : undefined);
  return elsewhere ?? { found: 'an unknown key', expected: oneOf(known), ...(hint && { hint }) };
}

function hintFor(issue: z.core.$ZodIssue, found: unknown): string | undefined {
  if (typeof found === 'number' && issue.path[0] === 'retention') return `Write ${found}d for days.`;
  if (typeof found !== 'string') return undefined;
  if (issue.code === 'invalid_value') return didYouMean(found, issue.values.map(String));
  if (issue.code === 'invalid_union') return didYouMean(found, backendKinds);
  if (issue.path.length === 1 && issue.path[0] === 'stack') return didYouMean(found, ['raku']);
  return undefined;
}

/** What one value says of another. Looks at the parts whose shape is right, so that nothing waits for a second try. */
function crossMistakes(value: unknown, issues: z.core.$ZodIssue[], file: string, yaml: YamlFile): Mistake[] {
  const at = (path: Path) => ({ file, ...yaml.locate(path), key: formatPath(path) });
  const isRight = (key: string) => !issues.some((issue) => issue.path[0] === key);
  const parts = isMap(value) ? value : {};
  const names = listOf(parts['backends']).map((backend) => (isMap(backend) ? backend['name'] : undefined));
  const twins = repeated(names.map((name, index) => (typeof name === 'string' ? name : `\0${index}`))).map((twin) => ({
    ...at(['backends', twin.index, 'name']),
    found: `"${twin.name}" for the second time (first in backends[${twin.first}])`,
    expected: 'each name once',
  }));
  const stack = isRight('stack') ? fileSchema.shape.stack.parse(parts['stack']) : undefined;
  const pins = stackMistakes(stack ?? []).map(({ path, ...rest }) => ({ ...at(['stack', ...path]), ...rest }));
  return [...twins, ...pins];
}

function resolveConfig(environment: EnvironmentSettings, settings: FileSettings, file: LoadedFile): Config {
  const { secrets, configFile: _, ...rest } = environment;
  const { stack, owners, git, flappers, ...others } = settings;
  return {
    ...rest,
    ...others,
    ...(file.name && { configFile: file.name }),
    backends: settings.backends satisfies BackendConfig[],
    flappers: { ...flappers, known: [...flappers.known, ...(file.hasPreset ? rakuFlappers : [])] },
    stacks: file.hasPreset ? [rakuStack] : stacksOf(stack),
    owners: owners ?? (file.hasPreset ? rakuOwners : []),
    git: git.map((path) => resolve(dirname(file.name ?? defaultFile), path)),
    secrets: () => secrets,
  };
}

function stacksOf(stack: FileSettings['stack']): Stack[] {
  const first = stack?.[0];
  return stack && first ? [{ name: first.repository, repositories: stack }] : [];
}

function sorted(mistakes: Mistake[]): Mistake[] {
  return mistakes.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, step) => (isObject(at) && Object.hasOwn(at, step) ? at[step] : undefined), value);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return isObject(value) && !Array.isArray(value);
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}
