/** What is new about a failure: how the same file did before, in the same job. */

/** How it did in an earlier run of the same job. Neither failed nor passed: it did not run there. */
export interface EarlierOutcome {
  runId: string;
  failed: boolean;
  passed: boolean;
}

export type FailureNews =
  /** It passed just before. */
  | { kind: 'new' }
  /** It has failed in every run since this one; `orEarlier`: as far back as was looked. */
  | { kind: 'since'; runId: string; orEarlier?: true }
  /** Nothing is known from before. */
  | { kind: 'unknown' };

/** `earlier`: of the same branch or pull request, newest first. `main`: the newest of the default branch, which tells
 *  about the first run of a change. `isAll`: there is nothing before the last of `earlier`. */
export function newsOf(
  earlier: readonly EarlierOutcome[],
  main: EarlierOutcome | undefined,
  { isAll }: { isAll: boolean },
): FailureNews {
  const [newest] = earlier;
  if (newest?.failed) return since(earlier, isAll);
  return newest?.passed || main?.passed ? { kind: 'new' } : { kind: 'unknown' };
}

function since(earlier: readonly EarlierOutcome[], isAll: boolean): FailureNews {
  const end = earlier.findIndex(({ failed }) => !failed);
  const chain = end < 0 ? earlier : earlier.slice(0, end);
  const first = { kind: 'since', runId: chain.at(-1)!.runId } as const;
  return end < 0 && !isAll ? { ...first, orEarlier: true } : first;
}
