import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parameterPrefix, templateParameters } from '../../src/backends/azure/dispatch.ts';
import { BackendError } from '../../src/backends/backend.ts';
import { never } from '../contracts/backend.ts';
import { AzureBench, azureStory, posts, seen } from './azure/bench.ts';

const fails = (kind: BackendError['kind'], words: RegExp, retry?: boolean) => (error: unknown) => {
  assert.ok(error instanceof BackendError, String(error));
  assert.equal(error.kind, kind, error.message);
  assert.match(error.message, words);
  if (retry !== undefined) assert.equal(error.retry, retry);
  return true;
};

describe('an order to Azure', { concurrency: 3 }, () => {
  azureStory('carries the run, the changed repository, and the archive of each', async (bench) => {
    const order = bench.order();
    order.sources[0]!.version = '2026.08-12-gabc1234';
    const { externalId, url } = await bench.open({ branch: 'refs/heads/ci' }).ensureStarted(order, never);
    const { build } = bench.azure.driver(externalId);
    assert.equal(build.sourceBranch, 'refs/heads/ci');
    assert.match(url ?? '', new RegExp(`/_build/results\\?buildId=${externalId}$`));
    assert.deepEqual(build.templateParameters, {
      rcbKey: order.key,
      rcbRun: order.runId,
      rcbChanged: 'rakudo',
      rakudoUrl: order.sources[0]!.url,
      rakudoSha256: 'b'.repeat(64),
      rakudoVersion: '2026.08-12-gabc1234',
      nqpUrl: order.sources[1]!.url,
      nqpSha256: 'b'.repeat(64),
      nqpVersion: 'a'.repeat(40),
      moarvmUrl: order.sources[2]!.url,
      moarvmSha256: 'b'.repeat(64),
      moarvmVersion: 'a'.repeat(40),
    });
  });

  for (const does of ['drop-after', 'half'] as const) {
    azureStory(`is not started twice when its answer is lost (${does})`, async (bench) => {
      bench.azure.faults.add({ method: 'POST', does });
      const order = bench.order();
      const { externalId } = await bench.open().ensureStarted(order, never);
      assert.equal((await bench.open().ensureStarted(order, never)).externalId, externalId);
      assert.deepEqual([bench.azure.builds.length, posts(bench)], [1, 1]);
    });
  }

  azureStory('is not started twice when the answer to it is late', async (bench) => {
    bench.azure.faults.add({ method: 'POST', does: 'hang' });
    const order = bench.order();
    const impatient = bench.open({ timeoutMs: 1_500 });
    await assert.rejects(
      impatient.ensureStarted(order, never),
      fails('unreachable', /not known.*1\.5 s.*looked for/, true),
    );
    const late = bench.azure.queue({ templateParameters: { rcbKey: order.key } });
    assert.equal((await bench.open().ensureStarted(order, never)).externalId, late.id);
  });

  azureStory('that came through twice goes on once, as the first', async (bench) => {
    const order = bench.order();
    const twice = [1, 2].map(() => bench.azure.queue({ templateParameters: { rcbKey: order.key } }));
    assert.equal((await bench.open().ensureStarted(order, never)).externalId, twice[0]!.id);
    assert.deepEqual(
      twice.map(({ build }) => build.result),
      [null, 'canceled'],
    );
  });

  azureStory('is found behind many other builds, page by page', async (bench) => {
    bench.azure.mostPerPage = 3;
    const order = bench.order();
    const mine = bench.azure.queue({ templateParameters: { rcbKey: order.key } });
    for (let others = 0; others < 10; others += 1) bench.azure.queue().finish('succeeded');
    assert.equal((await bench.open().ensureStarted(order, never)).externalId, mine.id);
    assert.equal(posts(bench), 0);
  });

  azureStory('that was refused before it was done is tried again', async (bench) => {
    bench.azure.faults.add({ method: 'POST', does: 'status', status: 503 });
    const order = bench.order();
    const backend = bench.open();
    await assert.rejects(backend.ensureStarted(order, never), fails('unreachable', /503/, true));
    await backend.ensureStarted(order, never);
    assert.equal(bench.azure.builds.length, 1);
  });

  azureStory('for a project, a pipeline, with credentials that are wrong says which', async (bench) => {
    const order = bench.order();
    const start = (options: object) => bench.open(options).ensureStarted(order, never);
    await assert.rejects(start({ project: 'perl' }), fails('misconfigured', /no project "perl".*rcb\.yaml/, false));
    await assert.rejects(start({ pipeline: 8 }), fails('misconfigured', /no pipeline 8/, false));
    const expired = { credentials: { kind: 'pat', token: 'an-old-pat' } };
    for (const signIn of ['page', 'redirect'] as const) {
      bench.azure.signIn = signIn;
      await assert.rejects(start(expired), fails('misconfigured', /AZURE_DEVOPS_TOKEN/, true));
    }
    bench.azure.faults.add({ method: 'POST', does: 'status', status: 403 });
    await assert.rejects(start({}), fails('misconfigured', /read & execute/, true));
    assert.equal(bench.azure.builds.length, 0);
  });

  azureStory("that the pipeline does not take is refused in Azure's words", async (bench) => {
    bench.azure.project.definitions[0]!.parameters = new Set(['rcbKey', 'rcbRun', 'rcbChanged']);
    await assert.rejects(
      bench.open().ensureStarted(bench.order(), never),
      fails('refused', /Unexpected parameter 'rakudoUrl'/),
    );
  });

  azureStory('from outside goes only to pipelines without secrets', async (bench) => {
    const order = bench.order({ untrusted: true });
    await assert.rejects(bench.open().ensureStarted(order, never), fails('refused', /secrets: none/, false));
    assert.equal(bench.azure.requests.length, 0);
    await bench.open({ secrets: 'none' }).ensureStarted(order, never);
    assert.equal(bench.azure.builds.length, 1);
  });

  azureStory('asks for builds in an order, of the pipeline, since a day ago', async (bench) => {
    await bench.open().ensureStarted(bench.order(), never);
    const [list] = seen(bench, /^GET .*\/build\/builds\?/);
    assert.match(list ?? '', /definitions=7&queryOrder=queueTimeDescending&minTime=20/);
  });
});

test('two repositories that would share parameters are refused, as is one without a name', async () => {
  const bench = new AzureBench(undefined as never);
  const order = bench.order();
  order.sources[1]!.repository = 'somebody/Rakudo';
  assert.throws(() => templateParameters(order), fails('refused', /"rakudo"/));
  assert.throws(() => parameterPrefix('x/---'), fails('misconfigured', /x\/---/));
  assert.throws(
    () => templateParameters({ ...order, sources: [{ ...order.sources[0]!, url: undefined }] }),
    BackendError,
  );
});
