import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { FactTotals, Measures } from './reader.ts';
import { shared } from './shared.ts';

/** A rate limit as GitHub last told it, by installation (`anonymous` without one). */
export interface Budget {
  installation: string;
  remaining: number;
}

export interface MetricsOptions {
  measures(): Promise<Measures>;
  budgets(): Budget[];
  archiveUsage(): Promise<{ blobs: number; logs: number }>;
}

/** Prometheus' text format. Everything is read when it is asked for: what nobody scrapes costs nothing. */
export function createMetrics(options: MetricsOptions): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'rcb_' });
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `rcb_${name}`, help, labelNames, registers: [registry] });
  const rows = gauge('queue_rows', 'Events and effects that are not done', ['table', 'state', 'kind']);
  const oldest = gauge('queue_oldest_seconds', 'Age of the oldest row that is due');
  const retrying = gauge('queue_retrying_rows', 'Rows that are due and were tried before');
  const lanes = gauge('effects_by_lane', 'Effects that are not done, by the kind of their lane', ['lane', 'state']);
  const facts = gauge('facts_told', 'Facts first told in the last hour; by poll alone: repaired', ['by']);
  const lag = gauge('fact_lag_seconds', 'From a fact to its hook, or to the poll where no hook told it, of this hour', [
    'source',
    'quantile',
  ]);
  const catchUp = gauge('catch_up_waiting_runs', 'Runs that an absence left, and that wait for their turn');
  const held = gauge('builds_held', 'Builds that wait until fewer runs are being built');
  const lookAge = gauge('poll_age_seconds', 'Since a repository was last looked at with success', ['repository']);
  const troubled = gauge('polls_in_trouble', 'Repositories whose lists could not be read at the last look');
  const builds = gauge('builds', 'Builds by state', ['backend', 'state']);
  const budget = gauge('github_budget_remaining', 'Requests left in this hour, as GitHub last said', ['installation']);
  const archive = gauge('archive_bytes', 'Bytes in the archive', ['kind']);

  function setFacts({ hookOnly, pollOnly, both, lagByHook, lagByPollOnly }: FactTotals): void {
    for (const [by, count] of Object.entries({ hook: hookOnly, poll: pollOnly, both })) facts.set({ by }, count);
    for (const [source, told] of Object.entries({ hook: lagByHook, poll: lagByPollOnly })) {
      if (!told) continue;
      lag.set({ source, quantile: '0.5' }, told.p50);
      lag.set({ source, quantile: '0.99' }, told.p99);
    }
  }

  // Anybody may ask, and the whole database is counted.
  return shared(async () => {
    const [measures, usage] = await Promise.all([options.measures(), options.archiveUsage()]);
    for (const each of [rows, lanes, lag, lookAge, builds, budget, archive]) each.reset();
    for (const { rows: count, ...labels } of measures.queue) rows.set(labels, count);
    for (const { rows: count, ...labels } of measures.lanes) lanes.set(labels, count);
    setFacts(measures.facts);
    catchUp.set(measures.waiting.catchUp);
    held.set(measures.waiting.held);
    for (const { repository, seconds } of measures.lookAges) lookAge.set({ repository }, seconds);
    troubled.set(measures.pollsInTrouble);
    for (const { builds: count, ...labels } of measures.builds) builds.set(labels, count);
    for (const { installation, remaining } of options.budgets()) budget.set({ installation }, remaining);
    oldest.set(measures.oldestSeconds);
    retrying.set(measures.retrying);
    archive.set({ kind: 'blobs' }, usage.blobs);
    archive.set({ kind: 'logs' }, usage.logs);
    return registry.metrics();
  });
}
