import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ProbotOctokit } from 'probot';
import { type GitHubOptions, type StandInGitHub, startGitHub } from './github/index.ts';

/** What the stand-in's own tests share. */

export const REPO = 'raku/nqp';

/** A stand-in with one repository and the app installed on its owner, stopped when the test ends. */
export async function startWithRepository(t: TestContext, options: Partial<GitHubOptions> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'stand-in-github-'));
  const github = await startGitHub({ dir, ...options });
  t.after(async () => {
    await github.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const installation = await github.createInstallation({ account: 'raku' });
  await github.createRepository(REPO, { files: { 'README.md': 'nqp\n', 'lib/a.txt': '1\n2\n3\n' } });
  return { github, installation, dir };
}

/** Octokit as the bot has it, but in no hurry to wait. */
export function octokitOf(github: StandInGitHub, installationId?: number): InstanceType<typeof ProbotOctokit> {
  const { appId, privateKey } = github;
  return new ProbotOctokit({
    auth: { appId, privateKey, ...(installationId ? { installationId } : {}) },
    baseUrl: github.url,
    throttle: { enabled: false },
    retry: { enabled: false },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  } as ConstructorParameters<typeof ProbotOctokit>[0]);
}

export interface Received {
  headers: IncomingMessage['headers'];
  body: string;
  payload: Record<string, unknown>;
}

/** Something that takes webhooks; `answer` may do it differently than with 200. */
export async function startReceiver(t: TestContext, answer?: (response: ServerResponse, hook: Received) => void) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const hook = { headers: request.headers, body, payload: JSON.parse(body) };
    received.push(hook);
    if (answer) answer(response, hook);
    else response.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`, received };
}

/** The status of a request that must fail. */
export async function statusOf(request: Promise<unknown>): Promise<number> {
  try {
    await request;
  } catch (error) {
    return (error as { status: number }).status;
  }
  throw new Error('The request was answered with success, and should not have been.');
}
