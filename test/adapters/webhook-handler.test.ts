import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { Delivery } from '../../src/forge/github/intake.ts';
import { webhookHandler } from '../../src/forge/github/webhook.ts';
import { openLog } from '../../src/log.ts';

const PATH = '/api/github/webhooks';
const SECRETS = ['the new secret', 'the old secret'];

interface Served {
  port: number;
  received: Delivery[];
  log: string[];
}

/** The handler behind a real server. What it leaves to others is answered 404; what it throws, 599. */
async function serve(t: TestContext, receive: (delivery: Delivery) => Promise<void> = async () => {}): Promise<Served> {
  const served: Served = { port: 0, received: [], log: [] };
  const sink = new Writable({
    write(chunk, _encoding, done) {
      served.log.push(...String(chunk).trim().split('\n'));
      done();
    },
  });
  const handler = webhookHandler({
    path: PATH,
    secrets: SECRETS,
    log: openLog('trace', sink),
    async receive(delivery) {
      await receive(delivery);
      served.received.push(delivery);
    },
  });
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    try {
      if (!(await handler(req, res))) res.writeHead(404).end('left to others');
    } catch (error) {
      res.writeHead(599).end(String(error));
    }
  };
  const server = createServer((req, res) => void answer(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  served.port = (server.address() as AddressInfo).port;
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return served;
}

const signatureOf = (body: Buffer | string, secret = SECRETS[0]!): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

function headersFor(body: Buffer | string, secret?: string): Record<string, string> {
  return {
    'x-github-delivery': 'aaaa-1',
    'x-github-event': 'push',
    'x-hub-signature-256': signatureOf(body, secret),
    'content-type': 'application/json',
  };
}

/** `path` goes out as it is written, however odd. */
function send(
  { port }: Served,
  body: Buffer | string,
  headers: Record<string, string>,
  { method = 'POST', path = PATH }: { method?: string; path?: string } = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, method, path, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (part) => (text += part));
      res.on('end', () => resolve({ status: res.statusCode!, text })).on('error', reject);
    });
    req.on('error', reject);
    req.end(body);
  });
}

for (const secret of SECRETS) {
  test(`signed with ${secret}: stored once, and answered 200`, async (t) => {
    const served = await serve(t);
    const body = '{"ref":"refs/heads/träum"}';
    assert.equal((await send(served, body, headersFor(body, secret))).status, 200);
    assert.deepEqual(served.received, [{ id: 'aaaa-1', name: 'push', body }]);
    assert.deepEqual(served.log, []);
  });
}

test('it is answered after it is stored, not before', async (t) => {
  const order: string[] = [];
  const served = await serve(t, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push('stored');
  });
  await send(served, '{}', headersFor('{}'));
  order.push('answered');
  assert.deepEqual(order, ['stored', 'answered']);
});

