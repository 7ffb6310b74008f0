import { backendContract } from '../../contracts/backend.ts';
import { ObsBench, PROJECT } from './bench.ts';

// A real OBS keeps no files of failed builds, and no directories: the stand-in does, for the contract's sake.
backendContract('obs, a project for each run', async () => {
  // A server whose clock is an hour behind: nothing may depend on ours.
  const bench = await ObsBench.make({ skewSeconds: -3_600 });
  return {
    backend: bench.open(),
    orderThat: async (script) => bench.orderOf(script),
    restart: async () => bench.open(),
    unknownId: `${PROJECT}:RCB:run-none`,
    close: () => bench.close(),
  };
});

backendContract('obs, one standing project', async () => {
  const bench = await ObsBench.make({ longPoll: false });
  bench.obs.addProject(PROJECT, '<repository name="standard"><arch>x86_64</arch></repository>');
  const options = { mode: 'standing', pollMs: 20 } as const;
  return {
    backend: bench.open(options),
    orderThat: async (script) => bench.orderOf(script),
    restart: async () => bench.open(options),
    unknownId: `${PROJECT}/-r0123456789abcdef`,
    close: () => bench.close(),
  };
});
