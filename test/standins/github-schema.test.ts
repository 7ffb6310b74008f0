import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StandInGitHub } from './github/index.ts';
import { validateRequest, validateResponse, validateWebhook } from './github/validate.ts';
import { octokitOf, REPO, startWithRepository } from './github-fixture.ts';

/** A bit of everything; answers what requests need to name. */
async function everything(github: StandInGitHub, installationId: number) {
  const octokit = octokitOf(github, installationId);
  const [owner, repo] = REPO.split('/') as [string, string];
  const base = (await github.sha(REPO, 'main'))!;
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { 'b.txt': 'b\n' }, author: 'alice' });
  const fork = await github.fork(REPO, 'bob');
  const forked = await github.openPullRequest({
    repo: REPO,
    head: 'theirs',
    headRepo: fork,
    files: { c: 'c' },
    draft: true,
  });
  await github.markReady(REPO, forked.number, { by: 'bob' });
  await github.markDraft(REPO, forked.number);
  const comment = await github.comment(REPO, pull.number, 'a word', { by: 'carol' });
  await github.editComment(comment.id, 'another word');
  await github.react(comment.id, 'eyes', 'alice');
  await octokit.rest.reactions.createForIssue({ owner, repo, issue_number: pull.number, content: 'rocket' });
  const deleted = await github.comment(REPO, pull.number, 'a mistake', { by: 'carol' });
  await github.deleteComment(deleted.id);
  const run = await octokit.rest.checks.create({
    ...{ owner, repo, name: 'local / tests', head_sha: pull.headSha, external_id: 'run-1', status: 'in_progress' },
    actions: [{ label: 'Again', description: 'Test it again', identifier: 'again' }],
  });
  await github.requestAction(run.data.id, 'again', { by: 'alice' });
  const done = { conclusion: 'success', completed_at: '2026-11-21T00:00:00Z' } as const;
  await octokit.rest.checks.update({ owner, repo, check_run_id: run.data.id, ...done });
  await github.rerequestCheckRun(run.data.id);
  const suite = run.data.check_suite!.id;
  await github.rerequestCheckSuite(suite);
  await github.createCheckRun(REPO, pull.headSha, { name: 'lint', conclusion: 'failure' });
  await github.edit(REPO, pull.number, { title: 'Better', body: 'Because', by: 'alice' });
  await github.commit(REPO, 'next', { files: { d: 'd' }, from: 'main' });
  await github.edit(REPO, pull.number, { base: 'next' });
  const headSha = await github.commit(REPO, 'fix', { files: { 'b.txt': 'b2\n' }, author: 'alice' });
  await github.forcePush(REPO, 'fix', { files: { 'b.txt': 'b3\n' }, author: 'alice' });
  await github.close(REPO, forked.number);
  await github.reopen(REPO, forked.number);
  await github.tag(REPO, 'v1', { message: 'First' });
  await github.merge(REPO, pull.number, { by: 'alice' });
  await github.deleteBranch(REPO, 'fix');
  await github.deleteRepository(fork);
  await github.commit(REPO, 'main', {
    delete: ['README.md'],
    files: { run: { content: '#!/bin/sh\n', mode: '100755' } },
  });
  const alice = github.createUser('alice').id;
  return { alice, base, pull, forked, comment, run: run.data.id, suite, headSha };
}

async function installationChanges(github: StandInGitHub, id: number): Promise<void> {
  await github.createRepository('raku/other');
  await github.setDefaultBranch(REPO, 'next');
  await github.removeRepositories(id, ['raku/other']);
  await github.addRepositories(id, ['raku/other']);
  await github.renameRepository('raku/other', 'another');
  await github.suspendInstallation(id);
  await github.unsuspendInstallation(id);
  await github.deleteInstallation(id);
}

test('every webhook is what GitHub describes', async (t) => {
  const { github, installation } = await startWithRepository(t);
  await everything(github, installation.id);
  await installationChanges(github, installation.id);
  const kinds = new Set<string>();
  for (const { event, payload } of github.events) {
    kinds.add(`${event} ${payload['action'] ?? ''}`.trim());
    assert.deepEqual(validateWebhook(event, payload), [], `${event} ${payload['action']}`);
  }
  const expected = [
    ...['push', 'check_suite requested', 'check_suite rerequested', 'check_suite completed'],
    ...['created', 'completed', 'rerequested', 'requested_action'].map((action) => `check_run ${action}`),
    ...['opened', 'synchronize', 'edited', 'closed', 'reopened'].map((action) => `pull_request ${action}`),
    ...['converted_to_draft', 'ready_for_review'].map((action) => `pull_request ${action}`),
    ...['created', 'edited', 'deleted'].map((action) => `issue_comment ${action}`),
    ...['created', 'suspend', 'unsuspend', 'deleted'].map((action) => `installation ${action}`),
    ...['added', 'removed'].map((action) => `installation_repositories ${action}`),
    ...['created', 'renamed', 'edited'].map((action) => `repository ${action}`),
  ];
  assert.deepEqual(kinds, new Set(expected));
});