const wrong: [string, (body: string) => string][] = [
  ['another secret', (body) => signatureOf(body, 'a guess')],
  ['another body', () => signatureOf('{"other":1}')],
  ['the right digest, cut', (body) => signatureOf(body).slice(0, -1)],
  ['the digest without its name', (body) => signatureOf(body).slice('sha256='.length)],
  ['the right digest under another name', (body) => signatureOf(body).replace('sha256', 'sha512')],
];
for (const [title, sign] of wrong) {
  test(`a wrong signature (${title}) is refused, with one line in the log that does not show the payload`, async (t) => {
    const served = await serve(t);
    const body = '{"text":"must not be logged"}';
    const headers = { ...headersFor(body), 'x-hub-signature-256': sign(body) };
    assert.equal((await send(served, body, headers)).status, 401);
    assert.deepEqual(served.received, []);
    assert.equal(served.log.length, 1);
    const line = JSON.parse(served.log[0]!);
    assert.equal(line.delivery, 'aaaa-1');
    assert.match(line.msg, /signature is wrong/);
    assert.doesNotMatch(served.log[0]!, /must not be logged|sha256=|secret"/);
  });
}

for (const missing of ['x-github-delivery', 'x-github-event', 'x-hub-signature-256']) {
  test(`without ${missing} it is refused unread`, async (t) => {
    const served = await serve(t);
    const { [missing]: _, ...headers } = headersFor('{}');
    const answer = await send(served, '{}', headers);
    assert.equal(answer.status, 400);
    assert.match(answer.text, /X-GitHub-Delivery, X-GitHub-Event and X-Hub-Signature-256 are needed/);
    assert.deepEqual(served.received, []);
  });
}

for (const [title, value] of [
  ['spaces', 'a b'],
  ['quotes', '"x"'],
  ['300 characters', 'x'.repeat(300)],
  ['letters beyond ASCII', 'h\u00fcte'],
] as const) {
  test(`a delivery id with ${title} is none: it would stand in keys and log lines`, async (t) => {
    const served = await serve(t);
    assert.equal((await send(served, '{}', { ...headersFor('{}'), 'x-github-delivery': value })).status, 400);
  });
}

test('only POST delivers', async (t) => {
  const served = await serve(t);
  assert.equal((await send(served, '', headersFor(''), { method: 'GET' })).status, 405);
  assert.equal((await send(served, '{}', headersFor('{}'), { method: 'PUT' })).status, 405);
});

test('a query after the path does not matter', async (t) => {
  const served = await serve(t);
  assert.equal((await send(served, '{}', headersFor('{}'), { path: `${PATH}?x=1` })).status, 200);
});

for (const path of ['/', '/runs', `${PATH}/`, `${PATH}x`, '//', '//[', 'http://[/', '/%zz']) {
  test(`${path} is left to others`, async (t) => {
    const served = await serve(t);
    const answer = await send(served, '{}', headersFor('{}'), { path });
    assert.deepEqual([answer.status, answer.text], [404, 'left to others']);
  });
}

test('what cannot be stored now is answered 503, so that GitHub can redeliver it', async (t) => {
  const served = await serve(t, async () => {
    throw new Error('the database is away');
  });
  const body = '{"text":"must not be logged"}';
  assert.equal((await send(served, body, headersFor(body))).status, 503);
  assert.equal(served.log.length, 1);
  assert.match(served.log[0]!, /the database is away/);
  assert.doesNotMatch(served.log[0]!, /must not be logged/);
});

test('signed nonsense is stored: it is for a person to read', async (t) => {
  const served = await serve(t);
  assert.equal((await send(served, 'not json', headersFor('not json'))).status, 200);
  assert.equal(served.received[0]?.body, 'not json');
});

test('the signature is over the bytes: a signed body that is not UTF-8 is stored as well', async (t) => {
  const served = await serve(t);
  const body = Buffer.from([0x7b, 0xff, 0xfe, 0xc3, 0x7d]);
  assert.equal((await send(served, body, headersFor(body))).status, 200);
  assert.equal(served.received.length, 1);
});

test('a body that merely decodes to the signed one is refused', async (t) => {
  const served = await serve(t);
  const signed = Buffer.from('{"a":"\ufffd"}');
  const sent = Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]);
  assert.equal(sent.toString('utf8'), signed.toString('utf8'));
  assert.equal((await send(served, sent, headersFor(signed))).status, 401);
});

test('an empty body, rightly signed, is not a fault of ours', async (t) => {
  const served = await serve(t);
  assert.ok([200, 400, 401].includes((await send(served, '', headersFor(''))).status));
});

test('a body of exactly 25 MB is read', async (t) => {
  const served = await serve(t);
  const body = Buffer.alloc(25 * 1024 * 1024, 'x');
  assert.equal((await send(served, body, headersFor(body))).status, 200);
});

/** A raw client: keeps what came back, also when the other side hangs up while we are still sending. */
function stream(
  { port }: Served,
  head: string,
  part: Buffer,
  parts: number,
): Promise<{ answer: string; sent: number }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    let sent = 0;
    let over = false;
    const more = () => {
      while (!over && sent < parts) {
        sent += 1;
        if (!socket.write(part)) return void socket.once('drain', more);
      }
    };
    socket.on('connect', () => {
      socket.write(head);
      more();
    });
    socket.on('data', (data) => (answer += data));
    socket.on('error', () => (over = true));
    socket.on('close', () => {
      over = true;
      resolve({ answer, sent });
    });
  });
}

test('a body over 25 MB is refused with 413, and is not read to its end', async (t) => {
  const served = await serve(t);
  const part = Buffer.alloc(1024 * 1024, 'x');
  const head = [
    `POST ${PATH} HTTP/1.1`,
    'Host: localhost',
    ...Object.entries(headersFor('')).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${part.length * 200}`,
    '\r\n',
  ].join('\r\n');
  const { answer, sent } = await stream(served, head, part, 200);
  assert.ok(sent < 100, `${sent} MB were taken`);
  assert.deepEqual(served.received, []);
  assert.match(answer, /^HTTP\/1\.1 413 /);
});

test('a sender that hangs up in the middle is noted, and nothing is stored', async (t) => {
  const served = await serve(t);
  const socket = connect(served.port, '127.0.0.1');
  const head = Object.entries(headersFor('{}')).map(([name, value]) => `${name}: ${value}`);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write([`POST ${PATH} HTTP/1.1`, 'Host: x', ...head, 'Content-Length: 100', '\r\n{'].join('\r\n'), () =>
    socket.destroy(),
  );
  await closed;
  // The next delivery is taken as ever.
  assert.equal((await send(served, '{}', headersFor('{}'))).status, 200);
  assert.equal(served.received.length, 1);
});
