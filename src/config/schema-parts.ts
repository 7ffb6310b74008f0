import { z } from 'zod';
import { oneOf } from './mistake.ts';

/** What schemas of files are made of. Each one's message is what is expected there, as the end of a sentence. */

export const text = (expected: string, pattern: RegExp) => {
  const error = { error: expected };
  return z.string(error).max(200, error).regex(pattern, error);
};

export const wholeNumber = (least: number, most: number) => {
  const error = { error: `a whole number from ${least} to ${most}` };
  return z.int(error).min(least, error).max(most, error);
};

export const word = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, { error: oneOf(words) });

export const listOf = <Item extends z.ZodType>(item: Item, of: string) => z.array(item, { error: `a list of ${of}` });

export const glob = text('a glob like release-*', /^[^\s\p{Cc}]+$/u);
export const globs = listOf(glob, 'globs');

export const section = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, { error: `a map of ${Object.keys(shape).join(', ')}` });

const repositoryPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,38}\/(?!\.{1,2}$)[\w.-]{1,100}$/;
export const repository = text('a repository as owner/name', repositoryPattern);

const pathExpected = 'a relative path like tools/REVISION';
export const relativePath = text(pathExpected, /^(?!\/)(?!.*(?:^|\/)\.\.?(?:\/|$))(?!.*\/\/)[^\p{Cc}\\]+$/u);
