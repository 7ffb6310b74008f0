import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { type ConfirmChannel, connect } from 'amqplib';
import { OBS_SIGNATURE_HEADER, type ObsChanged, parseObsHook } from '../../../src/backends/obs/hook.ts';
import { type ObsRelay, relayObs } from '../../../src/cli/obs.ts';
import { openOrWhy } from './bench.ts';
import { type Rabbit, startRabbit } from './rabbit.ts';
import { until } from './server.ts';

const { env } = process;
const [rabbit, why] = await openOrWhy(() => startRabbit(env), env);

const SECRET = 'of the hook';
const EXCHANGE = 'pubsub';

/** What the bot does with what it is told; `answers` are the next answers, before those that fit. */
async function startBot(answers: number[] = []) {
  const changed: ObsChanged[] = [];
  let posts = 0;
  const server = createServer(async (req, res) => {
    const body = await buffer(req);
    posts += 1;
    const planned = answers.shift();
    const hook = parseObsHook(body, req.headers[OBS_SIGNATURE_HEADER] as string, SECRET);
    const status = planned ?? (hook.ok ? 202 : hook.status);
    if (hook.ok && planned === undefined) changed.push(...hook.changed);
    res.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    changed,
    posts: () => posts,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As OBS does: a topic exchange, JSON, all values strings. */
async function publisher(url: string): Promise<{ channel: ConfirmChannel; close(): Promise<void> }> {
  const model = await connect(url, { timeout: 5_000 });
  const channel = await model.createConfirmChannel();
  await channel.assertExchange(EXCHANGE, 'topic', { durable: true });
  return { channel, close: () => model.close() };
}

async function publish(url: string, messages: [key: string, content: unknown][]): Promise<void> {
  const { channel, close } = await publisher(url);
  for (const [key, content] of messages) {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    channel.publish(EXCHANGE, `opensuse.obs.${key}`, Buffer.from(text), { persistent: true });
  }
  await channel.waitForConfirms();
  await close();
}

const built = (project: string, more = {}) => ({
  project,
  package: 'main',
  repository: 'standard',
  arch: 'x86_64',
  srcmd5: '0123456789abcdef0123456789abcdef',
  bcnt: '1',
  starttime: '1795228200',
  ...more,
});

describe('rcb obs relay, on a real RabbitMQ', { skip: why }, () => {
  after(() => rabbit?.close());

  const story = (
    title: string,
    tell: (bus: Rabbit, bot: Awaited<ReturnType<typeof startBot>>, said: string[]) => Promise<void>,
    more: { answers?: number[] } & Partial<ObsRelay> = {},
  ) =>
    test(title, async () => {
      const bot = await startBot(more.answers);
      const stop = new AbortController();
      const said: string[] = [];
      const relay = relayObs({
        bus: rabbit!.url,
        exchange: EXCHANGE,
        namespace: 'opensuse.obs',
        project: 'home:rcb',
        url: bot.url,
        secret: SECRET,
        fetch,
        say: (line) => said.push(line),
        random: Math.random,
        waits: { firstMs: 50, mostMs: 500 },
        signal: stop.signal,
        ...more,
      });
      try {
        await until('it is connected, or says why not', () => said.length > 0);
        await tell(rabbit!, bot, said);
      } finally {
        stop.abort();
        await relay;
        await bot.close();
      }
    });

  story('before OBS has published anything it goes on trying', async (bus, bot, said) => {
    assert.match(said[0]!, /NOT_FOUND.*pubsub.*Connecting again in 1 s\.$|pubsub/);
    const { close } = await publisher(bus.url);
    await close();
    await until('connected', () => said.some((line) => line.startsWith('Connected to 127.0.0.1')));
    await publish(bus.url, [['package.build_success', built('home:rcb:RCB:run-0')]]);
    await until('it is told', () => bot.changed.length === 1);
  });

  story("results of the project's own are told, signed; nothing else is", async (bus, bot) => {
    await publish(bus.url, [
      ['package.build_success', built('openSUSE:Factory')],
      ['package.build_success', built('home:rcbx')],
      ['package.commit', built('home:rcb:RCB:run-1')],
      ['package.build_fail', '{"project": '],
      ['package.build_fail', '["home:rcb"]'],
      ['package.build_fail', built('home:rcb:RCB:run-1', { reason: 'x'.repeat(70_000) })],
      ['package.build_fail', built('home:rcb:RCB:run-1')],
      ['repo.publish_state', { project: 'home:rcb:RCB:run-2', repo: 'standard', state: 'published' }],
      ['package.build_unchanged', built('home:rcb')],
    ]);
    await until('three are told', () => bot.changed.length >= 3);
    assert.deepEqual(
      bot.changed.map(({ event, project, repository }) => [event, project, repository]),
      [
        ['opensuse.obs.package.build_fail', 'home:rcb:RCB:run-1', 'standard'],
        ['opensuse.obs.repo.publish_state', 'home:rcb:RCB:run-2', 'standard'],
        ['opensuse.obs.package.build_unchanged', 'home:rcb', 'standard'],
      ],
    );
  });

  story('many that come together are told in few requests, and in order', async (bus, bot) => {
    const runs = Array.from({ length: 1_000 }, (_, index) => `home:rcb:RCB:run-${index}`);
    await publish(
      bus.url,
      runs.map((run) => ['package.build_success', built(run)]),
    );
    await until('all are told', () => bot.changed.length >= runs.length);
    assert.deepEqual(
      bot.changed.map(({ project }) => project),
      runs,
    );
    assert.ok(bot.posts() < runs.length / 4, `${bot.posts()} requests`);
  });

  story(
    'a bot that is away is told when it is back',
    async (bus, bot, said) => {
      await publish(bus.url, [['package.build_success', built('home:rcb:RCB:run-7')]]);
      await until('it is told', () => bot.changed.length === 1);
      assert.equal(bot.posts(), 3);
      assert.ok(said.some((line) => /answered 503\. Trying again in 1 s\.$/.test(line)));
    },
    { answers: [503, 500] },
  );

  story(
    'a secret that is not the same is told to people',
    async (bus, bot, said) => {
      await publish(bus.url, [['package.build_success', built('home:rcb:RCB:run-8')]]);
      await until('it says so', () => said.some((line) => /401 \(is OBS_HOOK_SECRET the same/.test(line)));
      assert.deepEqual(bot.changed, []);
    },
    { secret: 'another' },
  );

  story('a bus that dies is heard again when it is back', async (bus, bot, said) => {
    bus.kill();
    await until('it is noticed', () => said.some((line) => line.includes('Connecting again')));
    await bus.start();
    const connected = () => said.filter((line) => line.startsWith('Connected')).length;
    await until('it is connected again', () => connected() >= 2);
    await publish(bus.url, [['package.build_success', built('home:rcb:RCB:run-9')]]);
    await until('it is told', () => bot.changed.some(({ project }) => project.endsWith('run-9')));
  });

  test('an address that is none is said to be none', async () => {
    const relay = relayObs({ bus: 'http://localhost', signal: new AbortController().signal } as ObsRelay);
    await assert.rejects(relay, /no address like amqps:/);
  });
});
