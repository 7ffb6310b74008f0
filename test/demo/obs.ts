import { join } from 'node:path';
import { type JobContext, type JobScript, startObs } from '../standins/obs/index.ts';
import type { Playground } from './playground.ts';

/** The demo's Open Build Service: packages for two architectures, whose builds find what the change does to the tests. */

const STEP_MS = 250;

export interface DemoObs {
  /** For rcb.yaml. */
  backend: string;
  env: { OBS_USER: string; OBS_PASSWORD: string };
  stop(): Promise<void>;
}

export async function startDemoObs(playground: Playground): Promise<DemoObs> {
  const obs = await startObs({ decide: (job) => scriptOf(job, playground), stepMs: STEP_MS });
  const template = join(import.meta.dirname, 'obs-template');
  return {
    backend: `{ name: obs, kind: obs, url: "${obs.url}", project: "home:acme", template: ${JSON.stringify(template)} }`,
    env: { OBS_USER: obs.user, OBS_PASSWORD: obs.password },
    stop: () => obs.close(),
  };
}

/** What the tests of the change do; without tests there is nothing to build. */
function scriptOf({ files, arch }: JobContext, playground: Playground): JobScript {
  const spec = files.get('rocket.spec')?.toString('utf8') ?? '';
  const kind = playground.kindOf(/^# Of commit ([0-9a-f]+)$/m.exec(spec)?.[1] ?? '');
  if (kind === 'nothing') return { ends: 'excluded' };
  const begin = ['[    1s] + ci/run', '[    2s] ok 1-ignition.sh'];
  if (kind === 'failing' && arch === 'x86_64') {
    return {
      prints: [...begin, '[    3s] not ok 2-thrust.sh', '[    3s] error: Bad exit status (%check)'],
      ends: 'fails',
    };
  }
  const leaves = { [`rocket-1-1.${arch}.rpm`]: `a rocket for ${arch}\n` };
  return { prints: [...begin, '[    3s] ok 2-thrust.sh', '[    4s] Wrote: rocket.rpm'], leaves, ends: 'passes' };
}
