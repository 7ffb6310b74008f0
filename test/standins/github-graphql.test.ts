import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateRequest } from './github/validate.ts';
import { octokitOf, REPO, startWithRepository } from './github-fixture.ts';

const NODE = 'query ($id: ID!) { node(id: $id) { id ... on Comment { editor { login } } } }';

test('GraphQL answers what is selected, and nothing else', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { graphql, rest } = octokitOf(github, installation.id);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  const [owner, repo] = REPO.split('/') as [string, string];
  const id = (await rest.pulls.get({ owner, repo, pull_number: pull.number })).data.node_id;
  assert.deepEqual(await graphql(NODE, { id }), { node: { id, editor: null } });
  await github.edit(REPO, pull.number, { body: 'Because', by: 'alice' });
  assert.deepEqual(await graphql(NODE, { id }), { node: { id, editor: { login: 'alice' } } });
  await assert.rejects(graphql(NODE, { id: 'bm90aGluZzox' }), /Could not resolve to a node/);
  const { core, graphql: used } = (await rest.rateLimit.get()).data.resources;
  assert.deepEqual([core.used, used?.used], [1, 3], 'it has a budget of its own');
});

test('nobody asks GraphQL anonymously', async (t) => {
  const { github } = await startWithRepository(t);
  const answer = await fetch(`${github.url}/graphql`, { method: 'POST', body: JSON.stringify({ query: NODE }) });
  assert.equal(answer.status, 401);
});

const wrong: [string, unknown, RegExp][] = [
  ['no query', {}, /must be a string/],
  ['no GraphQL', { query: 'SELECT 1' }, /Parse error/],
  ['an open brace', { query: 'query ($id: ID!) { node(id: $id) { id }', variables: { id: 'x' } }, /Parse error/],
  [
    'an unknown field',
    { query: NODE.replace('login', 'age'), variables: { id: 'x' } },
    /'age' doesn't exist on type 'Actor'/,
  ],
  ['a field of one kind only', { query: NODE.replace('login', 'databaseId'), variables: { id: 'x' } }, /type 'Actor'/],
  [
    'an unknown type',
    { query: NODE.replace('on Comment', 'on Remark'), variables: { id: 'x' } },
    /No such type Remark/,
  ],
  [
    'another kind of node',
    { query: NODE.replace('editor {', 'editor { ... on IssueComment { id }'), variables: { id: 'x' } },
    /can't be spread/,
  ],
  ['nothing selected', { query: NODE.replace('{ login }', ''), variables: { id: 'x' } }, /must have selections/],
  ['an argument that is missing', { query: 'query { node { id } }' }, /missing required arguments: id/],
  [
    'a variable of another type',
    { query: NODE.replace('ID!', 'EnqueuePullRequestInput!'), variables: { id: { pullRequestId: 'x' } } },
    /Type mismatch/,
  ],
  ['a variable that is missing', { query: NODE }, /invalid value/],
  [
    'an input field that does not exist',
    {
      query: 'mutation ($input: EnqueuePullRequestInput!) { enqueuePullRequest(input: $input) { clientMutationId } }',
      variables: { input: { pullRequestId: 'x', headSha: 'y' } },
    },
    /headSha/,
  ],
];

for (const [what, body, error] of wrong) {
  test(`the judge finds ${what}`, () => assert.match(validateRequest('POST', '/graphql', body).join('\n'), error));
}

test('the judge finds nothing wrong with what is right', () => {
  assert.deepEqual(validateRequest('POST', '/graphql', { query: NODE, variables: { id: 'x' } }), []);
});
