import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { type Forge, ForgeError } from '../../src/forge/forge.ts';
import { validateWebhook } from '../standins/github/validate.ts';
import { runGit } from '../support/git-repository.ts';
import { never, REPO, type Story, story } from './forge-github-story.ts';

const isMergeCall = (method: string, path: string) => method === 'PUT' && path.endsWith('/merge');
const calls = ({ github }: Story) => github.requests.filter(({ method, path }) => isMergeCall(method, path)).length;

async function openPull(it: Story, files: Record<string, string> = { a: '1' }) {
  const { number, headSha } = await it.github.openPullRequest({ repo: REPO, head: 'fix', title: 'A fix', files });
  const wanted = { sha: headSha, method: 'merge' } as const;
  return {
    number,
    sha: headSha,
    read: () => it.forge.readMergeState(it.repository, number, never),
    merge: (more: Partial<Parameters<Forge['ensureMerged']>[2]> = {}) =>
      it.forge.ensureMerged(it.repository, number, { ...wanted, ...more }, never),
    autoMerge: (sha = headSha) => it.forge.enableAutoMerge(it.repository, number, { sha, method: 'squash' }, never),
    queue: (sha = headSha) => it.forge.ensureQueued(it.repository, number, sha, never),
    leave: () => it.forge.ensureNotQueued(it.repository, number, never),
  };
}

const show = (it: Story, ...args: string[]) =>
  runGit([`--git-dir=${it.github.gitDir(REPO)}`, ...args]).then((text) => text.trim());

describe('the state of a pull request before merging', () => {
  story('is computed by GitHub when it is asked for', async (it) => {
    const pull = await openPull(it);
    const first = await pull.read();
    assert.deepEqual([first?.mergeable, first?.mergeState], [null, 'unknown']);
    assert.deepEqual(await pull.read(), {
      state: 'open',
      draft: false,
      headSha: pull.sha,
      headRepositoryKey: it.repository.key,
      base: { ref: 'main', sha: it.sha },
      mergeable: true,
      mergeState: 'clean',
      queue: 'none',
      autoMerge: false,
    });
  });

  story('is never remembered', async (it) => {
    const pull = await openPull(it);
    await pull.read();
    await pull.read();
    await it.github.markDraft(REPO, pull.number);
    assert.deepEqual([(await pull.read())?.draft, (await pull.read())?.mergeState], [true, 'draft']);
    await it.github.markReady(REPO, pull.number);
    it.github.protectBranch(REPO, 'main', ['rcb']);
    assert.equal((await pull.read())?.mergeState, 'blocked');
    await it.github.commit(REPO, 'main', { files: { a: 'another' } });
    await pull.read();
    assert.deepEqual([(await pull.read())?.mergeable, (await pull.read())?.mergeState], [false, 'dirty']);
    await it.github.close(REPO, pull.number);
    assert.equal((await pull.read())?.state, 'closed');
  });

  story('tells by whom and as what it was merged', async (it) => {
    const pull = await openPull(it);
    const merged = await it.github.merge(REPO, pull.number, { by: 'alice' });
    const seen = await pull.read();
    assert.deepEqual([seen?.state, seen?.mergedSha, seen?.mergedBy?.login], ['merged', merged, 'alice']);
  });

  story('tells a deleted fork from the repository itself', async (it) => {
    const fork = await it.github.fork(REPO, 'stranger');
    const { number } = await it.github.openPullRequest({ repo: REPO, headRepo: fork, head: 'x', files: { a: '1' } });
    const read = () => it.forge.readMergeState(it.repository, number, never);
    assert.equal((await read())?.headRepositoryKey, `github:${it.github.repositoryId(fork)}`);
    await it.github.deleteRepository(fork);
    assert.equal((await read())?.headRepositoryKey, null);
  });
});

