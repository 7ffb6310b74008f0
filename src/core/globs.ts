import picomatch from 'picomatch';

/** Whether one of the globs matches the whole name. A single `*` matches slashes too, so that `*` means every branch. */
export function matchesAny(globs: readonly string[], name: string): boolean {
  return globs.some((glob) => glob === name || picomatch.isMatch(name, glob, { bash: true, dot: true }));
}
