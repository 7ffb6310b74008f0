import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Measures } from './reader.ts';

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
  const lag = gauge('fact_lag_seconds', 'From a fact to its telling, over the last hour', ['source', 'quantile']);
  const builds = gauge('builds', 'Builds by state', ['backend', 'state']);
  const budget = gauge('github_budget_remaining', 'Requests left in this hour, as GitHub last said', ['installation']);
  const archive = gauge('archive_bytes', 'Bytes in the archive', ['kind']);

  return async () => {
    const [measures, usage] = await Promise.all([options.measures(), options.archiveUsage()]);
    for (const each of [rows, lanes, lag, builds, budget, archive]) each.reset();
    for (const { rows: count, ...labels } of measures.queue) rows.set(labels, count);
    for (const { rows: count, ...labels } of measures.lanes) lanes.set(labels, count);
    for (const { source, p50, p99 } of measures.lags) {
      lag.set({ source, quantile: '0.5' }, p50);
      lag.set({ source, quantile: '0.99' }, p99);
    }
    for (const { builds: count, ...labels } of measures.builds) builds.set(labels, count);
    for (const { installation, remaining } of options.budgets()) budget.set({ installation }, remaining);
    oldest.set(measures.oldestSeconds);
    retrying.set(measures.retrying);
    archive.set({ kind: 'blobs' }, usage.blobs);
    archive.set({ kind: 'logs' }, usage.logs);
    return registry.metrics();
  };
}