describe('merging on GitHub', () => {
  story('merges what was tested, once', async (it) => {
    const pull = await openPull(it);
    const outcome = await pull.merge({ title: 'Merge #1', message: 'Tested by RCB' });
    const sha = (await it.github.sha(REPO, 'main'))!;
    assert.deepEqual(outcome, { kind: 'merged', sha });
    assert.equal(await show(it, 'log', '-1', '--format=%B', sha), 'Merge #1\n\nTested by RCB');
    assert.equal(await show(it, 'rev-parse', `${sha}^2`), pull.sha);
    assert.deepEqual(await pull.merge(), { kind: 'merged', sha });
    assert.equal(calls(it), 1, 'what is merged is not merged again');
    assert.equal(await it.forge.treeOf(it.repository, sha, never), await show(it, 'rev-parse', `${sha}^{tree}`));
  });

  for (const method of ['squash', 'rebase'] as const) {
    story(`merges by ${method}`, async (it) => {
      const pull = await openPull(it);
      const outcome = await pull.merge({ method });
      const sha = (await it.github.sha(REPO, 'main'))!;
      assert.deepEqual(outcome, { kind: 'merged', sha });
      assert.equal(await show(it, 'rev-parse', `${sha}^@`), it.sha, 'a single parent');
    });
  }

  story('the merge call’s answer is lost: it is found out that it merged', async (it) => {
    const pull = await openPull(it);
    it.fault('lost', { match: isMergeCall });
    const outcome = await pull.merge();
    assert.deepEqual(outcome, { kind: 'merged', sha: await it.github.sha(REPO, 'main') });
    assert.equal(await show(it, 'rev-list', '--count', '--merges', 'main'), '1');
  });

  for (const answer of [502, 'reset'] as const) {
    story(`${answer} instead of an answer, and nothing was merged: it is tried again later`, async (it) => {
      const pull = await openPull(it);
      it.fault(answer, { match: isMergeCall });
      const error = await pull.merge().catch((thrown) => thrown);
      assert.ok(error instanceof ForgeError, String(error));
      assert.deepEqual([error.kind, error.retry], ['unreachable', true]);
      assert.equal(await it.github.sha(REPO, 'main'), it.sha);
      assert.equal((await pull.merge()).kind, 'merged');
    });
  }

  story('the answer is lost and nothing can be read after it: the next call finds out', async (it) => {
    const pull = await openPull(it);
    it.fault('lost', { match: isMergeCall });
    it.fault(503, { match: (method, path) => method === 'GET' && path.includes('/pulls/') && calls(it) === 1 });
    await assert.rejects(pull.merge(), (error) => error instanceof ForgeError && error.kind === 'unreachable');
    assert.equal((await pull.merge()).kind, 'merged');
    assert.equal(calls(it), 1);
  });

  story('a head that has moved is not merged', async (it) => {
    const pull = await openPull(it);
    const newer = await it.github.commit(REPO, 'fix', { files: { a: 'unseen' } });
    const outcome = await pull.merge();
    assert.equal(outcome.kind, 'head-moved');
    assert.equal(calls(it), 0);
    await it.github.merge(REPO, pull.number, { by: 'alice' });
    const late = await pull.merge();
    assert.ok(late.kind === 'head-moved' && late.why.includes(newer), JSON.stringify(late));
  });

  story('a head that moves between looking and merging is not merged', async (it) => {
    const pull = await openPull(it);
    it.fault('slow', { match: isMergeCall, delayMs: 300 });
    const merging = pull.merge();
    await until(() => it.github.requests.some(({ path }) => path.endsWith(`/pulls/${pull.number}`)));
    await it.github.commit(REPO, 'fix', { files: { a: 'unseen' } });
    assert.equal((await merging).kind, 'head-moved');
    assert.equal(calls(it), 1);
    assert.equal(await it.github.sha(REPO, 'main'), it.sha);
  });

  story('what GitHub does not merge says why', async (it) => {
    const pull = await openPull(it);
    const refused = async () => {
      const outcome = await pull.merge();
      assert.ok(outcome.kind === 'not-mergeable', JSON.stringify(outcome));
      return outcome;
    };
    it.github.protectBranch(REPO, 'main', ['lint']);
    const { why, checksPending, queueRequired } = await refused();
    assert.deepEqual([why, checksPending, queueRequired], ['Required status check "lint" is expected.', true, false]);
    await it.github.createCheckRun(REPO, pull.sha, { name: 'lint', conclusion: 'failure' });
    assert.equal((await refused()).checksPending, false);
    it.github.protectBranch(REPO, 'main', []);
    it.github.requireMergeQueue(REPO, 'main');
    assert.equal((await refused()).queueRequired, true);
    it.github.requireMergeQueue(REPO, 'main', false);
    await it.github.markDraft(REPO, pull.number);
    assert.match((await refused()).why, /draft/);
    await it.github.markReady(REPO, pull.number);
    await it.github.commit(REPO, 'main', { files: { a: 'another' } });
    assert.match((await refused()).why, /conflict/);
    await it.github.close(REPO, pull.number);
    assert.match((await refused()).why, /not mergeable/);
  });

  story('an App that may not write is told so', async (it) => {
    const pull = await openPull(it);
    const id = Number(it.repository.installation!.replace('github:', ''));
    it.github['hub'].state.installations.get(id)!.permissions['contents'] = 'read';
    const outcome = await pull.merge();
    assert.deepEqual(outcome, { kind: 'denied', why: 'Resource not accessible by integration' });
  });

  story('a rest that GitHub wants is no refusal', async (it) => {
    const pull = await openPull(it);
    it.fault('secondary-limit', { match: isMergeCall, retryAfter: 9 });
    const error = await pull.merge().catch((thrown) => thrown);
    assert.ok(error instanceof ForgeError, String(error));
    assert.deepEqual([error.kind, error.retryAfterMs], ['rate-limited', 9_000]);
  });

  story('a renamed repository is merged into by its id', async (it) => {
    const pull = await openPull(it);
    await it.github.renameRepository(REPO, 'renamed');
    await it.github.createRepository(REPO, { files: { other: 'somebody else has the name now' } });
    await it.github.openPullRequest({ repo: REPO, head: 'fix', files: { b: '1' } });
    const outcome = await pull.merge();
    assert.equal(outcome.kind, 'merged');
    assert.equal(it.github.pull('acme/renamed', pull.number).merged, true);
    assert.equal(it.github.pull(REPO, 1).merged, false);
  });
});

