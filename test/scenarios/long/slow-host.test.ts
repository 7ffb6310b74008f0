import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { StandInAzure } from '../../standins/azure/index.ts';
import { playAgents } from '../../standins/azure/play.ts';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, startWorld, type World } from '../../support/world.ts';

/** Two organisations at Azure, of which one takes what it is asked and does not answer any more. */
describe('a slow organisation', { timeout: 300_000 }, () => {
  const EFFECTS = 4;
  let world: World;
  let slow: StandInAzure;
  let quick: StandInAzure;
  before(async () => {
    [slow, quick] = [await StandInAzure.start(), await StandInAzure.start()];
    playAgents(quick, { stepMs: 5 });
    const azure = (name: string, { url }: StandInAzure) =>
      `{ name: ${name}, kind: azure, url: "${url}", project: raku, pipeline: 7, credentialHosts: ["localhost:*"] }`;
    world = await startWorld({
      yaml: [
        'limits: { writeSpacing: 0, building: 100 }',
        'poll: { azure: 1 }',
        `backends: [${azure('slow', slow)}, ${azure('quick', quick)}, { name: local, kind: local, slots: 2 }]`,
      ].join('\n'),
      env: { AZURE_DEVOPS_TOKEN: 'a-pat-that-is-good', AZURE_HOOK_PASSWORD: 'unused' },
      timing: { effectsAtOnce: EFFECTS },
    });
  });
  after(async () => {
    slow.faults.clear();
    // Whoever waits for an answer gets none.
    await slow.close();
    await world.stop();
    await quick.close();
  });

  const stateOf = (run: RunJson, backend: string) => run.builds.find((build) => build.backend === backend)?.state;

  test('holds up neither the builds of another one nor local ones; its own wait for it', async () => {
    slow.faults.add({ method: 'GET', path: /\/builds\/\d+/, does: 'hang', times: 10_000 });
    // More of its builds are looked at than work is done at once.
    const shas = await Promise.all(
      Array.from({ length: EFFECTS + 1 }, async (_, at) => {
        const head = `branch-${at}`;
        return (await world.github.openPullRequest({ repo: REPO, head, files: { [head]: '1' } })).headSha;
      }),
    );
    const runs = async () => Promise.all(shas.map(async (sha) => (await world.runs(`?sha=${sha}`))[0]));
    await until(async () => {
      const found = await runs();
      return found.every((run) => run && stateOf(run, 'quick') === 'finished' && stateOf(run, 'local') === 'finished');
    }, 200_000);
    for (const run of await runs()) assert.notEqual(stateOf(run!, 'slow'), 'finished');
    // All of them were queued there, and are looked at in turn.
    await until(() => slow.builds.length >= shas.length);
  });
});
