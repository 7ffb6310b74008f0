import type { BuildDriver } from './driver.ts';
import type { StandInAzure } from './index.ts';

export interface PlayedBuild {
  parameters: Record<string, string>;
  system: 'Linux' | 'macOS' | 'Windows';
}

const SYSTEMS = ['Linux', 'macOS', 'Windows'] as const;
const STEPS = ['Fetch and verify the sources', 'Build MoarVM', 'Build NQP', 'Build Rakudo', 'Test NQP', 'Test Rakudo'];

export interface Agents {
  stepMs: number;
  fails?(build: PlayedBuild): boolean;
  /** The pipeline finds nothing to do: the build has no jobs. */
  isEmpty?(parameters: Record<string, string>): boolean;
}

/**
 * Agents that do what azure-pipelines.rcb.yml says, one step every `stepMs`: for the demo, where somebody is looking.
 * Returns how to send them home.
 */
export function playAgents(
  azure: StandInAzure,
  { stepMs, fails = () => false, isEmpty = () => false }: Agents,
): () => void {
  const timers = new Set<NodeJS.Timeout>();
  const later = (act: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, stepMs);
    timers.add(timer);
  };
  azure.onQueued = (build) =>
    later(() => {
      if (isEmpty(build.build.templateParameters)) build.start().finish('succeeded');
      else play(build, fails, later);
    });
  return () => {
    azure.onQueued = () => {};
    for (const timer of timers) clearTimeout(timer);
  };
}

function play(build: BuildDriver, fails: (build: PlayedBuild) => boolean, later: (act: () => void) => void): void {
  if (build.build.status === 'completed') return; // Cancelled before an agent took it.
  build.start();
  for (const system of SYSTEMS) build.job(system).start();
  const next = (step: number): void => {
    if (build.build.status === 'completed') return;
    if (step === STEPS.length) {
      end(build, fails);
      return;
    }
    for (const system of SYSTEMS) {
      build
        .job(system)
        .step(STEPS[step]!)
        .print(`##[section]Starting: ${STEPS[step]}`, ...linesOf(step));
    }
    later(() => next(step + 1));
  };
  next(0);
}

const linesOf = (step: number): string[] =>
  Array.from({ length: 5 }, (_, line) => (step < 4 ? `cc -c part-${line}.c` : `t/${line}-basic.t .. ok`));

function end(build: BuildDriver, fails: (build: PlayedBuild) => boolean): void {
  const { templateParameters: parameters } = build.build;
  const failed = SYSTEMS.filter((system) => fails({ parameters, system }));
  for (const system of SYSTEMS) {
    const job = build.job(system).publish(`results-${system}-1`, [{ name: 'junit.xml', contents: '<testsuites/>' }]);
    if (failed.includes(system))
      job.print('t/9-odd.t .. FAIL', 'Result: FAIL').finish('failed', 'Bash exited with code 2.');
    else job.print('Result: PASS').finish('succeeded');
  }
  build.finish(failed.length > 0 ? 'failed' : 'succeeded');
}
