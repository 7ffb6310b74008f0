/** A pipeline whose agents build what the story says, for bots that die meanwhile: it is the witness of what was built. */
import type { BuildDriver } from '../standins/azure/driver.ts';
import { StandInAzure } from '../standins/azure/index.ts';
import type { RunJson } from '../support/world.ts';
import type { Verdict } from './judge.ts';
import type { How } from './story.ts';

export const AZURE_TOKEN = 'a-pat-that-is-good';
const STEP_MS = 150;
const LINES = ['the first line', 'the last line'];
const REPORT = '<testsuites/>';

export class ChaosAzure {
  readonly #azure: StandInAzure;
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(azure: StandInAzure, howOf: (sha: string) => How) {
    this.#azure = azure;
    // The sources carry no version: their sha stands for it.
    azure.onQueued = (build) => this.#play(build, howOf(build.build.templateParameters['toolVersion']!));
  }

  static async start(howOf: (sha: string) => How): Promise<ChaosAzure> {
    return new ChaosAzure(await StandInAzure.start(), howOf);
  }

  /** For rcb.yaml. */
  get backend(): string {
    return `{ name: azure, kind: azure, url: "${this.#azure.url}", project: raku, pipeline: 7, credentialHosts: ["localhost:*"] }`;
  }

  /** The answers to the next orders do not come: the builds are queued, and nobody is told. */
  loseAnswers(times: number): void {
    this.#azure.faults.add({ method: 'POST', path: /\/_apis\/build\/builds(\?|$)/i, does: 'drop-after', times });
  }

  isBegun(sha: string): boolean {
    return this.#azure.builds.some(({ templateParameters }) => templateParameters['toolVersion'] === sha);
  }

  /** By run: how many builds were queued for it. */
  begun(): Map<string, number> {
    const begun = new Map<string, number>();
    for (const { templateParameters } of this.#azure.builds) {
      const run = templateParameters['rcbRun']!;
      begun.set(run, (begun.get(run) ?? 0) + 1);
    }
    return begun;
  }

  /** What was said and left is in the archive once; and nothing runs on that nobody waits for. */
  async judge(
    runs: RunJson[],
    textAt: (path: string) => Promise<string>,
    { lost, duplicated }: Verdict,
  ): Promise<void> {
    for (const { id, status } of this.#azure.builds) {
      if (status !== 'completed') lost.push(`build ${id} at Azure is ${status}`);
    }
    for (const run of runs.filter(({ verdict }) => verdict === 'passed' || verdict === 'failed')) {
      for (const job of run.builds.flatMap(({ jobs }) => jobs)) {
        const label = `"${job.name}" of run ${run.id}`;
        const log = job.logUrl ? await textAt(new URL(job.logUrl).pathname) : '';
        for (const line of LINES) {
          const times = log.split(line).length - 1;
          if (times === 0) lost.push(`the log of ${label} has not "${line}"`);
          if (times > 1) duplicated.push(`the log of ${label} has "${line}" ${times} times`);
        }
        const [report, ...others] = job.artifacts;
        if (others.length > 0) duplicated.push(`${label} has ${job.artifacts.length} artifacts`);
        const text = report && (await textAt(new URL(report.url).pathname));
        if (text !== REPORT) lost.push(`${label} has not its report, but ${text}`);
      }
    }
  }

  async stop(): Promise<void> {
    this.#azure.onQueued = () => {};
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#azure.close();
  }

  #play(build: BuildDriver, how: How): void {
    const steps = [() => build.start().job('Linux').print(LINES[0]!), () => this.#end(build, how)];
    // Long enough to be superseded.
    const waits = [STEP_MS, how === 'passes slowly' ? 2_000 : STEP_MS];
    const next = (): void => {
      const step = steps.shift();
      if (!step) return;
      this.#later(waits.shift()!, () => {
        // Cancelled meanwhile.
        if (build.build.status === 'completed') return;
        step();
        next();
      });
    };
    next();
  }

  #end(build: BuildDriver, how: How): void {
    const result = how === 'fails' ? 'failed' : 'succeeded';
    const job = build.job('Linux').print(LINES[1]!);
    job.publish('results-Linux-1', [{ name: 'junit.xml', contents: REPORT }]).finish(result);
    build.finish(result);
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }
}
