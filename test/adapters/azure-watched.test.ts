import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { jobsOf, logOf, never } from '../contracts/backend.ts';
import { playAgents } from '../standins/azure/play.ts';
import { atEnd, azureStory, seen } from './azure/bench.ts';

const sha = (letter: string): string => letter.repeat(40);

describe('builds that RCB did not start', { concurrency: 3 }, () => {
  azureStory("are those of Azure's own integration, for the watched commits, pushed or proposed", async (bench) => {
    const { azure } = bench;
    const since = azure.now();
    const pushed = azure.queue({ reason: 'individualCI', sourceVersion: sha('a') });
    const proposed = azure.queue({
      reason: 'pullRequest',
      sourceVersion: sha('9'),
      sourceBranch: 'refs/pull/7/merge',
      triggerInfo: { 'pr.sourceSha': sha('b'), 'pr.number': '7' },
    });
    azure.queue({ reason: 'individualCI', sourceVersion: sha('c') });
    azure.queue({ reason: 'manual', sourceVersion: sha('a') });
    const deleted = azure.queue({ reason: 'individualCI', sourceVersion: sha('a') });
    deleted.delete();
    const backend = bench.open();
    const found = await backend.integrationBuilds(
      { shas: [sha('a'), sha('b')], since, repository: 'rakudo/rakudo' },
      never,
    );
    assert.deepEqual(
      found.map(({ externalId, sha, ref, pullRequest, pipeline }) => ({ externalId, sha, ref, pullRequest, pipeline })),
      [
        { externalId: proposed.id, sha: sha('b'), ref: 'refs/pull/7/merge', pullRequest: 7, pipeline: 'rcb' },
        { externalId: pushed.id, sha: sha('a'), ref: 'refs/heads/main', pullRequest: undefined, pipeline: 'rcb' },
      ],
    );
    assert.match(found[0]?.url ?? '', /buildId=/);
    pushed.start().job('Linux').print('hello').finish('succeeded');
    pushed.finish('succeeded');
    assert.deepEqual(
      jobsOf(await atEnd(backend, pushed.id)).map(({ verdict }) => verdict),
      ['passed'],
    );
    assert.deepEqual(seen(bench, /^(POST|PATCH|PUT|DELETE)/), [], 'nothing was changed by watching');
  });

  azureStory('or whose hooks were lost, are found by status and by time', async (bench) => {
    const { azure } = bench;
    azure.mostPerPage = 2;
    const old = azure.queue().start().finish('succeeded');
    const alive = azure.queue().start();
    const waiting = azure.queue();
    for (let many = 0; many < 5; many += 1) azure.queue({ definition: 8 }).finish('failed');
    const since = new Date(azure.now().getTime() + 5_000);
    Object.assign(azure.queue().start().build, { status: 'completed', result: 'failed', finishTime: since });
    const late = azure.builds.at(-1)!;
    const listed = await bench.open().listChanged(since, never);
    const changed = listed.map(({ externalId }) => externalId);
    assert.equal(listed[0]?.subject, `build:azure:rcb-org/${changed[0]}`);
    assert.deepEqual(changed.sort(), [alive.id, waiting.id, String(late.id)].sort());
    assert.ok(!changed.includes(old.id));
  });
});

azureStory('the agents of the demo test on three systems, and one of them may find something', async (bench) => {
  const sendHome = playAgents(bench.azure, { stepMs: 1, fails: ({ system }) => system === 'Windows' });
  try {
    const backend = bench.open();
    const { externalId } = await backend.ensureStarted(bench.order(), never);
    const jobs = jobsOf(await atEnd(backend, externalId));
    assert.deepEqual(
      jobs.map(({ name, verdict, why }) => [name, verdict, why]),
      [
        ['Linux', 'passed', undefined],
        ['macOS', 'passed', undefined],
        ['Windows', 'failed', 'Test Rakudo: Bash exited with code 2.'],
      ],
    );
    assert.match(await logOf(backend, externalId, jobs[2]!), /Test Rakudo\n.*\n(.*\n)*.*Result: FAIL\n$/);
  } finally {
    sendHome();
  }
});
