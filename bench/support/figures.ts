/** Figures of a benchmark: how they are reduced, and the one line in which they are told. */

export function percentile(values: number[], share: number): number {
  if (values.length === 0) throw new Error('There is nothing to take a percentile of.');
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}

export const median = (values: number[]): number => percentile(values, 0.5);

/** To what a person can compare: three significant digits, at least. */
export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

/** p50, p99 and how many, of times in milliseconds. */
export const latency = (times: number[]) => ({
  p50: round(percentile(times, 0.5)),
  p99: round(percentile(times, 0.99)),
  count: times.length,
});

/** What a person wants to see while it runs; standard output is for the one line. */
export const say = (text: string): void => console.error(text);

/** The line, and the only one on standard output. */
export function tell(bench: string, figures: object): void {
  console.log(JSON.stringify({ bench, ...figures }));
}

type Measures = Record<string, () => Promise<unknown>>;
type Measured<M extends Measures> = { [Name in keyof M]: Awaited<ReturnType<M[Name]>>[] };

/** One after another, again and again: whatever else the machine does meets all of them. Answers what each measured. */
export async function interleaved<M extends Measures>(measures: M, rounds: number): Promise<Measured<M>> {
  const results = Object.fromEntries(Object.keys(measures).map((name) => [name, [] as unknown[]]));
  for (let round = 0; round < rounds; round += 1) {
    // Who comes first in one round comes last in the next.
    const names = round % 2 === 0 ? Object.keys(measures) : Object.keys(measures).toReversed();
    for (const name of names) results[name]!.push(await measures[name]!());
  }
  return results as Measured<M>;
}
