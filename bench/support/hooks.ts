import { createHmac, randomBytes } from 'node:crypto';
import examples from '@octokit/webhooks-examples/api.github.com/index.json' with { type: 'json' };

/** Signed pushes of 8 KB, each of its own sha, branch and delivery: a real payload with a longer message. */

export const HOOK_BYTES = 8 * 1024;
export const SECRET = 'a-secret-of-the-benchmark';
const PATH = '/api/github/webhooks';
/** Pushes go to so many branches in turn: events of one branch are handled one after the other. */
const BRANCHES = 500;
const REFS = { branch: 'refs/heads/branch-000', tag: 'refs/tags/version-000' };

/** Answers a function that makes the next request, as bytes that are ready to be sent. A pushed branch is an event that
 *  waits for a worker; of a tag nothing follows, so there the intake is all that happens. */
export function hookMaker(kind: keyof typeof REFS): () => Buffer {
  const ref = REFS[kind];
  const body = payload(ref);
  const shaAt = body.indexOf('"after":"') + '"after":"'.length;
  const numberAt = body.indexOf(ref) + ref.length - 3;
  let count = 0;
  return () => {
    count += 1;
    body.write(randomBytes(20).toString('hex'), shaAt, 'latin1');
    body.write(String(count % BRANCHES).padStart(3, '0'), numberAt, 'latin1');
    return request(body);
  };
}

function request(body: Buffer): Buffer {
  const head = [
    `POST ${PATH} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    'user-agent: GitHub-Hookshot/bench',
    'x-github-event: push',
    `x-github-delivery: ${crypto.randomUUID()}`,
    `x-hub-signature-256: sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}

function payload(ref: string): Buffer {
  const pushes = examples.find(({ name }) => name === 'push')!.examples as unknown as Push[];
  const push = { ...pushes.find(({ head_commit }) => head_commit !== null)!, ref, after: '0'.repeat(39).concat('1') };
  const withMessage = (message: string) =>
    Buffer.from(JSON.stringify({ ...push, head_commit: { ...push.head_commit, message } }));
  const missing = HOOK_BYTES - withMessage('').length;
  if (missing < 0) throw new Error(`The example is larger than ${HOOK_BYTES} bytes.`);
  return withMessage('m'.repeat(missing));
}

/** Of the example, what is looked at; the rest of it goes along. */
interface Push {
  head_commit: { message: string } | null;
}
