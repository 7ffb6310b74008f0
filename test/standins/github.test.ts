import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { test } from 'node:test';
import { Webhooks } from '@octokit/webhooks';
import type { StandInGitHub } from './github/index.ts';
import { validateWebhook } from './github/validate.ts';
import { octokitOf, REPO, startReceiver, startWithRepository, statusOf } from './github-fixture.ts';

const [owner, repo] = REPO.split('/') as [string, string];

function asApp(github: StandInGitHub, claims: Record<string, unknown> = {}): Record<string, string> {
  const now = Math.floor(Date.now() / 1000);
  const parts = [
    { alg: 'RS256', typ: 'JWT' },
    { iss: github.appId, iat: now - 10, exp: now + 300, ...claims },
  ];
  const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = createSign('RSA-SHA256').update(signed).sign(github.privateKey, 'base64url');
  return { authorization: `Bearer ${signed}.${signature}` };
}

test('the app makes a check, updates it, and finds it again', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const head_sha = await github.commit(REPO, 'fix', { files: { b: 'b' } });
  const made = await rest.checks.create({
    owner,
    repo,
    name: 'tests',
    head_sha,
    external_id: 'x',
    details_url: 'https://bot/1',
  });
  assert.equal(made.status, 201);
  assert.equal(made.data.app?.id, github.appId);
  const output = { title: 'Done', summary: 'All of it' };
  await rest.checks.update({ owner, repo, check_run_id: made.data.id, conclusion: 'success', output });
  const found = await rest.checks.listForRef({ owner, repo, ref: 'fix', filter: 'all', app_id: github.appId });
  assert.deepEqual(
    found.data.check_runs.map((run) => [
      run.external_id,
      run.details_url,
      run.status,
      run.conclusion,
      run.output.title,
    ]),
    [['x', 'https://bot/1', 'completed', 'success', 'Done']],
  );
  assert.equal(github.checkSuites(REPO, head_sha).length, 1);
});

test('a check obeys the limits of the Checks API', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const head_sha = (await github.sha(REPO, 'main'))!;
  const create = (more: object) => statusOf(rest.checks.create({ owner, repo, name: 'n', head_sha, ...more }));
  const annotation = { path: 'a', start_line: 1, end_line: 1, annotation_level: 'notice', message: 'm' };
  const action = { label: 'l', description: 'd', identifier: 'i' };
  const output = { title: 't', summary: 's' };
  assert.equal(await create({ output: { ...output, text: 'x'.repeat(65_536) } }), 422);
  assert.equal(await create({ output: { ...output, summary: 'ü'.repeat(40_000) } }), 422);
  assert.equal(await create({ output: { ...output, annotations: Array(51).fill(annotation) } }), 422);
  assert.equal(await create({ actions: Array(4).fill(action) }), 422);
  assert.equal(await create({ actions: [{ ...action, label: 'x'.repeat(21) }] }), 422);
  assert.equal(await create({ status: 'completed' }), 422);
  assert.equal(await create({ head_sha: 'f'.repeat(40) }), 422);
  assert.equal(await create({ details_url: 'javascript:alert(1)' }), 422);
  assert.equal(github.checkRuns(REPO, head_sha).length, 0);
  const fits = { output: { ...output, text: 'x'.repeat(65_535), annotations: Array(50).fill(annotation) } };
  const made = await rest.checks.create({ owner, repo, name: 'n', head_sha, conclusion: 'neutral', ...fits });
  const check_run_id = made.data.id;
  await rest.checks.update({ owner, repo, check_run_id, output: { ...output, annotations: [annotation] as never } });
  assert.equal(github.checkRuns(REPO, head_sha)[0]!.annotations.length, 51);
  assert.equal(await statusOf(rest.checks.update({ owner, repo, check_run_id, status: 'in_progress' })), 422);
});

test('only the app that made a check changes it', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const sha = (await github.sha(REPO, 'main'))!;
  const { id } = await github.createCheckRun(REPO, sha, { name: 'lint', conclusion: 'failure' });
  assert.equal(await statusOf(rest.checks.update({ owner, repo, check_run_id: id, conclusion: 'success' })), 403);
  assert.equal(github.checkRuns(REPO, sha)[0]!.conclusion, 'failure');
});

