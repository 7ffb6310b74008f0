import { type LineParts, readLogLine } from './log-line.ts';

/** Which groups and phases of a log are open, line by line: for pages that show a part of it. */

/** Deeper than this, a hostile log builds towers: its lines stay flat. As the script of the page has it. */
export const DEEPEST_FOLD = 8;

/** Lines that may begin or end something have one of these; `readLogLine` knows. */
export const mightFold = (): RegExp =>
  /##\[(?:group|endgroup|section)\]|::(?:group|endgroup)|init_buildsystem |----- building |Executing\(%|debian\/rules |RPMLINT report:|\.{3} comparing built packages/g;

/** It does not matter what was open before it: a phase ends all of that. */
export const isPhaseLine = (text: string): boolean => /phase$/.test(readLogLine(text).fold ?? '');

/** What is open behind these lines, the outermost first: the lines that began it. Others than folds may be left out. */
export function openFolds<T extends { text: string }>(lines: readonly T[]): T[] {
  let open: { line: T; isPhase: boolean }[] = [];
  for (const line of lines) {
    const { fold }: LineParts = readLogLine(line.text);
    if (fold === 'phase') open = [{ line, isPhase: true }];
    if (fold === 'end-phase') open = [];
    if (fold === 'group' && open.length < DEEPEST_FOLD) open.push({ line, isPhase: false });
    if (fold === 'end-group' && open.at(-1)?.isPhase === false) open.pop();
  }
  return open.map(({ line }) => line);
}
