import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Branch, PullRequest } from '../../src/core/change.ts';
import type { BranchSnapshot, Event, PullRequestFacts, PullRequestSnapshot } from '../../src/core/event.ts';
import { branchFactKey, pullRequestFactKey } from '../../src/core/fact-key.ts';
import { handle } from '../../src/handlers/index.ts';
import type { Store } from '../../src/store/store.ts';
import {
  aBranch,
  aBranchSnapshot,
  aPullRequest,
  aPullRequestSnapshot,
  aRepository,
  counter,
  NOW,
  sha,
} from '../support/builders.ts';

const SUBJECT = 'branch:github:1:refs/heads/main';
const PULL = 'pull-request:github:1#7';
const told = { headSha: sha('a'), baseRef: 'main', title: 'Fix the collector', state: 'open', draft: false } as const;

test('the first telling of a branch has generation 0', () => {
  assert.equal(branchFactKey(SUBJECT, undefined, sha('a')), `${SUBJECT}:0:${sha('a')}`);
});

test('a hook and a poll that tell what is known already have the key of the first telling', () => {
  assert.equal(branchFactKey(SUBJECT, aBranch(), sha('a')), 'first-telling');
  assert.equal(pullRequestFactKey(PULL, aPullRequest(), told), 'first-telling');
});

test('a deletion is a fact with its own key', () => {
  assert.equal(branchFactKey(SUBJECT, aBranch({ generation: 4 }), null), `${SUBJECT}:4:deleted`);
  assert.equal(branchFactKey(SUBJECT, aBranch({ sha: null }), null), 'first-telling');
});

test('A, B, and again A are three facts', () => {
  const keys = [
    branchFactKey(SUBJECT, undefined, sha('a')),
    branchFactKey(SUBJECT, aBranch({ sha: sha('a'), generation: 1 }), sha('b')),
    branchFactKey(SUBJECT, aBranch({ sha: sha('b'), generation: 2 }), sha('a')),
  ];
  assert.equal(new Set(keys).size, 3);
});

test('each thing that a pull request’s telling may change makes another key', () => {
  const known = aPullRequest();
  const keys = [
    { headSha: sha('b') },
    { baseRef: 'stable' },
    { title: 'Fix it better' },
    { state: 'closed' as const },
    { state: 'merged' as const },
    { draft: true },
  ].map((change) => pullRequestFactKey(PULL, known, { ...told, ...change }));
  assert.equal(new Set([...keys, 'first-telling']).size, 7);
  assert.ok(keys.every((key) => key.startsWith(`${PULL}:1:`)));
});

test('two tellings of one new fact have one key, whoever tells it', () => {
  const change = { ...told, headSha: sha('b') };
  assert.equal(
    pullRequestFactKey(PULL, aPullRequest(), change),
    pullRequestFactKey(PULL, aPullRequest(), { ...change }),
  );
});

test('pull requests of one number in two repositories are two', () => {
  const other = 'pull-request:github:2#7';
  assert.notEqual(pullRequestFactKey(PULL, undefined, told), pullRequestFactKey(other, undefined, told));
});

// With the handlers: keys are made of what is known, and what is known moves only with what is seen.

/** Branches and pull requests in memory, told hints under the keys that intake would give them. */
class Known {
  branches = new Map<string, Branch>();
  pulls = new Map<string, PullRequest>();
  keys = new Set<string>();
  ids = counter();
  requested: string[] = [];

  store = {
    branch: async (subject: string) => this.branches.get(subject),
    saveBranch: async (branch: Branch) => void this.branches.set(branch.subject, branch),
    pullRequest: async (subject: string) => this.pulls.get(subject),
    savePullRequest: async (pull: PullRequest) => void this.pulls.set(pull.subject, pull),
    mergeRequests: async () => [],
  } as unknown as Store;

  serving = {
    owners: ['MoarVM'],
    watch: [],
    policy: [],
    git: [],
    stacks: [],
    flappers: { known: [], off: [] },
    privates: 'served' as const,
    backends: [{ name: 'local' }],
  };

