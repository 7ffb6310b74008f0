/**
 * How soon people see that something happens (`npm run bench:latency`):
 *
 * - hook → check: from the arrival of a pull request's hook at the bot to the end of the stand-in GitHub's answer that
 *   the check was created. The bot and the stand-in share this process, and its core. Each pull request finds an idle
 *   bot; the first of all also has to log in to its installation.
 * - push → log: from the start of `git push` to a plain repository, hook and all, to the first line of its build's log
 *   at the site.
 */
import diagnostics from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startPlainWorld } from '../test/support/plain-world.ts';
import { until } from '../test/support/until.ts';
import { REPO, script, startWorld, type World } from '../test/support/world.ts';
import { latency, round, say, tell } from './support/figures.ts';
import { serverSettings, serverUrl } from './support/server.ts';

const PULL_REQUESTS = 150;
const PULL_REQUESTS_MS = 60_000;
const PUSHES = 12;
const PUSHES_MS = 15_000;

const postgres = await serverSettings(serverUrl());
const checks = await hookToCheck();
const lines = await pushToLine();
const first = checks.shift()!;
tell('latency', {
  hookToCheckMs: { ...latency(checks), firstOfAll: round(first) },
  pushToFirstLogLineMs: latency(lines),
  postgres,
});

async function hookToCheck(): Promise<number[]> {
  const world = await startWorld({ files: { 'ci/run': script('true') } });
  try {
    await world.quiet();
    const times: number[] = [];
    const begun = performance.now();
    while (times.length <= PULL_REQUESTS && performance.now() - begun < PULL_REQUESTS_MS) {
      times.push(await timeOfCheck(world, `change-${times.length}`));
      await world.quiet();
    }
    say(`hook to check: ${times.map(round).join(' ')} ms`);
    return times;
  } finally {
    await world.stop();
  }
}

async function timeOfCheck(world: World, head: string): Promise<number> {
  const { promise: received, resolve: onHook } = Promise.withResolvers<number>();
  const { promise: created, resolve: onCheck } = Promise.withResolvers<number>();
  const isHook = ({ headers }: IncomingMessage) => headers['x-github-event'] === 'pull_request';
  const isCheck = ({ method, url }: IncomingMessage) => method === 'POST' && Boolean(url?.endsWith('/check-runs'));
  const stop = onServer({
    begun: (request) => isHook(request) && onHook(performance.now()),
    answered: (request) => isCheck(request) && onCheck(performance.now()),
  });
  try {
    await world.github.openPullRequest({ repo: REPO, head, files: { [head]: head } });
    const deadline = AbortSignal.timeout(10_000);
    const late = new Promise<never>((_, reject) => {
      deadline.onabort = () => reject(new Error(`The check of ${head} was not created in 10 s.`));
    });
    return (await Promise.race([created, late])) - (await received);
  } finally {
    stop();
  }
}

/** Node tells of every request to every server of this process: nothing has to stand in between. */
function onServer(watch: { begun(request: IncomingMessage): unknown; answered(request: IncomingMessage): unknown }) {
  const begun = (message: unknown) => watch.begun((message as { request: IncomingMessage }).request);
  const answered = (message: unknown) => {
    const { request } = message as { request: IncomingMessage; response: ServerResponse };
    watch.answered(request);
  };
  diagnostics.subscribe('http.server.request.start', begun);
  diagnostics.subscribe('http.server.response.finish', answered);
  return () => {
    diagnostics.unsubscribe('http.server.request.start', begun);
    diagnostics.unsubscribe('http.server.response.finish', answered);
  };
}

async function pushToLine(): Promise<number[]> {
  const world = await startPlainWorld();
  try {
    await world.installHook();
    const clone = await world.clone('ada');
    const times: number[] = [];
    const begun = performance.now();
    while (times.length < PUSHES && performance.now() - begun < PUSHES_MS) {
      const sha = await clone.commit({ 'ci/run': `echo "line of ${times.length}"` });
      const pushed = performance.now();
      const pushing = clone.push();
      await until(async () => {
        const [run] = await world.runs(sha);
        const [job] = run?.builds[0]?.jobs ?? [];
        if (!job?.logUrl) return false;
        const log = await fetch(job.logUrl);
        return log.ok && (await log.text()).includes(`line of ${times.length}`);
      });
      times.push(performance.now() - pushed);
      await pushing;
      await world.run(sha);
      await world.quiet();
    }
    say(`push to line: ${times.map(round).join(' ')} ms`);
    return times;
  } finally {
    await world.stop();
  }
}