test('lists come in pages, and the later check of a name hides the earlier one', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const octokit = octokitOf(github, installation.id);
  const head_sha = (await github.sha(REPO, 'main'))!;
  const names = ['a', 'b', 'c', 'd', 'a'];
  for (const name of names) await octokit.rest.checks.create({ owner, repo, name, head_sha });
  const asked = { owner, repo, ref: 'main', per_page: 2 };
  const all = await octokit.paginate(octokit.rest.checks.listForRef, { ...asked, filter: 'all' });
  assert.deepEqual(all.map((run) => run.name).sort(), [...names].sort());
  const latest = await octokit.paginate(octokit.rest.checks.listForRef, asked);
  assert.equal(latest.length, 4);
  const first = await octokit.rest.checks.listForRef(asked);
  assert.match(first.headers.link ?? '', /page=2>; rel="next".*page=2>; rel="last"/);
});

test('what has not changed is answered with 304 and costs nothing', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const headers = { authorization: `token ${github.installationToken(installation.id)}` };
  const url = `${github.url}/repos/${REPO}/pulls`;
  const first = await fetch(url, { headers });
  const again = await fetch(url, { headers: { ...headers, 'if-none-match': first.headers.get('etag')! } });
  assert.equal(again.status, 304);
  assert.equal(first.headers.get('x-ratelimit-used'), '1');
  assert.equal(again.headers.get('x-ratelimit-used'), '1');
  const renewed = { authorization: `token ${github.installationToken(installation.id)}` };
  const other = await fetch(url, { headers: { ...renewed, 'if-none-match': first.headers.get('etag')! } });
  assert.equal(other.status, 200, 'tags are of one token');
  await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  const changed = await fetch(url, { headers: { ...headers, 'if-none-match': first.headers.get('etag')! } });
  assert.equal(changed.status, 200);
});

test('requests of an installation are counted, and refused when there were too many', async (t) => {
  const { github, installation } = await startWithRepository(t, { limits: { installation: 2 } });
  const headers = { authorization: `token ${github.installationToken(installation.id)}` };
  const ask = () => fetch(`${github.url}/api/v3/repos/${REPO}`, { headers });
  assert.deepEqual([(await ask()).status, (await ask()).status], [200, 200]);
  const refused = await ask();
  assert.equal(refused.status, 403);
  assert.equal(refused.headers.get('x-ratelimit-remaining'), '0');
  assert.ok(Number(refused.headers.get('x-ratelimit-reset')) > Date.now() / 1000);
  assert.equal((await fetch(`${github.url}/rate_limit`, { headers })).status, 200);
  github.resetRateLimits();
  assert.equal((await ask()).status, 200);
});

test('tokens of the app must be right', async (t) => {
  const { github } = await startWithRepository(t);
  const status = async (claims: object) =>
    (await fetch(`${github.url}/app`, { headers: asApp(github, claims as Record<string, unknown>) })).status;
  const now = Math.floor(Date.now() / 1000);
  assert.equal(await status({}), 200);
  assert.equal(await status({ exp: now - 1 }), 401);
  assert.equal(await status({ exp: now + 3600 }), 401);
  assert.equal(await status({ iat: now + 100 }), 401);
  assert.equal(await status({ iss: 1 }), 404);
  const { authorization } = asApp(github);
  const forged = { authorization: `${authorization!.slice(0, -8)}AAAAAAAA` };
  assert.equal((await fetch(`${github.url}/app`, { headers: forged })).status, 401);
});

test('the clock of the stand-in may be another', async (t) => {
  const now = new Date('2020-02-02T02:02:02Z');
  const { github, installation } = await startWithRepository(t, { clock: { now: () => now } });
  const { data } = await octokitOf(github, installation.id).rest.repos.listBranches({ owner, repo });
  assert.deepEqual(
    data.map((branch) => branch.name),
    ['main'],
  );
  assert.equal((await octokitOf(github).rest.apps.getAuthenticated()).data?.id, github.appId);
});

