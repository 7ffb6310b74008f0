import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RepositoryRef } from '../../src/core/model.ts';
import { ForgeError } from '../../src/forge/forge.ts';
import { openClient } from '../../src/forge/github/client.ts';
import { type Octokit, openGitHub } from '../../src/forge/github/github.ts';

/** Answers of GitHub's that the stand-in does not give, in its words as they were seen. */

const never = new AbortController().signal;
const SHA = 'a'.repeat(40);
const repository: RepositoryRef = { key: 'github:1', name: 'acme/tool', installation: 'github:2' };
const PULL = {
  node_id: 'PR_1',
  state: 'open',
  merged: false,
  mergeable: true,
  mergeable_state: 'clean',
  head: { sha: SHA, repo: { id: 1 } },
  base: { ref: 'main', sha: 'b'.repeat(40) },
};

function forgeThat(answers: { merge?: { status: number; message: string }; pull?: object; graphql?: object }) {
  const octokit: Octokit = {
    auth: async () => ({}),
    request: async (route: string) => {
      const { merge } = answers;
      if (merge && route.startsWith('PUT ')) {
        const response = { headers: {}, data: { message: merge.message } };
        throw Object.assign(new Error(merge.message), { status: merge.status, response });
      }
      const data = route.startsWith('GET /repositories/')
        ? { id: 1, full_name: 'acme/tool', default_branch: 'main', private: false }
        : route.includes('graphql')
          ? answers.graphql
          : { ...PULL, ...answers.pull };
      return { status: 200, headers: {}, data };
    },
  };
  const settings = { octokit: async () => octokit, appId: '1', htmlUrl: '', now: () => new Date() };
  return openGitHub(settings, openClient(settings));
}

describe('why GitHub does not merge', () => {
  const pending: [boolean, string][] = [
    [true, 'Required status check "ci/build" is expected.'],
    [true, 'Required status check "ci" is pending.'],
    [true, '2 of 3 required status checks are expected.'],
    [true, 'Repository rule violations found\n\nRequired status check "test" is expected.\n\n'],
    [true, '3 of 5 required status checks have not succeeded: 2 expected.'],
    [true, 'Required status check "test" is in progress.'],
    [false, 'Required status check "ci/build" is failing.'],
    [false, '1 of 3 required status checks have failed.'],
    [false, 'At least 1 approving review is required by reviewers with write access.'],
    [false, 'Base branch was modified. Review and try the merge again.'],
    [false, 'Pull Request is not mergeable'],
    [false, 'Changes must be made through a pull request.'],
  ];
  for (const [checksPending, message] of pending) {
    test(`${checksPending ? 'checks are awaited' : 'no check is awaited'}: ${message.trim()}`, async () => {
      const forge = forgeThat({ merge: { status: 405, message } });
      const outcome = await forge.ensureMerged(repository, 1, { sha: SHA, method: 'merge' }, never);
      const why = message.replace(/\s+/g, ' ').trim();
      assert.deepEqual(outcome, { kind: 'not-mergeable', why, checksPending, queueRequired: false });
    });
  }

  const others: [number, string][] = [
    [409, 'head-moved'],
    [422, 'refused'],
    [403, 'denied'],
  ];
  for (const [status, kind] of others) {
    test(`${status} is ${kind}`, async () => {
      const forge = forgeThat({ merge: { status, message: 'In its words' } });
      const outcome = await forge.ensureMerged(repository, 1, { sha: SHA, method: 'squash' }, never);
      assert.deepEqual(outcome, { kind, why: 'In its words' });
    });
  }

  for (const status of [401, 500, 504]) {
    test(`${status} tells nothing of the merge`, async () => {
      const forge = forgeThat({ merge: { status, message: 'Oops' } });
      await assert.rejects(forge.ensureMerged(repository, 1, { sha: SHA, method: 'merge' }, never), ForgeError);
    });
  }
});

describe('what GraphQL says', () => {
  const read = (graphql: object, pull = {}) => forgeThat({ graphql, pull }).readMergeState(repository, 1, never);

  test('a server that does not know merge queues has none', async () => {
    const message = "Field 'isMergeQueueEnabled' doesn't exist on type 'PullRequest'";
    const state = await read({ errors: [{ message, extensions: { code: 'undefinedField' } }] });
    assert.equal(state?.queue, 'none');
  });

  test('a word for the state that we do not know is unknown', async () => {
    const state = await read({ data: { node: null } }, { mergeable_state: 'bewitched', mergeable: null });
    assert.deepEqual([state?.mergeState, state?.mergeable], ['unknown', null]);
  });

  const faults: [string, object, string][] = [
    ['a limit', { type: 'RATE_LIMITED', message: 'API rate limit exceeded' }, 'rate-limited'],
    ['a refusal', { type: 'FORBIDDEN', message: 'Resource not accessible by integration' }, 'denied'],
    ['what is gone', { type: 'NOT_FOUND', message: 'Could not resolve to a node' }, 'gone'],
    ['a mishap', { message: 'Something went wrong while executing your query. Please include `ABCD`' }, 'unreachable'],
  ];
  for (const [what, fault, kind] of faults) {
    test(`${what} is ${kind}`, async () => {
      const error = await read({ data: null, errors: [fault] }).catch((thrown) => thrown);
      assert.ok(error instanceof ForgeError, String(error));
      assert.equal(error.kind, kind);
      assert.match(error.message, /acme\/tool/);
    });
  }

  test('an answer that is not as published is not believed', async () => {
    for (const graphql of [{ data: { node: { isInMergeQueue: 'yes' } } }, { data: {} }, 'not JSON']) {
      const error = await read(graphql as object).catch((thrown) => thrown);
      assert.ok(error instanceof ForgeError && error.kind === 'unparsable', String(error));
    }
  });
});
