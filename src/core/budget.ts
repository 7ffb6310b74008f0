/** What a forge still lets an installation ask in this hour. `resetAt`: when it is whole again. */
export interface Budget {
  remaining: number;
  limit: number;
  resetAt?: Date;
}

/** Polls give way before the work of hooks does: under half of the budget every second one is left out, under a quarter
 *  three of four, under a tenth all of them until it is renewed. `turn`: counts the intervals. */
export function mayPoll(budget: Budget | undefined, turn: number, now: Date): boolean {
  if (!budget || budget.limit <= 0) return true;
  if (budget.resetAt && budget.resetAt <= now) return true;
  const left = budget.remaining / budget.limit;
  if (left < 0.1) return false;
  if (left < 0.25) return turn % 4 === 0;
  return left >= 0.5 || turn % 2 === 0;
}
