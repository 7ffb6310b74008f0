import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { MOST_HOOK_BYTES, OBS_HOOK_PATH, OBS_SIGNATURE_HEADER, signObsHook } from '../../../src/backends/obs/hook.ts';
import { type ObsIntakeOptions, obsHookHandler } from '../../../src/backends/obs/intake.ts';
import { relaySettings } from '../../../src/cli/obs.ts';
import type { Config } from '../../../src/config/config.ts';
import { openLog } from '../../../src/log.ts';
import type { Told } from '../../../src/queue/queue.ts';

const SECRET = 'hush';
const RUN = 'home:rcb:RCB:run-x-1';

async function intake(more: Partial<ObsIntakeOptions> = {}) {
  const told: Told[] = [];
  const backends = [
    { name: 'obs', project: 'home:rcb', mode: 'project-per-run' as const },
    { name: 'obs-2', project: 'home:rcb', mode: 'project-per-run' as const },
    { name: 'standing', project: 'home:other', mode: 'standing' as const },
  ];
  const queue = {
    push: async (given: Told[]) => {
      told.push(...given);
      return [];
    },
  } as unknown as ObsIntakeOptions['queue'];
  const now = () => new Date('2026-11-21T08:00:00.500Z');
  const handler = obsHookHandler({ secret: SECRET, backends, queue, now, log: openLog('silent'), ...more });
  const server = createServer(async (req, res) => {
    if (!(await handler(req, res))) res.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    told,
    origin,
    post: async (content: unknown, headers?: Record<string, string>) => {
      const body = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
      const signed = headers ?? { [OBS_SIGNATURE_HEADER]: signObsHook(body, SECRET) };
      const answer = await fetch(origin + OBS_HOOK_PATH, { method: 'POST', body, headers: signed });
      return { status: answer.status, text: await answer.text() };
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const story = (
  title: string,
  tell: (at: Awaited<ReturnType<typeof intake>>) => Promise<void>,
  more?: Partial<ObsIntakeOptions>,
) =>
  test(title, async () => {
    const at = await intake(more);
    try {
      await tell(at);
    } finally {
      await at.close();
    }
  });

describe('POST /hooks/obs', { concurrency: true }, () => {
  story('each build that is told of is hinted at once, for all back-ends that could have it', async (at) => {
    const event = 'opensuse.obs.package.build_success';
    const { status } = await at.post([
      { event, project: RUN, package: 'main', repository: 'standard', arch: 'x86_64' },
      { event: 'opensuse.obs.repo.publish_state', project: RUN, repo: 'standard' },
      { event, project: 'home:other', package: 'main-r0123456789abcdef' },
      { event, project: 'home:other', package: 'main' },
      { event, project: 'openSUSE:Factory', package: 'bash' },
    ]);
    assert.equal(status, 202);
    assert.deepEqual(
      at.told.map(({ source, event: { event: telling } }) => [source, telling]),
      [
        {
          subject: `build:obs:${RUN}`,
          backends: ['obs', 'obs-2'],
          externalId: RUN,
        },
        {
          subject: 'build:obs:home:other/-r0123456789abcdef',
          backends: ['standing'],
          externalId: 'home:other/-r0123456789abcdef',
        },
      ].map((hint) => ['hook', { kind: 'build.hinted', ...hint, at: '2026-11-21T08:00:00.500Z' }]),
    );
    const [first] = at.told;
    await at.post([{ event, project: RUN, package: 'main' }]);
    assert.notEqual(at.told.at(-1)!.event.key, first!.event.key, 'other words are another hint');
  });

  story('what is told twice at the same moment is one fact', async (at) => {
    const content = { event: 'package.build_fail', project: RUN };
    await at.post(content);
    await at.post(content);
    assert.equal(at.told[0]!.event.key, at.told[1]!.event.key);
  });

  story('what is about nothing of ours is accepted and forgotten', async (at) => {
    assert.equal((await at.post({ event: 'package.build_fail', project: 'home:rcb' })).status, 202);
    assert.equal((await at.post({ event: 'package.commit', project: RUN })).status, 202);
    assert.deepEqual(at.told, []);
  });

  story('what is not signed, is too large or is nonsense is refused', async (at) => {
    assert.equal((await fetch(at.origin + OBS_HOOK_PATH)).status, 405);
    assert.equal((await fetch(`${at.origin}/hooks/other`)).status, 404);
    assert.equal((await at.post('{}', {})).status, 401);
    assert.equal((await at.post('{}', { [OBS_SIGNATURE_HEADER]: 'sha256=00' })).status, 401);
    assert.equal((await at.post('nonsense')).status, 400);
    assert.equal((await at.post('x'.repeat(MOST_HOOK_BYTES + 1))).status, 413);
    assert.deepEqual(at.told, []);
  });

  story(
    'without a secret nobody is let in',
    async (at) => {
      const headers = { [OBS_SIGNATURE_HEADER]: signObsHook(Buffer.from('{}'), '') };
      const { status, text } = await at.post('{}', headers);
      assert.equal(status, 401);
      assert.match(text, /OBS_HOOK_SECRET is not set/);
    },
    { secret: undefined },
  );

  story(
    'what cannot be stored is to be told again',
    async (at) => {
      assert.equal((await at.post({ event: 'package.build_fail', project: RUN })).status, 503);
    },
    {
      queue: {
        push: async () => {
          throw new Error('the database is away');
        },
      },
    },
  );
});

test('the relay finds its settings in rcb.yaml and the environment, and says what is missing', () => {
  const config = (url: string, obs: Config['credentials']['obs']) =>
    ({
      backends: [{ kind: 'obs', name: 'obs', url, project: 'home:rcb' }],
      credentials: { azure: {}, obs },
      server: { publicUrl: 'http://localhost:3000' },
    }) as unknown as Config;
  assert.deepEqual(relaySettings(config('https://api.opensuse.org', { hookSecret: 's' }), {}), {
    bus: 'amqps://opensuse:opensuse@rabbit.opensuse.org',
    exchange: 'pubsub',
    namespace: 'opensuse.obs',
    project: 'home:rcb',
    url: 'http://localhost:3000',
    secret: 's',
  });
  const own = config('https://obs.example.org', { hookSecret: 's', bus: 'amqp://bus' });
  const { bus, namespace, project } = relaySettings(own, { project: 'p', namespace: 'n' });
  assert.deepEqual([bus, namespace, project], ['amqp://bus', 'n', 'p']);
  assert.throws(() => relaySettings(config('https://obs.example.org', { hookSecret: 's' }), {}), /OBS_BUS_URL is not/);
  assert.throws(() => relaySettings(config('https://api.opensuse.org', {}), {}), /OBS_HOOK_SECRET is not/);
});
