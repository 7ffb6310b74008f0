import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Octokit as PublicOctokit } from '@octokit/rest';
import type { ForgeApp } from '../../src/forge/forge-app.ts';
import { openGitHubApp } from '../../src/forge/github/app.ts';
import { type ClientOptions, openClient } from '../../src/forge/github/client.ts';
import { type Octokit, openGitHub } from '../../src/forge/github/github.ts';
import type { ForgeUnderTest } from '../contracts/forge.ts';
import { type ApiFault, type StandInGitHub, startGitHub } from '../standins/github/index.ts';
import { validateRequest } from '../standins/github/validate.ts';
import { octokitOf } from '../standins/github-fixture.ts';
import { runGit } from '../support/git-repository.ts';

export const REPO = 'acme/tool';
export const never = new AbortController().signal;

export interface Story extends ForgeUnderTest {
  github: StandInGitHub;
  app: ForgeApp;
  /** Of the commit that the repository was made with. */
  sha: string;
  fault(answer: ApiFault['answer'], more?: Partial<ApiFault>): void;
  /** For the adapter time passes, for nobody else. */
  wait(ms: number): void;
}

export type StoryOptions = Partial<Omit<ClientOptions, 'now'>> & { basePath?: '' | '/api/v3' };

/** The adapter on the stand-in, with an Octokit as the bot has it. */
export async function openStory({ basePath = '', ...options }: StoryOptions = {}): Promise<Story> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-forge-github-'));
  const github = await startGitHub({ dir, basePath, onRequest: validateRequest });
  const installation = await github.createInstallation({ account: 'acme' });
  await github.createRepository(REPO, { files: { 'README.md': 'tool\n' } });
  let waited = 0;
  let count = 0;
  const settings = {
    ...openOctokits(github),
    appId: String(github.appId),
    htmlUrl: github.origin,
    now: () => new Date(Date.now() + waited),
    ...options,
  };
  const client = openClient(settings);
  return {
    github,
    forge: openGitHub(settings, client),
    app: openGitHubApp(settings, client),
    repository: {
      key: `github:${github.repositoryId(REPO)}`,
      name: REPO,
      installation: `github:${installation.id}`,
    },
    sha: (await github.sha(REPO, 'main'))!,
    commit: (branch, message) =>
      github.commit(REPO, branch, { files: { file: String(++count) }, ...(message && { message }) }),
    createBranches: async (names, sha) => {
      const commands = names.map((name) => `create refs/heads/${name} ${sha}\n`);
      await runGit([`--git-dir=${github.gitDir(REPO)}`, 'update-ref', '--stdin'], commands.join(''));
    },
    deleteBranch: (branch) => github.deleteBranch(REPO, branch),
    removeRepository: () => github.deleteRepository(REPO),
    fault: (answer, more = {}) =>
      github.faults.api({ match: (_, path) => !path.includes('/access_tokens'), answer, times: 1, ...more }),
    wait: (ms) => {
      waited += ms;
    },
    close: async () => {
      await github.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** As the composition root gives them: one per installation, one for nobody, one for the App. */
function openOctokits(github: StandInGitHub): Pick<ClientOptions, 'octokit'> & { appOctokit(): Promise<Octokit> } {
  const octokits = new Map<string, Octokit>();
  const ofInstallation = (id: string) => {
    const octokit = octokits.get(id) ?? (octokitOf(github, Number(id)) as unknown as Octokit);
    octokits.set(id, octokit);
    return octokit;
  };
  const app = octokitOf(github) as unknown as Octokit;
  const anonymous = new PublicOctokit({ baseUrl: github.url, log: silent }) as unknown as Octokit;
  return {
    octokit: async (id) => (id === undefined ? anonymous : ofInstallation(id)),
    appOctokit: async () => app,
  };
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export const story = (title: string, tell: (it: Story) => Promise<void>, options: StoryOptions = {}) =>
  test(title, { timeout: 40_000 }, async () => {
    const it = await openStory(options);
    try {
      await tell(it);
      assert.deepEqual(it.github.invalidRequests, [], 'by GitHub’s own description of its API');
    } finally {
      await it.close();
    }
  });