test('everything is served under /api/v3 as well', async (t) => {
  const { github, installation } = await startWithRepository(t, { basePath: '/api/v3' });
  const { rest } = octokitOf(github, installation.id);
  await github.commit(REPO, 'feature/x', { files: { b: 'b' } });
  const { data, headers } = await rest.repos.listBranches({ owner, repo, per_page: 1 });
  assert.match(data[0]!.commit.url, /^http:\/\/127\.0\.0\.1:\d+\/api\/v3\/repos\//);
  assert.match(headers.link ?? '', /\/api\/v3\/repos\/raku\/nqp\/branches\?per_page=1&page=2>; rel="next"/);
});

test('names with slashes are found', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const sha = await github.commit(REPO, 'feature/x', { files: { b: 'b' } });
  await rest.checks.create({ owner, repo, name: 'tests', head_sha: sha });
  assert.equal((await rest.repos.getBranch({ owner, repo, branch: 'feature/x' })).data.commit.sha, sha);
  assert.equal((await rest.git.getRef({ owner, repo, ref: 'heads/feature/x' })).data.object.sha, sha);
  assert.equal((await rest.repos.getCommit({ owner, repo, ref: 'feature/x' })).data.sha, sha);
  assert.equal((await rest.checks.listForRef({ owner, repo, ref: 'heads/feature/x' })).data.total_count, 1);
  for (const ref of ['nowhere', 'main..feature/x', '--all', 'a b', 'main^', ':/b']) {
    assert.equal(await statusOf(rest.repos.getCommit({ owner, repo, ref })), 422, ref);
  }
});

test('a token ends with its hour, with its suspension, and with its installation', async (t) => {
  let now = new Date();
  const { github, installation } = await startWithRepository(t, { clock: { now: () => now } });
  const ask = async (token: string) =>
    (await fetch(`${github.url}/installation/repositories`, { headers: { authorization: `token ${token}` } })).status;
  const token = github.installationToken(installation.id);
  assert.equal(await ask(token), 200);
  now = new Date(now.getTime() + 3600_001);
  assert.equal(await ask(token), 401);
  const fresh = github.installationToken(installation.id);
  await github.suspendInstallation(installation.id);
  assert.equal(await ask(fresh), 403);
  await github.unsuspendInstallation(installation.id);
  assert.equal(await ask(fresh), 200);
  await github.deleteInstallation(installation.id);
  assert.equal(await ask(fresh), 401);
});

test('an installation writes only where it is, and reads besides what is public', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  await github.createRepository('other/public');
  await github.createRepository('other/secret', { private: true });
  const sha = (await github.sha('other/public', 'main'))!;
  assert.equal((await rest.repos.get({ owner: 'other', repo: 'public' })).status, 200);
  assert.equal(await statusOf(rest.repos.get({ owner: 'other', repo: 'secret' })), 404);
  const write = rest.checks.create({ owner: 'other', repo: 'public', name: 'n', head_sha: sha });
  assert.equal(await statusOf(write), 403);
  const status = rest.repos.createCommitStatus({
    owner,
    repo,
    sha: (await github.sha(REPO, 'main'))!,
    state: 'success',
  });
  assert.equal(await statusOf(status), 403, 'the app may only read statuses');
});

test('a renamed repository is found under its old name and under its id', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const octokit = octokitOf(github, installation.id);
  const id = github.repositoryId(REPO);
  await github.renameRepository(REPO, 'renamed');
  const moved = await fetch(`${github.url}/repos/${REPO}/branches`, { redirect: 'manual' });
  assert.equal(moved.status, 301);
  assert.equal(moved.headers.get('location'), `${github.url}/repositories/${id}/branches`);
  assert.equal((await octokit.rest.repos.get({ owner, repo })).data.full_name, 'raku/renamed');
});

test('a transferred repository is found under its old name, and changes installations', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const other = await github.createInstallation({ account: 'beyond' });
  const octokit = octokitOf(github, other.id);
  assert.equal(await statusOf(octokit.rest.checks.create({ owner, repo, name: 'n', head_sha: 'a' })), 403);
  assert.equal(await github.transferRepository(REPO, 'beyond'), 'beyond/nqp');
  assert.equal((await octokit.rest.repos.get({ owner, repo })).data.full_name, 'beyond/nqp');
  const listed = async (id: number) =>
    (await octokitOf(github, id).rest.apps.listReposAccessibleToInstallation()).data.repositories.map(
      (one) => one.full_name,
    );
  assert.deepEqual([await listed(installation.id), await listed(other.id)], [[], ['beyond/nqp']]);
  const headers = { authorization: `token ${github.installationToken(other.id)}` };
  const write = { method: 'POST', redirect: 'manual', headers } as const;
  assert.equal((await fetch(`${github.url}/repos/${REPO}/check-runs`, write)).status, 307);
});