  async handle(event: Event, key: string): Promise<void> {
    const publicUrl = 'https://rcb.example';
    const context = { store: this.store, serving: this.serving, key, publicUrl, now: NOW, newId: this.ids };
    const outcome = await handle(event, context);
    assert.ok('events' in outcome);
    for (const each of outcome.events) {
      if (each.kind === 'run.requested') this.requested.push(each.request.change.sha[0]!);
    }
  }

  /** A telling; only a new key is handled. Then it is looked, thrice if there is doubt, and this is seen. */
  async branchTold(hinted: string, seen: Partial<BranchSnapshot>): Promise<void> {
    const key = branchFactKey(SUBJECT, this.branches.get(SUBJECT), hinted);
    if (this.keys.has(key)) return;
    this.keys.add(key);
    for (const number of [1, 2, 3]) {
      const look = { toldBy: key, hinted, number };
      const snapshot = aBranchSnapshot(seen);
      await this.handle(
        { kind: 'branch.seen', subject: SUBJECT, repository: aRepository(), look, snapshot },
        `${key}:${number}`,
      );
    }
  }

  async pullTold(hinted: Partial<PullRequestFacts>, seen: Partial<PullRequestSnapshot>): Promise<void> {
    const facts = { ...told, ...hinted };
    const key = pullRequestFactKey(PULL, this.pulls.get(PULL), facts);
    if (this.keys.has(key)) return;
    this.keys.add(key);
    for (const number of [1, 2, 3]) {
      const look = { toldBy: key, hinted: facts.headSha, number };
      const snapshot = aPullRequestSnapshot(seen);
      const event = { kind: 'pull-request.seen', subject: PULL, repository: aRepository(), look, snapshot } as const;
      await this.handle(event, `${key}:${number}`);
    }
  }
}

const headAt = (name: string) => ({ head: { ref: 'fix-gc', sha: sha(name), repositoryKey: 'github:1' } });

test('A → B → A → B, each seen in time: each is tested', async () => {
  const known = new Known();
  for (const name of ['a', 'b', 'a', 'b']) await known.branchTold(sha(name), { sha: sha(name) });
  assert.deepEqual(known.requested, ['a', 'b', 'a', 'b']);
});

test('a head that was told, gone again when we looked, and comes back later, is tested then', async () => {
  const known = new Known();
  await known.branchTold(sha('a'), { sha: sha('a') });
  // Pushed and pushed back within a moment: every look sees the old head.
  await known.branchTold(sha('b'), { sha: sha('a') });
  await known.branchTold(sha('b'), { sha: sha('b') });
  assert.deepEqual(known.requested, ['a', 'b'], 'the second telling of B has the key of the first, and is dropped');
});

test('a head that GitHub’s API showed too late for all our looks is still found by the next poll', async () => {
  const known = new Known();
  await known.pullTold({}, {});
  await known.pullTold({ headSha: sha('b') }, headAt('a'));
  await known.pullTold({ headSha: sha('b') }, headAt('b'));
  assert.deepEqual(known.requested, ['a', 'b'], 'polling is the net, and its key is the hook’s');
});

test('a changed base that GitHub’s API showed too late is still found by the next poll', async () => {
  const known = new Known();
  await known.pullTold({}, {});
  await known.pullTold({ baseRef: 'stable' }, {});
  await known.pullTold({ baseRef: 'stable' }, { base: { ref: 'stable', sha: sha('b') } });
  assert.deepEqual(known.requested, ['a', 'a'], 'the key of the first telling is spent');
});

test('a branch that was refused as private, and is not any more, is found by the next poll', async () => {
  const known = new Known();
  await known.branchTold(sha('a'), { private: true });
  await known.branchTold(sha('a'), { private: false });
  assert.deepEqual(known.requested, ['a'], 'the key of the first telling is spent');
});

test('a reopened pull request that GitHub’s API still calls closed at the first look is tested', async () => {
  const known = new Known();
  await known.pullTold({}, {});
  await known.pullTold({ state: 'closed' }, { state: 'closed' });
  await known.pullTold({}, { state: 'closed' });
  await known.pullTold({}, {});
  assert.deepEqual(known.requested, ['a', 'a']);
});