describe('what is left to GitHub', () => {
  story('auto-merge waits for the checks that GitHub wants', async (it) => {
    const pull = await openPull(it);
    assert.deepEqual(await pull.autoMerge(), {
      kind: 'refused',
      why: 'Pull request Protected branch rules not configured for this branch',
    });
    it.github.protectBranch(REPO, 'main', ['lint']);
    assert.equal((await pull.autoMerge('f'.repeat(40))).kind, 'refused');
    assert.deepEqual(await pull.autoMerge(), { kind: 'enabled' });
    assert.deepEqual(await pull.autoMerge(), { kind: 'enabled' }, 'again');
    assert.equal((await pull.read())?.autoMerge, true);
    assert.equal(it.github.pull(REPO, pull.number).auto_merge?.merge_method, 'squash');
    await it.github.createCheckRun(REPO, pull.sha, { name: 'lint', conclusion: 'success' });
    const sha = await it.github.letThrough(REPO, pull.number);
    assert.deepEqual(await pull.merge(), { kind: 'merged', sha });
    assert.deepEqual(await pull.autoMerge(), { kind: 'refused', why: 'It is merged already' });
    assertHooks(it);
  });

  story('auto-merge is refused where nothing is to be waited for', async (it) => {
    const pull = await openPull(it);
    it.github.protectBranch(REPO, 'main', ['lint']);
    await it.github.createCheckRun(REPO, pull.sha, { name: 'lint', conclusion: 'success' });
    assert.deepEqual(await pull.autoMerge(), {
      kind: 'refused',
      why: 'Pull request Pull request is in clean status',
    });
  });

  story('a merge queue is told of, entered once, and left', async (it) => {
    const pull = await openPull(it);
    assert.equal((await pull.queue()).kind, 'refused');
    it.github.requireMergeQueue(REPO, 'main');
    assert.equal((await pull.read())?.queue, 'required');
    assert.equal((await pull.queue('f'.repeat(40))).kind, 'refused');
    let asked = 0;
    // The first asks whether it is in there, the second puts it in.
    it.fault('lost', { match: (_, path) => path === '/graphql' && ++asked === 2 });
    await assert.rejects(pull.queue(), (error) => error instanceof ForgeError && error.retry);
    assert.equal(it.github.pull(REPO, pull.number).queued, true);
    assert.deepEqual(await pull.queue(), { kind: 'queued' }, 'as is found out');
    assert.equal((await pull.read())?.queue, 'queued');
    await pull.leave();
    await pull.leave();
    assert.equal((await pull.read())?.queue, 'required');
    await pull.queue();
    const sha = await it.github.letThrough(REPO, pull.number);
    assert.deepEqual(await pull.merge(), { kind: 'merged', sha });
    await pull.leave();
    assertHooks(it);
  });

  story('GitHub throws out of its queue what fails there', async (it) => {
    const pull = await openPull(it);
    it.github.requireMergeQueue(REPO, 'main');
    await pull.queue();
    await it.github.throwOut(REPO, pull.number);
    assert.deepEqual([(await pull.read())?.queue, (await pull.read())?.state], ['required', 'open']);
  });

  story(
    'GitHub Enterprise Server has GraphQL beside its REST API',
    async (it) => {
      const pull = await openPull(it);
      it.github.requireMergeQueue(REPO, 'main');
      assert.deepEqual(await pull.queue(), { kind: 'queued' });
    },
    { basePath: '/api/v3' },
  );

  story('an App that may not write is told so by the queue, too', async (it) => {
    const pull = await openPull(it);
    it.github.requireMergeQueue(REPO, 'main');
    const id = Number(it.repository.installation!.replace('github:', ''));
    it.github['hub'].state.installations.get(id)!.permissions['contents'] = 'read';
    const outcome = await pull.queue();
    assert.ok(outcome.kind === 'refused' && /not accessible/.test(outcome.why), JSON.stringify(outcome));
  });
});

function assertHooks({ github }: Story): void {
  for (const { event, payload } of github.events.filter(({ event }) => event === 'pull_request')) {
    assert.deepEqual(validateWebhook(event, payload), [], String(payload['action']));
  }
}

async function until(condition: () => boolean, deadline = Date.now() + 10_000): Promise<void> {
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('It did not come to pass in 10 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
