import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { BackendError, type BuildOrder, type OrderedSource } from '../backend.ts';
import type { RepositoryMeta } from './meta.ts';

/**
 * A template: the directory that says what is built of a run. `template.yaml` names repositories and packages, a
 * directory per package holds its recipe. In recipes `{{ … }}` is filled in: `archive owner/name`, `version owner/name`,
 * `sha owner/name`, `sha256 owner/name`, `package NAME`, `run`.
 */
export interface Template {
  repositories: RepositoryMeta[];
  packages: PackageTemplate[];
  /** The project's configuration, if it needs its own. */
  config?: string;
}

export interface PackageTemplate {
  name: string;
  /** `owner/name` of the source archives that go into it. */
  sources: string[];
  /** Packages of this template that it is built on: left out where they are. */
  needs: string[];
  /** `excluded` and `disabled` are an error, unless the recipe means them. */
  mayBeLeftOut: boolean;
  files: { name: string; text: string }[];
}

const obsName = z.string().regex(/^[A-Za-z0-9][\w.+-]{0,99}$/);
const projectName = z.string().regex(/^[A-Za-z0-9][\w.+-]*(?::[A-Za-z0-9][\w.+-]*)*$/);
const repositoryName = z.string().regex(/^[\w.-]+\/[\w.-]+$/);

const templateFile = z.strictObject({
  repositories: z
    .array(
      z.strictObject({
        name: obsName,
        paths: z.array(z.strictObject({ project: projectName, repository: obsName })).default([]),
        architectures: z.array(obsName).min(1),
      }),
    )
    .default([]),
  packages: z
    .array(
      z.strictObject({
        name: obsName,
        sources: z.array(repositoryName).min(1),
        needs: z.array(obsName).default([]),
        mayBeLeftOut: z.boolean().default(false),
        files: obsName.optional(),
      }),
    )
    .min(1),
  config: obsName.optional(),
});

/** Throws BackendError `misconfigured` that says what is wrong with which file. */
export async function loadTemplate(directory: string): Promise<Template> {
  const file = join(directory, 'template.yaml');
  const wrong = (why: string, cause?: unknown) =>
    new BackendError('misconfigured', `the template ${file}: ${why}`, { cause });
  const text = await readFile(file, 'utf8').catch((error) => {
    throw wrong(`it cannot be read (${error.code ?? error.message})`, error);
  });
  const parsed = templateFile.safeParse(yamlOf(text, wrong));
  if (!parsed.success) throw wrong(z.prettifyError(parsed.error));
  const { repositories, packages, config } = parsed.data;
  const template: Template = {
    repositories,
    config: config === undefined ? undefined : await readFile(join(directory, config), 'utf8'),
    packages: await Promise.all(
      packages.map(async ({ files, ...each }) => ({
        ...each,
        files: await recipeFiles(join(directory, files ?? each.name), wrong),
      })),
    ),
  };
  checkTemplate(template, wrong);
  return template;
}

type Wrong = (why: string, cause?: unknown) => BackendError;

function yamlOf(text: string, wrong: Wrong): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error), error);
  }
}

async function recipeFiles(directory: string, wrong: Wrong): Promise<PackageTemplate['files']> {
  const names = await readdir(directory).catch((error) => {
    throw wrong(`the directory ${directory} cannot be read (${error.code ?? error.message})`, error);
  });
  if (names.length === 0 || names.length > MOST_FILES) throw wrong(`${directory} has ${names.length} files`);
  return await Promise.all(
    names.sort().map(async (name) => {
      const path = join(directory, name);
      const { size } = await stat(path);
      if (size > MOST_FILE_BYTES) throw wrong(`${path} is larger than ${MOST_FILE_BYTES} bytes`);
      return { name, text: await readFile(path, 'utf8') };
    }),
  );
}

const MOST_FILES = 100;
const MOST_FILE_BYTES = 2 ** 20;

const PLACEHOLDER = /\{\{ *(\w+)(?: +([\w./+-]+))? *\}\}/g;

/** All mistakes that an order would run into. */
function checkTemplate({ packages }: Template, wrong: Wrong): void {
  const names = packages.map(({ name }) => name);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double) throw wrong(`two packages are called ${double}`);
  for (const [index, { name, needs, sources, files }] of packages.entries()) {
    const late = needs.find((need) => !names.slice(0, index).includes(need));
    if (late) throw wrong(`${name} needs ${late}, which is no package before it`);
    for (const { name: file, text } of files) {
      for (const [whole, word, argument] of text.matchAll(PLACEHOLDER)) {
        const isRight =
          word === 'run' ||
          (word === 'package' && names.includes(argument ?? '')) ||
          (['archive', 'version', 'sha', 'sha256'].includes(word!) && sources.includes(argument ?? ''));
        if (!isRight) throw wrong(`${name}/${file} says ${whole}, which nothing stands for`);
      }
    }
  }
}

/** What of the template an order can build. Packages whose sources, or whose needs, it lacks are left out. */
export function packagesFor(template: Template, order: Pick<BuildOrder, 'sources'>): PackageTemplate[] {
  const given = new Set(order.sources.map(({ repository }) => repository));
  const chosen: PackageTemplate[] = [];
  for (const each of template.packages) {
    const isWhole = each.needs.every((need) => chosen.some(({ name }) => name === need));
    if (isWhole && each.sources.every((source) => given.has(source))) chosen.push(each);
  }
  return chosen;
}

/** A file to be committed: text of ours, or a source archive. */
export type PackageFile = { name: string; sha256: string; size: number } & (
  | { kind: 'text'; text: string }
  | { kind: 'archive' }
);

/** The files of a package for one order. `suffix` is what its packages' names end with. */
export function filesOf(each: PackageTemplate, order: BuildOrder, suffix: string): PackageFile[] {
  const sourceOf = (repository: string) => order.sources.find((source) => source.repository === repository)!;
  const archives = each.sources.map(sourceOf).map((source): PackageFile => {
    return { kind: 'archive', name: archiveName(source), sha256: source.sha256, size: source.size };
  });
  const recipes = each.files.map(({ name, text: template }): PackageFile => {
    const text = template.replace(PLACEHOLDER, (_, word: string, argument: string) => {
      if (word === 'run') return order.runId;
      return word === 'package' ? `${argument}${suffix}` : wordFor(word, sourceOf(argument));
    });
    const sha256 = createHash('sha256').update(text).digest('hex');
    return { kind: 'text', name, text, sha256, size: Buffer.byteLength(text) };
  });
  return [...archives, ...recipes];
}

function wordFor(word: string, source: OrderedSource): string {
  if (word === 'archive') return archiveName(source);
  if (word === 'version') return `0+git.${source.sha.slice(0, 10)}`;
  return word === 'sha' ? source.sha : source.sha256;
}

/** Says which commit it is of; the packages' managers accept it everywhere. */
const archiveName = ({ repository, sha }: OrderedSource): string =>
  `${repository.split('/').at(-1)!.toLowerCase()}-${sha.slice(0, 10)}.tar.gz`;
