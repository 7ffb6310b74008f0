import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ParsedHook, parseHook } from '../../src/forge/github/hooks.ts';
import { sha } from '../support/builders.ts';

/** GitHub's own published examples, of every hook. */
const examplesFile = createRequire(import.meta.url).resolve('@octokit/webhooks-examples/api.github.com/index.json');
type Json = Record<string, unknown>;
const published = JSON.parse(readFileSync(examplesFile, 'utf8')) as { name: string; examples: Json[] }[];
const READ = [
  'push',
  'pull_request',
  'check_run',
  'check_suite',
  'issue_comment',
  'installation',
  'installation_repositories',
  'installation_target',
  'repository',
];
const examples = published.flatMap(({ name, examples: each }) => each.map((payload) => ({ name, payload })));
const readable = examples.filter(({ name }) => READ.includes(name));

const parse = (name: string, payload: unknown): ParsedHook => parseHook(name, JSON.stringify(payload));
const kindOf = (parsed: ParsedHook): string =>
  'event' in parsed ? parsed.event.kind : 'noted' in parsed ? 'noted' : 'unread';

test('every published example of the hooks that RCB reads is understood', () => {
  assert.ok(readable.length >= 80, `only ${readable.length} examples were found`);
  for (const { name, payload } of readable) {
    const parsed = parse(name, payload);
    assert.ok(!('unread' in parsed), `${name}.${payload.action}: ${JSON.stringify(parsed)}`);
  }
});

test('every other published hook is noted: it is no riddle, and of no use', () => {
  const others = examples.filter(({ name }) => !READ.includes(name));
  assert.ok(others.length > 50);
  for (const { name, payload } of others) assert.equal(kindOf(parse(name, payload)), 'noted', name);
});

test('which actions of the examples become events', () => {
  const events = new Set<string>();
  for (const { name, payload } of readable) {
    const parsed = parse(name, payload);
    if ('event' in parsed) events.add(`${name}.${payload.action ?? ''} → ${parsed.event.kind}`);
  }
  assert.deepEqual(
    [...events].filter((line) => /^(push|pull_request|check|issue_comment)/.test(line)).sort(),
    [
      'check_run.requested_action → check.rerequested',
      'check_run.rerequested → check.rerequested',
      'check_suite.rerequested → check.rerequested',
      'issue_comment.created → comment.told',
      'issue_comment.deleted → comment.told',
      'issue_comment.edited → comment.told',
      'pull_request.closed → pull-request.hinted',
      'pull_request.converted_to_draft → pull-request.hinted',
      'pull_request.opened → pull-request.hinted',
      'pull_request.ready_for_review → pull-request.hinted',
      'pull_request.reopened → pull-request.hinted',
      'pull_request.synchronize → pull-request.hinted',
      'push. → branch.hinted',
    ].filter((line) => !line.startsWith('issue_comment') || events.has(line)),
  );
});

// Payloads of our own, with the fields that are read.

const repository = { id: 1, full_name: 'MoarVM/MoarVM', private: false, default_branch: 'main' };
const installation = { id: 9 };
const sender = { id: 5, login: 'lizmat', type: 'User' };
const ref = { key: 'github:1', name: 'MoarVM/MoarVM', installation: 'github:9' };
const pushed = { ref: 'refs/heads/main', after: sha('a'), deleted: false, repository, installation };
const pulled = {
  action: 'synchronize',
  number: 7,
  pull_request: {
    title: 'Fix',
    state: 'open',
    merged: false,
    draft: false,
    updated_at: '2026-11-21T12:00:00Z',
    head: { sha: sha('a'), repo: null },
    base: { ref: 'main' },
  },
  repository,
  installation,
  sender,
};
const commented = {
  action: 'created',
  issue: { number: 7, pull_request: { url: 'https://api.github.com/…' } },
  comment: { id: 3, body: '{re-test}', user: sender, updated_at: '2026-11-21T12:00:00Z' },
  repository,
  installation,
  sender,
};
const rerequested = {
  action: 'rerequested',
  check_run: { id: 4, external_id: 'check1', head_sha: sha('a') },
  repository,
  installation,
  sender,
};

