import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { getPersonalAccessTokenHandler, WebApi } from 'azure-devops-node-api';
import type { IBuildApi } from 'azure-devops-node-api/BuildApi.js';
import {
  BuildQueryOrder,
  BuildResult,
  BuildStatus,
  StageUpdateType,
  TaskResult,
} from 'azure-devops-node-api/interfaces/BuildInterfaces.js';
import { StandInAzure } from './index.ts';

/**
 * The client that Microsoft publishes, against the stand-in: what it was seen to do against another fake (facts, 2) it must
 * do here. Where its answers cannot be told apart is why the adapter uses its connections and not its typed methods.
 */
const story = (title: string, tell: (azure: StandInAzure, api: IBuildApi) => Promise<void>) =>
  test(title, async () => {
    const azure = await StandInAzure.start();
    try {
      await tell(azure, await apiOf(azure));
    } finally {
      await azure.close();
    }
  });

const apiOf = (azure: StandInAzure, token = 'a-pat-that-is-good') =>
  new WebApi(azure.url, getPersonalAccessTokenHandler(token)).getBuildApi();

describe("the stand-in Azure, asked by Microsoft's own client", { concurrency: 3 }, () => {
  story('discovery leads to a build that is queued, read, and cancelled by number', async (azure, api) => {
    const queued = await api.queueBuild({ definition: { id: 7 }, templateParameters: { rcbKey: 'k' } }, 'raku');
    assert.deepEqual([queued.status, queued.templateParameters], [BuildStatus.NotStarted, { rcbKey: 'k' }]);
    const paths = azure.requests.map(({ method, url }) => `${method} ${url}`);
    assert.deepEqual(paths.slice(0, 3), [
      'OPTIONS /_apis/Location',
      'GET /_apis/ResourceAreas',
      'OPTIONS /_apis/build',
    ]);
    const cancelled = await api.updateBuild({ status: BuildStatus.Cancelling }, 'raku', queued.id!);
    assert.deepEqual([cancelled.status, cancelled.result], [BuildStatus.Completed, BuildResult.Canceled]);
  });

  story('null is both what is not there and a token that is no good', async (azure, api) => {
    assert.equal(await api.getBuild('raku', 12345), null);
    assert.equal(await api.queueBuild({ definition: { id: 8 } }, 'raku'), null);
    azure.faults.add({ does: 'sign-in', path: /builds/i });
    assert.equal(await api.getBuild('raku', azure.queue().build.id), null);
  });

  story('a result that the client does not know becomes "succeeded"', async (azure, api) => {
    const build = azure.queue().start();
    build.job('Linux').start().finish('vaporised');
    const timeline = await api.getBuildTimeline('raku', build.build.id);
    assert.equal(timeline.records?.find(({ type }) => type === 'Job')?.result, TaskResult.Succeeded);
  });

  story('numbers and words are understood in filters; running builds hide without an order', async (azure, api) => {
    const running = azure.queue().start();
    for (const _ of [1, 2, 3]) azure.queue().finish('succeeded');
    const ids = async (...query: Parameters<IBuildApi['getBuilds']>) =>
      (await api.getBuilds(...query)).map(({ id }) => id);
    const none = undefined;
    const top = (status: BuildStatus | undefined, most: number | undefined, order: BuildQueryOrder | undefined) =>
      ids('raku', [7], none, none, none, none, none, none, status, none, none, none, most, none, none, none, order);
    assert.ok(!(await top(none, 3, none)).includes(running.build.id));
    assert.deepEqual(await top(BuildStatus.InProgress, none, none), [running.build.id]);
    assert.equal((await top(none, none, BuildQueryOrder.QueueTimeAscending))[0], running.build.id);
  });

  story('one address of a log answers text, lines from a line on, or JSON', async (azure, api) => {
    const build = azure.queue().start();
    build.job('Linux').print('one', 'two', 'three').finish('succeeded');
    assert.match(await text(await api.getBuildLog('raku', build.build.id, 1)), /^\uFEFF?\d{4}-\S+Z one\r\n/);
    assert.deepEqual(
      (await api.getBuildLogLines('raku', build.build.id, 1, 2)).map((line) => line.replace(/^\S+ /, '')),
      ['two', 'three'],
    );
    const zip = (await api.getBuildLogsZip('raku', build.build.id)) as NodeJS.ReadableStream;
    assert.match((await text(zip)).slice(0, 2), /^PK$/);
  });

  story('a stream of an error is a stream', async (_azure, api) => {
    const stream = (await api.getBuildLog('raku', 12345, 1)) as NodeJS.ReadableStream & { statusCode: number };
    assert.equal(stream.statusCode, 404);
    assert.match(await text(stream), /BuildNotFoundException/);
  });

  story('one address of an artifact answers what it is, or its contents', async (azure, api) => {
    const build = azure.queue().start();
    build
      .job('Linux')
      .start()
      .publish('logs', [{ name: 'logs/a.txt', contents: 'a' }], 'Container');
    const artifact = await api.getArtifact('raku', build.build.id, 'logs');
    assert.equal(artifact.resource?.type, 'Container');
    const zip = (await api.getArtifactContentZip('raku', build.build.id, 'logs')) as NodeJS.ReadableStream;
    assert.match(await text(zip), /^PK/);
  });

  story(
    'a stage is retried: the same build, a new attempt, the old one in a timeline of its own',
    async (azure, api) => {
      const build = azure.queue().start();
      build.job('Linux').start().finish('failed', 'no');
      build.finish('failed');
      await api.updateStage(
        { state: StageUpdateType.Retry, forceRetryAllJobs: false },
        build.build.id,
        '__default',
        'raku',
      );
      const job = (await api.getBuildTimeline('raku', build.build.id)).records?.find(({ type }) => type === 'Job');
      assert.equal(job?.attempt, 2);
      const before = await api.getBuildTimeline('raku', build.build.id, job.previousAttempts?.[0]?.timelineId);
      assert.equal(before.records?.find(({ type }) => type === 'Job')?.result, TaskResult.Failed);
    },
  );

  story('429 is an error with its headers, 200 with Retry-After a result with them', async (azure, api) => {
    const { build } = azure.queue();
    azure.faults.add({ does: 'status', path: /builds/i, status: 429, headers: { 'retry-after': '7' } });
    await assert.rejects(api.getBuild('raku', build.id), (error: { statusCode?: number; responseHeaders?: object }) => {
      assert.deepEqual(
        [error.statusCode, (error.responseHeaders as Record<string, string>)['retry-after']],
        [429, '7'],
      );
      return true;
    });
    azure.faults.add({ does: 'headers', path: /builds/i, headers: { 'retry-after': '3' } });
    const read = (await api.getBuild('raku', build.id)) as { id?: number; rateLimit?: { retryAfter?: unknown } };
    assert.equal(read.id, build.id);
    assert.equal(Number(read.rateLimit?.retryAfter), 3);
  });
});
