import { type BackendUnderTest, type BuildScript, backendContract } from '../contracts/backend.ts';
import type { BuildDriver } from '../standins/azure/driver.ts';
import { AzureBench } from './azure/bench.ts';

/** An agent that does what the script says as soon as the build is queued. */
function play(build: BuildDriver, { prints = [], leaves = {}, ends }: BuildScript): void {
  const job = build.start().job('Linux').start();
  job.print(...prints);
  const files = Object.entries(leaves).map(([name, contents]) => ({ name, contents }));
  if (files.length > 0) job.publish('out', files);
  if (ends === 'never') return;
  const result = ends === 'passes' ? 'succeeded' : 'failed';
  job.finish(result, ends === 'fails' ? 'Bash exited with code 2' : undefined);
  build.finish(result);
}

backendContract('azure', async (): Promise<BackendUnderTest> => {
  const bench = await AzureBench.make();
  const scripts = new Map<string, BuildScript>();
  bench.azure.onQueued = (build) => {
    const script = scripts.get(build.build.templateParameters['rcbKey'] ?? '');
    if (script) play(build, script);
  };
  const open = () => bench.open({ timestamps: 'strip' });
  return {
    backend: open(),
    orderThat: async (script) => {
      const order = bench.order();
      scripts.set(order.key, script);
      return order;
    },
    restart: async () => open(),
    unknownId: '999999',
    close: () => bench.close(),
  };
});