test('answers are what GitHub describes', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { alice, base, pull, forked, comment, run, suite, headSha } = await everything(github, installation.id);
  const r = `/repos/${REPO}`;
  const paths = [
    ...[r, `${r}/branches`, `${r}/branches/main`, `${r}/commits`, `${r}/commits/${headSha}`, `${r}/git/ref/tags/v1`],
    ...[`${r}/git/matching-refs/heads/`, `${r}/contents/lib/a.txt`, `${r}/compare/${base}...${headSha}`],
    ...[`${r}/pulls?state=all`, `${r}/pulls/${pull.number}`, `${r}/pulls/${pull.number}/files`],
    ...[`${r}/pulls/${pull.number}/commits`, `${r}/issues/${pull.number}/comments`, `${r}/issues/comments`],
    ...[
      `${r}/issues/comments/${comment.id}`,
      `${r}/issues/comments/${comment.id}/reactions`,
      `${r}/pulls/${forked.number}`,
    ],
    ...[`${r}/collaborators/alice/permission`, `${r}/check-runs/${run}`, `${r}/commits/${pull.headSha}/check-runs`],
    ...[
      `${r}/commits/${pull.headSha}/check-suites`,
      `${r}/check-suites/${suite}`,
      `${r}/check-suites/${suite}/check-runs`,
    ],
    ...[`${r}/commits/${headSha}/status`, `${r}/commits/${headSha}/statuses`, `${r}/check-runs/${run}/annotations`],
    ...[`${r}/git/commits/${headSha}`, `${r}/issues/${pull.number}/reactions`, `/user/${alice}`],
    ...['/installation/repositories', '/rate_limit', `/search/issues?q=repo:${REPO}+type:pr+author:alice+is:merged`],
  ];
  const token = github.installationToken(installation.id);
  for (const path of paths) {
    const answer = await fetch(`${github.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    const body = await answer.json();
    const bare = path.split('?')[0]!;
    // A head whose repository was deleted is null, which GitHub's description does not admit (its documentation does).
    const errors = validateResponse('GET', bare, answer.status, body).filter((error) => !error.includes('/head/repo'));
    assert.deepEqual([answer.status, errors], [200, []], `${path}: ${JSON.stringify(body).slice(0, 300)}`);
  }
});

test('answers to the app itself are what GitHub describes', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const octokit = octokitOf(github);
  const { token } = (await octokit.auth({ type: 'app' })) as { token: string };
  const id = installation.id;
  // Not /app/installations: the description wants an account to be a user and an enterprise at the same time there.
  const asked = ['/app', `/app/installations/${id}`, `/repos/${REPO}/installation`];
  for (const path of [...asked, '/app/hook/deliveries']) {
    const answer = await fetch(`${github.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual(validateResponse('GET', path, answer.status, await answer.json()), [], path);
  }
});

test('what a user may read through an installation is answered as GitHub describes it, to his token of the App', async (t) => {
  const { github, installation } = await startWithRepository(t);
  await github.createRepository('raku/secret', { private: true });
  await github.createRepository('raku/other-secret', { private: true });
  github.setPermission('raku/secret', 'lizmat', 'triage');
  const path = `/user/installations/${installation.id}/repositories`;
  const ask = async (token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(`${github.url}${path}`, { headers });
    const body = (await answer.json()) as { repositories?: { full_name: string; permissions: object }[] };
    return { status: answer.status, body, errors: validateResponse('GET', path, answer.status, body) };
  };
  const { status, body, errors } = await ask(github.loginToken('lizmat'));
  assert.deepEqual([status, errors], [200, []]);
  assert.deepEqual(
    body.repositories!.map(({ full_name, permissions }) => [full_name, permissions]),
    [['raku/secret', { admin: false, maintain: false, push: false, triage: true, pull: true }]],
  );
  const mallory = await ask(github.loginToken('mallory'));
  assert.deepEqual([mallory.status, mallory.errors], [404, []]);
  assert.equal((await ask(github.userToken('lizmat'))).status, 403, 'a token of his own is not of the App');
  assert.equal((await ask(github.installationToken(installation.id))).status, 403);
  assert.equal((await ask()).status, 401);
  await github.suspendInstallation(installation.id);
  const suspended = await ask(github.loginToken('lizmat'));
  assert.deepEqual([suspended.status, suspended.errors], [403, []]);
});

test('the judge finds what is wrong', () => {
  const path = `/repos/${REPO}/check-runs`;
  assert.deepEqual(validateRequest('POST', path, { name: 'n', head_sha: 'a' }), []);
  assert.match(validateRequest('POST', path, { name: 'n' }).join(), /head_sha/);
  assert.match(validateRequest('POST', path, { name: 'n', head_sha: 'a', status: 'done' }).join(), /status/);
  assert.match(validateRequest('GET', '/repos/a/b/nonsense', undefined).join(), /has no GET/);
  assert.match(validateResponse('GET', `/repos/${REPO}`, 200, { id: 1 }).join(), /required/);
  assert.match(validateResponse('GET', `/repos/${REPO}`, 204, {}).join(), /never answers 204/);
  assert.match(validateWebhook('push', { ref: 1 }).join(), /push/);
  assert.match(validateWebhook('pushed', {}).join(), /no webhook/);
});

test('requests that GitHub would not understand are remembered', async (t) => {
  const { github, installation } = await startWithRepository(t, { onRequest: validateRequest });
  const octokit = octokitOf(github, installation.id);
  await octokit.request('POST /repos/raku/nqp/issues/{number}/comments', { number: 1, body: 7 }).catch(() => undefined);
  assert.equal(github.invalidRequests.length, 1);
  assert.match(github.invalidRequests[0]!.errors.join(), /body must be string/);
});