test('renamed accounts, transfers and archiving are told as GitHub describes', async (t) => {
  const { github, installation } = await startWithRepository(t);
  await github.createInstallation({ account: 'beyond' });
  const before = github.events.length;
  await github.archiveRepository(REPO);
  await github.archiveRepository(REPO, false);
  await github.renameAccount('raku', 'raku-lang');
  await github.transferRepository('raku-lang/nqp', 'beyond');
  const told = github.events.slice(before);
  assert.deepEqual(
    told.map(({ event, payload }) => `${event} ${payload['action']}`),
    [
      ...['repository archived', 'repository unarchived', 'installation_target renamed'],
      ...['installation_repositories removed', 'repository transferred', 'installation_repositories added'],
    ],
  );
  for (const { event, payload } of told) assert.deepEqual(validateWebhook(event, payload), [], event);
  const renamed = await octokitOf(github).rest.apps.getInstallation({ installation_id: installation.id });
  assert.equal((renamed.data.account as { login: string }).login, 'raku-lang');
  assert.equal((await octokitOf(github, installation.id).rest.repos.get({ owner, repo })).data.full_name, 'beyond/nqp');
});

test('nobody merges past a merge queue, into an archive, or without the permission', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  const merge = () => rest.pulls.merge({ owner, repo, pull_number: pull.number, sha: pull.headSha });
  github.requireMergeQueue(REPO, 'main');
  assert.equal(await statusOf(merge()), 405);
  github.requireMergeQueue(REPO, 'main', false);
  await github.archiveRepository(REPO);
  assert.equal(await statusOf(merge()), 403);
  await github.archiveRepository(REPO, false);
  await github.grant(installation.id, { contents: 'read' });
  assert.equal(await statusOf(merge()), 403);
  await github.grant(installation.id, { contents: 'write' });
  assert.equal((await merge()).data.merged, true);
  const granted = github.events.filter(({ payload }) => payload['action'] === 'new_permissions_accepted');
  assert.deepEqual(
    granted.map(({ event, payload }) => validateWebhook(event, payload)),
    [[], []],
  );
});

test('what requests cost is counted per installation', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const other = await github.createInstallation({ account: 'beyond' });
  const headers = { authorization: `token ${github.installationToken(installation.id)}` };
  const url = `${github.url}/repos/${REPO}/branches`;
  const etag = (await fetch(url, { headers })).headers.get('etag')!;
  await fetch(url, { headers: { ...headers, 'if-none-match': etag } });
  await fetch(url, { headers: { 'if-none-match': etag } });
  assert.deepEqual(github.usage(installation.id), { requests: 2, points: 1 });
  assert.deepEqual(github.usage(other.id), { requests: 0, points: 0 });
  assert.deepEqual(github.usage(), { requests: 3, points: 2 }, 'who is not known pays for 304 as well');
  github.resetUsage();
  assert.deepEqual(github.usage(), { requests: 0, points: 0 });
});

test('searches have a limit of their own', async (t) => {
  const { github, installation } = await startWithRepository(t, { limits: { search: 1 } });
  const headers = { authorization: `token ${github.installationToken(installation.id)}` };
  const search = () => fetch(`${github.url}/search/issues?q=repo:${REPO}`, { headers });
  const first = await search();
  assert.deepEqual([first.status, first.headers.get('x-ratelimit-resource')], [200, 'search']);
  const refused = await search();
  assert.deepEqual([refused.status, refused.headers.get('x-ratelimit-limit')], [403, '1']);
  const other = await fetch(`${github.url}/repos/${REPO}`, { headers });
  assert.deepEqual([other.status, other.headers.get('x-ratelimit-used')], [200, '1']);
});