/** A copy with one field, named by its path, replaced; without a value, removed. */
function withField(payload: unknown, path: (string | number)[], value?: unknown): unknown {
  const copy = structuredClone(payload);
  let parent = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>;
  const last = path.at(-1)!;
  if (value === undefined) delete parent[last];
  else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

const told = { headSha: sha('a'), baseRef: 'main', title: 'Fix', state: 'open', draft: false };
const comment = {
  id: '3',
  number: 7,
  onPullRequest: true,
  action: 'created',
  author: { id: '5', login: 'lizmat', bot: false },
  sender: { id: '5', login: 'lizmat' },
  body: '{re-test}',
  updatedAt: '2026-11-21T12:00:00Z',
};
const expected: [string, string, unknown, object][] = [
  ['a push', 'push', pushed, { kind: 'branch.hinted', repository: ref, ref: 'refs/heads/main', sha: sha('a') }],
  [
    'a branch is gone: forty zeros',
    'push',
    { ...pushed, after: '0'.repeat(40), deleted: true },
    { kind: 'branch.hinted', repository: ref, ref: 'refs/heads/main', sha: null },
  ],
  [
    'a repository of sha256 objects',
    'push',
    { ...pushed, after: 'a'.repeat(64) },
    { kind: 'branch.hinted', repository: ref, ref: 'refs/heads/main', sha: 'a'.repeat(64) },
  ],
  [
    'a pull request whose fork is gone',
    'pull_request',
    pulled,
    { kind: 'pull-request.hinted', repository: ref, number: 7, action: 'synchronize', told },
  ],
  [
    'a pull request that was merged',
    'pull_request',
    withField(
      withField(withField(pulled, ['action'], 'closed'), ['pull_request', 'state'], 'closed'),
      ['pull_request', 'merged'],
      true,
    ),
    { kind: 'pull-request.hinted', repository: ref, number: 7, action: 'closed', told: { ...told, state: 'merged' } },
  ],
  ['a comment', 'issue_comment', commented, { kind: 'comment.told', repository: ref, comment }],
  [
    'a comment of a deleted account',
    'issue_comment',
    withField(commented, ['comment', 'user'], null),
    { kind: 'comment.told', repository: ref, comment: { ...comment, author: { id: '0', login: 'ghost', bot: false } } },
  ],
  [
    'a comment of a bot',
    'issue_comment',
    withField(commented, ['comment', 'user'], { id: 6, login: 'rcb[bot]', type: 'Bot' }),
    {
      kind: 'comment.told',
      repository: ref,
      comment: { ...comment, author: { id: '6', login: 'rcb[bot]', bot: true } },
    },
  ],
  [
    'a check’s button',
    'check_run',
    rerequested,
    {
      kind: 'check.rerequested',
      repository: ref,
      request: {
        action: 'rerequested',
        of: 'check_run',
        id: '4',
        externalId: 'check1',
        headSha: sha('a'),
        identifier: undefined,
        sender: { id: '5', login: 'lizmat' },
      },
    },
  ],
  [
    'an installation with its repositories',
    'installation',
    {
      action: 'created',
      installation: { id: 9, account: { id: 2, login: 'Raku' } },
      repositories: [{ id: 1, full_name: 'Raku/nqp', private: false }],
    },
    {
      kind: 'installation.told',
      installation: {
        key: 'github:9',
        account: 'Raku',
        accountId: '2',
        action: 'created',
        repositoriesAdded: [{ key: 'github:1', name: 'Raku/nqp', private: false }],
        repositoriesRemoved: [],
      },
    },
  ],
];
for (const [title, name, payload, event] of expected) {
  test(`parsed: ${title}`, () => {
    const parsed = parse(name, payload);
    assert.ok('event' in parsed, JSON.stringify(parsed));
    assert.deepEqual(parsed.event, event);
  });
}

test('when it happened is told where GitHub tells it', () => {
  const at = (parsed: ParsedHook) => ('event' in parsed ? parsed.occurredAt?.toISOString() : 'no event');
  assert.equal(at(parse('pull_request', pulled)), '2026-11-21T12:00:00.000Z');
  assert.equal(at(parse('issue_comment', commented)), '2026-11-21T12:00:00.000Z');
  assert.equal(at(parse('push', pushed)), undefined);
  assert.equal(at(parse('pull_request', withField(pulled, ['pull_request', 'updated_at'], 'yesterday'))), undefined);
});

const noted: [string, string, unknown][] = [
  ['a tag', 'push', { ...pushed, ref: 'refs/tags/2026.11' }],
  ['a label', 'pull_request', { ...pulled, action: 'labeled' }],
  ['a comment on an issue', 'issue_comment', { ...commented, issue: { number: 7 } }],
  ['our own check that was created', 'check_run', { ...rerequested, action: 'created' }],
  ['a hook that GitHub publishes and RCB does not read', 'star', { action: 'created' }],
  ['a ping', 'ping', { zen: 'Keep it logically awesome.' }],
];
for (const [title, name, payload] of noted) {
  test(`noted, and nothing follows: ${title}`, () => assert.equal(kindOf(parse(name, payload)), 'noted'));
}

const broken: [string, string, string, RegExp][] = [
  ['nothing at all', 'push', '', /is not JSON/],
  ['not JSON', 'push', '<html>', /is not JSON/],
  ['NULs', 'push', '\0\0\0', /is not JSON/],
  ['cut off', 'push', JSON.stringify(pushed).slice(0, -5), /is not JSON/],
  ['a megabyte of nonsense', 'push', 'x'.repeat(1_000_000), /is not JSON/],
  ['null', 'push', 'null', /payload: /],
  ['a list', 'push', '[]', /payload: /],
  ['a number', 'push', '7', /payload: /],
  ['100,000 lists in one another', 'push', '['.repeat(100_000) + ']'.repeat(100_000), /^the payload of "push" is not /],
  ['100,000 lists that do not end', 'push', '['.repeat(100_000), /is not JSON/],
  ['no repository', 'push', JSON.stringify(withField(pushed, ['repository'])), /repository: /],
  ['no sha', 'push', JSON.stringify(withField(pushed, ['after'])), /after: /],
  ['half a sha', 'push', JSON.stringify({ ...pushed, after: 'abc' }), /after: /],
  ['a sha in capitals', 'push', JSON.stringify({ ...pushed, after: 'A'.repeat(40) }), /after: /],
  ['a sha that is two lines', 'push', JSON.stringify({ ...pushed, after: `${sha('a')}\n` }), /after: /],
  [
    'an id that is a fraction',
    'push',
    JSON.stringify(withField(pushed, ['repository', 'id'], 1.5)),
    /repository\.id: /,
  ],
  [
    'an id past what a number holds',
    'push',
    JSON.stringify(pushed).replace('"id":1,', '"id":9007199254740993,'),
    /repository\.id: /,
  ],
  ['a ref without a name', 'push', JSON.stringify({ ...pushed, ref: '' }), /ref: /],
  ['a ref of 100 kB', 'push', JSON.stringify({ ...pushed, ref: `refs/heads/${'x'.repeat(100_000)}` }), /ref: /],
  ['a number that is negative', 'pull_request', JSON.stringify({ ...pulled, number: -7 }), /number: /],
  [
    'an unheard state',
    'pull_request',
    JSON.stringify(withField(pulled, ['pull_request', 'state'], 'odd')),
    /pull_request\.state: /,
  ],
  ['an unheard hook', 'gossip', '{}', /does not know the hook "gossip"/],
  ['a hook named as a property of every object', 'constructor', '{}', /does not know the hook/],
  ['a hook named __proto__', '__proto__', '{}', /does not know the hook/],
];
for (const [title, name, body, why] of broken) {
  test(`unread, with a word about it: ${title}`, () => {
    const parsed = parseHook(name, body);
    assert.ok('unread' in parsed, JSON.stringify(parsed).slice(0, 300));
    assert.match(parsed.unread, why);
    assert.ok(parsed.unread.length < 1_000, 'the words are short, whatever came');
  });
}

test('a field named __proto__ touches nothing', () => {
  const body = JSON.stringify(pushed).replace('{', '{"__proto__":{"polluted":true,"ref":"refs/heads/evil"},');
  const parsed = parseHook('push', body);
  assert.equal(kindOf(parsed), 'branch.hinted');
  assert.equal('event' in parsed && 'ref' in parsed.event && parsed.event.ref, 'refs/heads/main');
  assert.equal(({} as Json).polluted, undefined);
});

/** PostgreSQL's text and jsonb hold neither NUL nor half a surrogate pair: storing them fails each time it is tried. */
const storable = (parsed: ParsedHook): boolean =>
  JSON.stringify(parsed, (_, value) => {
    if (typeof value === 'string') assert.ok(!value.includes('\0') && value.isWellFormed(), JSON.stringify(value));
    return value;
  }) !== '';

for (const [title, text] of [
  ['a NUL', 'a\0b'],
  ['half a surrogate pair', 'a\ud800b'],
] as const) {
  test(`${title} in a payload becomes nothing that the database refuses`, () => {
    assert.ok(storable(parse('issue_comment', withField(commented, ['comment', 'body'], text))));
    assert.ok(storable(parse('pull_request', withField(pulled, ['pull_request', 'title'], text))));
    assert.ok(storable(parse('push', { ...pushed, ref: `refs/heads/${text}` })));
    assert.ok(storable(parse('pull_request', { ...pulled, action: text })));
  });
  test(`${title} where there should be JSON becomes nothing that the database refuses`, () => {
    assert.ok(storable(parseHook('push', text)));
    assert.ok(storable(parseHook('push', `{"a": ${text}}`)));
  });
}

test('any value of JSON is parsed or unread, never thrown at us', () => {
  const name = fc.constantFrom(...READ, 'ping', 'star', 'gossip');
  fc.assert(
    fc.property(name, fc.jsonValue({ maxDepth: 6 }), (hook, value) => {
      assert.match(kindOf(parse(hook, value)), /^(unread|noted|[a-z-]+\.[a-z]+)$/);
    }),
    { numRuns: 1_000 },
  );
});

test('any text is parsed or unread', () => {
  fc.assert(
    fc.property(fc.constantFrom(...READ), fc.string({ unit: 'binary' }), (hook, body) => {
      assert.equal(kindOf(parseHook(hook, body)), kindOf(parseHook(hook, body)));
    }),
    { numRuns: 500 },
  );
});

/** The paths of all fields, as far down as anything is read. */
function pathsOf(value: unknown, depth = 4): (string | number)[][] {
  if (depth === 0 || typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [
    [key],
    ...pathsOf(each, depth - 1).map((path) => [key, ...path]),
  ]);
}

test('published examples with fields removed or replaced are parsed or unread, with the field’s name', () => {
  const changed = fc.constantFrom(...readable, ...readable).chain(({ name, payload }) =>
    fc.record({
      name: fc.constant(name),
      payload: fc.constant(payload),
      path: fc.constantFrom(...pathsOf(payload)),
      value: fc.oneof(fc.constant(undefined), fc.jsonValue({ maxDepth: 2 })),
    }),
  );
  fc.assert(
    fc.property(changed, ({ name, payload, path, value }) => {
      const parsed = parse(name, withField(payload, path, value));
      if (!('unread' in parsed)) return;
      assert.match(parsed.unread, new RegExp(`is not as GitHub publishes it: .*${path[0]}`));
    }),
    { numRuns: 600 },
  );
});

test('twice as long takes about twice as long, up to GitHub’s 25 MB', () => {
  // JSON.parse and zod go over it once; every text and list that is kept is bounded. This is the floor under that claim.
  const body = JSON.stringify({
    ...pushed,
    commits: Array.from({ length: 100_000 }, () => ({ message: 'x'.repeat(200) })),
  });
  const before = process.cpuUsage();
  assert.equal(kindOf(parseHook('push', body)), 'branch.hinted');
  assert.ok(process.cpuUsage(before).user < 3_000_000);
});
