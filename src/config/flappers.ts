import { z } from 'zod';
import type { KnownFlapper } from '../core/flapper.ts';
import { matchesAny } from '../core/globs.ts';
import { didYouMean, type Mistake, oneOf, shown } from './mistake.ts';
import { listOf, repository, text, word } from './schema-parts.ts';
import { formatPath, type Path, parseYamlFile, type YamlFile } from './yaml-file.ts';

/**
 * The list of known flappers, in rcb.yaml and in the file that a repository may have of its own (`.rcb/flappers.yml`):
 *
 *     - name: t/spec/S17-procasync/kill.t      # a path, or a glob
 *       platforms: ["*Windows*"]
 *       issue: https://github.com/rakudo/rakudo/issues/4212
 *       since: 2026-01-01
 *       until: 2026-12-31
 *       rerun: off
 */

export const mostFlappers = 1_000;

/** Whoever lists every file lists none: a failure would never count at its first time. */
const ANY_FILE = ['0q9z.t', 't/0q9z.t', 't/0q9z/0q9z.t'];

const nameExpected = 'the path of a test file, or a glob that does not stand for all of them';
const name = text(nameExpected, /^(?![./\\])[^\p{Cc}\\]+$/u).refine((given) => !ANY_FILE.some(isIn(given)), {
  error: nameExpected,
});

function isIn(glob: string) {
  return (file: string): boolean => matchesAny([glob], file);
}

const dayExpected = 'a day like 2026-11-21';
const day = text(dayExpected, /^\d{4}-\d\d-\d\d$/).refine(isDay, { error: dayExpected });

function isDay(given: string): boolean {
  const at = new Date(`${given}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(given);
}

const issueExpected = 'the http or https address of an issue';
const issue = text(issueExpected, /^https?:\/\/[^\s\p{Cc}]+$/u).refine((given) => URL.canParse(given), {
  error: issueExpected,
});

const entry = z
  .strictObject(
    {
      name,
      repository: repository.optional(),
      platforms: listOf(text('a glob over names of jobs', /^[^\p{Cc}]+$/u), 'globs')
        .min(1, { error: 'a list of globs, one at least' })
        .optional(),
      issue: issue.optional(),
      since: day.optional(),
      until: day.optional(),
      rerun: word(['once', 'off']).optional(),
    },
    { error: 'a map with the key name' },
  )
  .refine(({ since, until }) => !since || !until || since <= until, {
    error: 'a day that is not before since',
    path: ['until'],
  });

const listExpected = `a list of at most ${mostFlappers} flappers`;
export const flapperList = z
  .array(entry, { error: 'a list of flappers' })
  .max(mostFlappers, { error: listExpected }) satisfies z.ZodType<KnownFlapper[]>;

export const flapperKeys = ['name', 'repository', 'platforms', 'issue', 'since', 'until', 'rerun'];

export type FlapperFile = { known: KnownFlapper[] } | { mistakes: Mistake[] };

/** A repository's own list, of untrusted shape; an empty file is an empty list. Nothing throws. */
export function parseFlapperFile(file: string, bytes: Uint8Array): FlapperFile {
  const yaml = parseYamlFile(file, bytes);
  const parsed = flapperList.safeParse(yaml.value ?? []);
  const issues = yaml.mistakes.length === 0 ? (parsed.error?.issues ?? []) : [];
  const mistakes = [...yaml.mistakes, ...issues.flatMap((each) => mistakesOf(each, yaml, file))];
  return parsed.success && mistakes.length === 0 ? { known: parsed.data } : { mistakes };
}

function mistakesOf(found: z.core.$ZodIssue, yaml: YamlFile, file: string): Mistake[] {
  const at = (path: Path) => ({ file, ...yaml.locate(path), key: formatPath(path) });
  if (found.code === 'unrecognized_keys') {
    return found.keys.map((key) => {
      const hint = didYouMean(key, flapperKeys);
      return {
        ...at([...found.path, key]),
        found: 'an unknown key',
        expected: oneOf(flapperKeys),
        ...(hint && { hint }),
      };
    });
  }
  return [{ ...at(found.path), found: shown(valueAt(yaml.value, found.path)), expected: found.message }];
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (at, step) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, step)
        ? (at as Record<PropertyKey, unknown>)[step]
        : undefined,
    value,
  );