test('a comparison has its commits in pages, the oldest first', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const base = (await github.sha(REPO, 'main'))!;
  const shas = await github.push(
    REPO,
    'main',
    ['a', 'b', 'c'].map((file) => ({ files: { [file]: file } })),
  );
  const { rest } = octokitOf(github, installation.id);
  const page = async (more: object) => {
    const { data } = await rest.repos.compareCommitsWithBasehead({
      owner,
      repo,
      basehead: `${base}...${shas[2]}`,
      ...more,
    });
    return [data.commits.map(({ sha }) => sha), data.total_commits, data.files?.length];
  };
  assert.deepEqual(await page({}), [shas, 3, 3]);
  assert.deepEqual(await page({ per_page: 2 }), [shas.slice(0, 2), 3, 3]);
  assert.deepEqual(await page({ per_page: 2, page: 2 }), [shas.slice(2), 3, 0]);
});

test('permissions are told by four words', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const told = async (username: string) => {
    const { data } = await rest.repos.getCollaboratorPermissionLevel({ owner, repo, username });
    return [data.permission, data.role_name];
  };
  github.setPermission(REPO, 'maria', 'maintain');
  github.setPermission(REPO, 'tom', 'triage');
  github.setPermission(REPO, 'nobody', 'none');
  github.createUser('stranger');
  assert.deepEqual(await told('maria'), ['write', 'maintain']);
  assert.deepEqual(await told('tom'), ['read', 'triage']);
  assert.deepEqual(await told('nobody'), ['none', 'none']);
  assert.deepEqual(await told('stranger'), ['read', 'read']);
  assert.equal(await statusOf(told('who')), 404);
});

test('comments are made, changed and removed; who reacts twice reacts once', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  const { data } = await rest.issues.createComment({ owner, repo, issue_number: pull.number, body: 'hello' });
  assert.equal(data.user?.login, github.botLogin);
  const reaction = { owner, repo, comment_id: data.id, content: '+1' } as const;
  assert.equal((await rest.reactions.createForIssueComment(reaction)).status, 201);
  assert.equal((await rest.reactions.createForIssueComment(reaction)).status, 200);
  const made = await rest.reactions.createForIssueComment({ ...reaction, content: 'eyes' });
  const taken = { owner, repo, comment_id: data.id, reaction_id: made.data.id };
  assert.equal((await rest.reactions.deleteForIssueComment(taken)).status, 204);
  assert.equal(await statusOf(rest.reactions.deleteForIssueComment(taken)), 404);
  await rest.issues.updateComment({ owner, repo, comment_id: data.id, body: 'changed' });
  assert.equal(github.comments(REPO, pull.number)[0]!.body, 'changed');
  assert.deepEqual(github.comments(REPO, pull.number)[0]!.reactedBy, [{ login: github.botLogin, content: '+1' }]);
  await rest.issues.deleteComment({ owner, repo, comment_id: data.id });
  assert.equal(await statusOf(rest.issues.getComment({ owner, repo, comment_id: data.id })), 404);
});

test('comments are listed since a moment, of one pull request or of all', async (t) => {
  let now = new Date('2026-11-21T00:00:00Z');
  const { github } = await startWithRepository(t, { clock: { now: () => now } });
  const first = await github.openPullRequest({ repo: REPO, head: 'a', files: { a: 'a' } });
  const second = await github.openPullRequest({ repo: REPO, head: 'b', files: { b: 'b' } });
  const old = await github.comment(REPO, first.number, 'old');
  await github.comment(REPO, first.number, 'older');
  now = new Date('2026-11-21T01:00:00Z');
  await github.comment(REPO, second.number, 'new');
  await github.editComment(old.id, 'old, but edited');
  const list = async (path: string) => {
    const answer = await fetch(`${github.url}/repos/${REPO}/issues/${path}?since=2026-11-21T00:30:00Z`);
    return ((await answer.json()) as { body: string }[]).map(({ body }) => body);
  };
  assert.deepEqual(await list('comments'), ['old, but edited', 'new']);
  assert.deepEqual(await list(`${second.number}/comments`), ['new']);
});

test('merged pull requests of an author are found', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const merged = await github.openPullRequest({ repo: REPO, head: 'a', files: { a: 'a' }, author: 'alice' });
  await github.openPullRequest({ repo: REPO, head: 'b', files: { b: 'b' }, author: 'bob' });
  await github.merge(REPO, merged.number);
  const count = async (author: string) => {
    const q = `repo:${REPO} type:pr author:${author} is:merged`;
    return (await rest.search.issuesAndPullRequests({ q })).data.total_count;
  };
  assert.deepEqual([await count('alice'), await count('bob')], [1, 0]);
});

test('a token may be narrowed to repositories and permissions', async (t) => {
  const { github, installation } = await startWithRepository(t);
  await github.createRepository('raku/other', { private: true });
  const url = `${github.url}/app/installations/${installation.id}/access_tokens`;
  const issue = (body: object) => fetch(url, { method: 'POST', headers: asApp(github), body: JSON.stringify(body) });
  const issued = await issue({ repositories: ['nqp'], permissions: { checks: 'read' } });
  assert.equal(issued.status, 201);
  const { token } = (await issued.json()) as { token: string };
  const headers = { authorization: `token ${token}` };
  assert.equal((await fetch(`${github.url}/repos/raku/other`, { headers })).status, 404);
  const body = JSON.stringify({ name: 'n', head_sha: await github.sha(REPO, 'main') });
  const create = await fetch(`${github.url}/repos/${REPO}/check-runs`, { method: 'POST', headers, body });
  assert.equal(create.status, 403);
  assert.equal((await issue({ repositories: ['unknown'] })).status, 422);
  assert.equal((await issue({ permissions: { administration: 'write' } })).status, 422);
});

test('webhooks are signed, arrive in order, and do not hold up the API', async (t) => {
  const { github } = await startWithRepository(t);
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { url, received } = await startReceiver(t, (response) => void gate.then(() => response.end()));
  github.deliverTo(url);
  const { number } = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  await github.comment(REPO, number, 'one');
  await github.comment(REPO, number, 'two');
  letGo();
  await github.settled();
  const names = received.map(({ headers }) => headers['x-github-event']);
  assert.deepEqual(names, ['push', 'check_suite', 'pull_request', 'issue_comment', 'issue_comment']);
  const { headers, body } = received[0]!;
  const webhooks = new Webhooks({ secret: github.webhookSecret });
  assert.equal(await webhooks.verify(body, String(headers['x-hub-signature-256'])), true);
  assert.equal(new Set(received.map((hook) => hook.headers['x-github-delivery'])).size, 5);
});

test('nothing is sent about repositories that the installation does not cover', async (t) => {
  const { github, installation } = await startWithRepository(t);
  await github.createRepository('other/public');
  const before = github.events.length;
  await github.commit('other/public', 'main', { files: { a: 'a' } });
  assert.equal(github.events.length, before);
  await github.suspendInstallation(installation.id);
  const suspended = github.events.length;
  await github.commit(REPO, 'main', { files: { a: 'a' } });
  assert.equal(github.events.length, suspended);
});

test('a check of a pull request from a fork tells no pull request', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const headRepo = await github.fork(REPO, 'bob');
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', headRepo, files: { b: 'b' } });
  const made = await rest.checks.create({ owner, repo, name: 'tests', head_sha: pull.headSha });
  assert.deepEqual(made.data.pull_requests, []);
  await github.deleteRepository(headRepo);
  const { data } = await rest.pulls.get({ owner, repo, pull_number: pull.number });
  assert.equal(data.head.repo, null);
  assert.equal(data.head.sha, pull.headSha);
});

test('pages show a pull request, and show text as text', async (t) => {
  const { github } = await startWithRepository(t);
  const title = '<script>alert(1)</script>';
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' }, title });
  await github.comment(REPO, pull.number, '<img src=x>');
  const output = { title: 'Two failed', summary: 'See <b>' };
  const check = { name: 'tests', conclusion: 'failure', details_url: 'https://bot.example/runs/1', output };
  const { id } = await github.createCheckRun(REPO, pull.headSha, check);
  const answer = await fetch(pull.url);
  const page = await answer.text();
  assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  assert.match(page, /Two failed/);
  assert.match(page, /href="https:\/\/bot\.example\/runs\/1"/);
  assert.doesNotMatch(page, /<script|<img|<b>/);
  for (const path of ['', `/${REPO}`, `/${REPO}/commit/${pull.headSha}`, `/${REPO}/runs/${id}`]) {
    assert.equal((await fetch(`${github.origin}${path}`)).status, 200, path);
  }
  assert.equal((await fetch(`${github.origin}/${REPO}/pull/99`)).status, 404);
});
