import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MergeDecision } from '../../src/core/merge-request.ts';
import { wishWords } from '../../src/core/messages-run-page.ts';
import { answerLine, timelineLine } from '../../src/core/messages-timeline.ts';
import type { RunFlappers } from '../../src/core/run-flappers.ts';
import type { ApiRun } from '../../src/site/api.ts';
import type { MergeWishRow, RunDetails, SourceRow } from '../../src/site/reader.ts';
import { aFact, ago, aLink, aRun, memoryReader, SHA, siteOf } from './site-fakes.ts';
import { DIGEST, MANIFEST } from './site-stack.ts';

/** The page of a run: its manifest, who wants it merged, what released it, and what happened. */

const HOSTILE = `"><script>alert(1)</script>`;
const sha = (digit: string) => digit.repeat(40);

const aSource = (change: Partial<SourceRow> = {}): SourceRow => ({
  id: 'source1',
  repository: 'rakudo/rakudo',
  sha: SHA,
  changed: true,
  why: 'head of pull request #7',
  ...change,
});

const aWish = (change: Partial<MergeWishRow> = {}): MergeWishRow => ({
  id: 'wish1',
  requester: 'lizmat',
  commentId: '998877',
  headSha: SHA,
  baseRef: 'main',
  askedAt: ago(60),
  state: 'open',
  updatedAt: ago(10),
  ...change,
});

const pageOf = (run: RunDetails, ...rest: [facts?: Parameters<typeof memoryReader>[1], wishes?: MergeWishRow[]]) =>
  siteOf(memoryReader([run], ...rest)).text(`/runs/${run.id}`);

/** What a reader sees, without its markup. */
const seen = (page: string): string =>
  page
    .replace(/<\/(?:td|div|dt|p|summary)>/g, ' ')
    .replace(/<[^>]*>/g, '')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ');

const merged = aSource({
  pullRequest: 7,
  base: sha('b'),
  merged: { sha: sha('c'), tree: sha('e') },
  version: '2026.10',
});
const stack = aRun({ base: { ref: 'main', sha: sha('b') }, sources: [merged], manifest: MANIFEST });

test('a merged head says what it was merged with, and links to all that has a page', async () => {
  const page = await pageOf(stack);
  assert.match(seen(page), /a1b2c3d4e5 #7 merged with main at bbbbbbbbbb tree eeeeeeeeee version 2026\.10/);
  for (const link of [
    'https://github.example/rakudo/rakudo/pull/7',
    `https://github.example/rakudo/rakudo/commit/${sha('b')}`,
    `https://github.example/Raku/roast/commit/${sha('3')}`,
    'https://github.example/Raku/nqp/pull/97',
  ])
    assert.ok(page.includes(`href="${link}"`), link);
  assert.ok(!page.includes(`/commit/${sha('c')}`), 'the merge itself is in no repository');
});

test('extra trees, partners and notes are beside the commits', async () => {
  const text = seen(await pageOf(stack));
  assert.match(text, /Raku\/roast extra tree ?t\/spec of rakudo\/rakudo/);
  assert.match(text, /Raku\/nqp #97 new-dispatch at 1111111111, by lizmat, from a fork/);
  assert.match(text, /pull request #44 has the same branch name and is not used: its author somebody may not write/);
});

test('the commands that make the trees by hand are folded, and can be copied', async () => {
  const page = await pageOf(stack);
  const commands = /<details class="fold" id="reproduce">[\s\S]*?<pre[^>]* data-copy>([\s\S]*?)<\/pre>/.exec(page)?.[1];
  assert.deepEqual(
    commands?.split('\n'),
    [
      'git clone https://github.example/rakudo/rakudo.git rakudo',
      'git -C rakudo fetch origin refs/pull/7/head',
      `git -C rakudo checkout ${sha('b')}`,
      `git -C rakudo merge --no-ff -m test ${SHA}`,
      'git -C rakudo submodule update --init --recursive',
      'rm -rf rakudo/t/spec && git clone https://github.example/Raku/roast.git rakudo/t/spec',
      `git -C rakudo/t/spec checkout ${sha('3')}`,
    ].map((line) => line.replaceAll('&', '&amp;')),
  );
});

test('a repository that has no address for readers makes no commands', async () => {
  const page = await pageOf(aRun({ repository: 'project', sources: [aSource({ repository: 'project' })] }));
  assert.doesNotMatch(page, /git clone/);
});

test('an archive is downloaded from an address that only its digest tells', async () => {
  const archive = { sha256: DIGEST, size: 6_104_233, tarSha256: 'd2'.repeat(32) };
  const page = await pageOf(aRun({ sources: [aSource({ archive })] }));
  assert.ok(page.includes(`href="/archive/${DIGEST}" download`));
  assert.match(seen(page), /tar\.gz 6\.1 MB/);
});

test('the file of a broken pin is shown as it is', async () => {
  const pinText = `<<<<<<< HEAD\n${HOSTILE}\n`;
  const page = await pageOf(aRun({ verdict: 'error', manifest: { trees: [], partners: [], notes: [], pinText } }));
  assert.match(page, /What that file says:<\/figcaption><pre[^>]*><bdi>&lt;&lt;&lt;&lt;&lt;&lt;&lt; HEAD/);
  assert.doesNotMatch(page, /<script>alert/);
});

test('the JSON of a run tells its manifest whole', async () => {
  const world = siteOf(memoryReader([stack]));
  const json = (await (await world.get('/api/runs/01run')).json()) as Record<string, unknown>;
  const source = { repository: 'rakudo/rakudo', sha: SHA, base: sha('b'), pullRequest: 7, version: '2026.10' };
  assert.deepEqual(json['sources'], [
    { ...source, merged: { sha: sha('c'), tree: sha('e') }, why: 'head of pull request #7' },
  ]);
  assert.deepEqual(json['partners'], [
    { repository: 'Raku/nqp', number: 97, ref: 'new-dispatch', sha: sha('1'), fork: true, author: 'lizmat' },
  ]);
  assert.deepEqual(json['trees'], MANIFEST.trees);
  assert.deepEqual(json['notes'], MANIFEST.notes);
});

test('a re-test says of which run, and what asked for it', async () => {
  const page = seen(
    await pageOf(
      aRun({
        trigger: 'command',
        previousId: '00run',
        previous: aLink('00run', 'failed'),
        next: aLink('02run', undefined, 'partner'),
      }),
    ),
  );
  assert.match(page, /Triggered by ?a command in a comment/);
  assert.match(page, /Re-test of ?the run before failed 15 minutes ago ?Its logs and artifacts are kept there/);
  assert.match(page, /Tested again ?the run after building 15 minutes ago ?by a partner pull request that changed/);
});

test('a run that waits says which word releases it, who may say it, and where', async () => {
  const page = await pageOf(aRun({ state: 'waiting', verdict: undefined, finishedAt: undefined, fork: true }));
  assert.match(page, /<code class="command keep" data-copy>\{re-test\}<\/code>/);
  assert.match(seen(page), /Somebody who may write to rakudo\/rakudo has to allow the test of this head/);
  assert.match(page, /<a href="https:\/\/github\.example\/rakudo\/rakudo\/pull\/7">pull request #7<\/a>/);
});

test('a wish to merge names who asked, for which head, and the last decision in words', async () => {
  const decision: MergeDecision = { kind: 'wait', because: 'partner', lookAgainMs: 1, names: ['Raku/nqp#97', HOSTILE] };
  const page = await pageOf(
    aRun(),
    [],
    [aWish({ decision }), aWish({ id: 'wish0', commentId: 'description', headSha: sha('9') })],
  );
  assert.ok(page.includes('href="https://github.example/rakudo/rakudo/pull/7#issuecomment-998877"'));
  assert.match(seen(page), /waiting ?lizmat, in a comment ?1 minute ago ?a1b2c3d4e5, this head ?into main/);
  assert.match(page, /each with its own <code>\{merge on success\}<\/code>\./);
  assert.match(page, /<bdi>Raku\/nqp#97<\/bdi>/);
  assert.match(seen(page), /lizmat, in the description.*9999999999, another head/);
  assert.doesNotMatch(page, /<script>alert/);
});

test('a commit has no wishes, and a run without any says nothing of them', async () => {
  const page = await pageOf(aRun({ kind: 'commit', number: undefined }), [], [aWish()]);
  assert.doesNotMatch(page, /id="wishes"/);
  assert.doesNotMatch(await pageOf(aRun()), /id="wishes"/);
});

const WISHES: [decision: MergeDecision | undefined, state: MergeWishRow['state'], word: string, text: RegExp][] = [
  [undefined, 'open', 'waiting', /not looked at yet/],
  [{ kind: 'wait', because: 'running', lookAgainMs: 1 }, 'open', 'waiting', /^The tests are running\.$/],
  [{ kind: 'refuse', because: 'draft', takeBack: false }, 'refused', 'not merged', /did not happen: it is a draft\./],
  [{ kind: 'ask', because: 'head-unclear' }, 'asked', 'to be asked again', /moved at about the time/],
  [
    { kind: 'withdraw', because: 'comment-deleted', takeBack: false },
    'withdrawn',
    'taken back',
    /^The comment was deleted/,
  ],
  [{ kind: 'done', because: 'merged', landed: 'same' }, 'merged', 'merged', /What landed is what was tested/],
  [{ kind: 'done', because: 'merged', landed: 'differs' }, 'merged', 'merged', /not exactly what was tested/],
  [{ kind: 'done', because: 'merged-by-others', landed: 'unknown' }, 'merged', 'merged', /by somebody else/],
  [
    { kind: 'retest', because: 'overlap', baseSha: sha('b') },
    'open',
    'waiting',
    /tested again with its head bbbbbbbbbb/,
  ],
  [
    { kind: 'merge', because: 'all-passed', sha: SHA, method: 'merge' },
    'open',
    'waiting',
    /a1b2c3d4e5 is being merged/,
  ],
  [{ kind: 'wait', because: 'moonlight' as 'held', lookAgainMs: 1 }, 'open', 'waiting', /^Moonlight\.$/],
];

for (const [decision, state, word, text] of WISHES) {
  test(`a wish that is ${state}, ${decision?.kind ?? 'undecided'} ${decision?.because ?? ''}, says so`, () => {
    const words = wishWords({ state, decision });
    assert.equal(words.state, word);
    assert.match(words.text, text);
  });
}

test('what happened to a run is told in words, folded, what is told again is one line', async () => {
  const run = aRun({ sources: [aSource()], checks: [{ id: 'check1', name: 'rcb' }] });
  const own = { subject: 'run:01run', hookAt: undefined };
  const reported = { kind: 'check.reported', payload: { kind: 'check.reported' } };
  const page = await pageOf(run, [
    aFact({ key: 'k1', kind: 'comment.told', payload: { comment: { author: { login: HOSTILE }, action: 'created' } } }),
    aFact({ ...own, key: 'k2', kind: 'source.packed', payload: { sourceId: 'source1', version: '2026.10' } }),
    aFact({ ...own, ...reported, key: 'k3' }),
    aFact({ ...own, ...reported, key: 'k4' }),
    aFact({ ...own, ...reported, key: 'k5', state: 'parked', error: 'It went wrong' }),
    aFact({ ...own, key: 'k6', kind: 'check.refused', payload: { checkId: 'check1', why: 'GitHub answered 403' } }),
  ]);
  const text = seen(page);
  assert.match(page, /<details class="fold" id="timeline-fold"><summary>/);
  assert.match(text, /The source archive of rakudo\/rakudo was packed version 2026\.10/);
  assert.match(text, /A check was written \(2 times\).*A check was written parked.*It went wrong/);
  assert.match(text, /The check rcb could not be written GitHub answered 403/);
  assert.ok(page.includes('href="/ledger/fact?key=k2"'));
  assert.doesNotMatch(page, /<script>alert|Only the newest/);
});

test('a timeline that was cut says so, and where the rest is', async () => {
  const facts = Array.from({ length: 201 }, (_, i) =>
    aFact({ key: `k${i}`, subject: 'run:01run', kind: 'build.held', payload: { why: `turn ${i}` } }),
  );
  const page = await pageOf(aRun(), facts);
  assert.match(seen(page), /Only the newest 200 are shown; all of them are in the run’s ledger and its change’s/);
  assert.ok(page.includes('href="/ledger?subject=run%3A01run"'));
  assert.ok(!page.includes('turn 0<') && page.includes('turn 200<'));
});

const asked = (source: object) =>
  aFact({ key: 'asked', kind: 'command.seen', payload: { actor: { login: 'lizmat' }, source } });
const PULL_PAGE = 'https://github.example/rakudo/rakudo/pull/7';

const TRIGGERS: [what: string, run: Partial<RunDetails>, source: object | undefined, text: RegExp, link?: string][] = [
  ['a push', { trigger: 'push' }, undefined, /a push/, `https://github.example/rakudo/rakudo/commit/${SHA}`],
  ['a push into a fork', { trigger: 'push', fork: true }, undefined, /a push/],
  ['a pull request', {}, undefined, /the pull request/, PULL_PAGE],
  ['a comment', { trigger: 'command' }, { kind: 'comment', id: '99' }, /by lizmat/, `${PULL_PAGE}#issuecomment-99`],
  ['a description', { trigger: 'command' }, { kind: 'description' }, /by lizmat/, PULL_PAGE],
  ['a comment that nobody knows any more', { trigger: 'command' }, undefined, /a command in a comment/, PULL_PAGE],
  ['a button', { trigger: 'button' }, { kind: 'button' }, /by lizmat/, 'https://github.example/lizmat'],
  ['a flapper', { trigger: 'flapper' }, undefined, /a flapping test/],
];
for (const [what, run, source, text, link] of TRIGGERS) {
  test(`a run that was triggered by ${what} says so, and links to it`, async () => {
    const page = await pageOf(aRun(run), source ? [asked(source)] : []);
    const cell = /<dt>Triggered by<\/dt><dd>(.*?)<\/dd>/s.exec(page)![1]!;
    assert.match(seen(cell), text);
    assert.equal(link === undefined ? !cell.includes('<a ') : cell.includes(`href="${link}"`), true, cell);
  });
}

test('answers are told in the timeline, and lead to no fact', async () => {
  for (const [kind, payload, words] of [
    ['comment.react', { content: 'rocket' }, 'Answered with 🚀: it was obeyed'],
    ['comment.react', { content: 'constructor' }, 'Answered with a sign'],
    ['comment.answer', { text: HOSTILE }, 'Answered in a comment'],
    ['comment.answer', null, 'Answered in a comment'],
  ] as const)
    assert.equal(answerLine(kind, payload).what, words);
  const row = { key: 'effect1', kind: 'comment.answer', state: 'done', at: ago(5), payload: { text: HOSTILE } };
  const reader = {
    ...memoryReader([aRun()]),
    timeline: async () => ({ rows: [{ ...row, isEffect: true as const }], isCut: false }),
  };
  const page = await siteOf(reader).text('/runs/01run');
  assert.match(seen(page), /Answered in a comment ?&quot;&gt;/);
  assert.ok(!page.includes('key=effect1') && !/<script>alert/.test(page));
});

const KINDS = [
  'branch.hinted branch.noted branch.seen pull-request.hinted pull-request.seen comment.told change.unreadable',
  'command.seen merge.seen merge.called change.tested partners.seen run.requested run.released run.ended run.noted',
  'sources.resolved sources.failed source.packed build.started build.held build.refused build.observed',
  'check.reported check.refused effect.failed',
]
  .join(' ')
  .split(' ');

test('an event whose payload is gone, or was written by another version, is told by its kind', () => {
  const names = { source: () => undefined, build: () => undefined, check: () => undefined };
  for (const kind of KINDS) {
    for (const payload of [undefined, null, {}, 'text', { why: 'because' }]) {
      const { what } = timelineLine(kind, payload, names);
      assert.ok(what !== kind && /^[A-Z]/.test(what) && !/undefined|null|\[object/.test(what), `${kind}: ${what}`);
    }
  }
  assert.deepEqual(timelineLine('moon.risen', { why: 'x' }, names), { what: 'moon.risen' });
  assert.deepEqual(timelineLine('constructor', {}, names), { what: 'constructor' });
});

const judgedOnce: RunFlappers = {
  faults: ['.rcb/flappers.yml of acme/tool: found a map'],
  judged: [
    {
      jobId: 'job1',
      job: 'azure / Linux',
      attempt: 1,
      isFlapperOnly: true,
      files: [
        {
          isKnown: true,
          entry: { name: 't/a.t', issue: 'https://example.org/4212' },
          file: {
            ...{ name: `t/a.t${HOSTILE}`, outcome: 'failed', failedCount: 1, failed: [{ from: 2, to: 2 }] },
            ...{ todoPassed: [], parseErrors: [] },
          },
        },
      ],
      obstacles: [],
      decision: { rerun: true, files: ['t/a.t'] },
    },
  ],
  rerun: { files: ['t/a.t'], jobs: [{ jobId: 'job1', attempt: 1, inPlace: true }] },
};

test('a run whose flappers were run again still shows how they failed, with the log and the issue', async () => {
  const run = aRun({ verdict: 'passed', flappers: judgedOnce });
  const page = await pageOf(run);
  const words = seen(page);
  assert.match(
    words,
    /azure \/ Linux: attempt 1 failed where known flappers are\. Nothing else failed, so it was run once/,
  );
  assert.match(words, /t\/a\.t.* \(failed 2\): known flapper/);
  assert.ok(page.includes('href="https://example.org/4212"') && page.includes(`/jobs/job1?attempt=1`), page);
  assert.ok(!page.includes(HOSTILE));
  assert.match(words, /A list of known flappers has mistakes.*found a map/);
  const answer = await siteOf(memoryReader([run])).get(`/api/runs/${run.id}`);
  const { flappers } = (await answer.json()) as Pick<ApiRun, 'flappers'>;
  assert.deepEqual(flappers?.rerun, { files: ['t/a.t'] });
  assert.deepEqual(
    flappers?.notes.map(({ jobId, attempt }) => [jobId, attempt]),
    [
      [undefined, undefined],
      ['job1', 1],
    ],
  );
});

test('a run without flappers says nothing of them', async () => {
  assert.doesNotMatch(await pageOf(aRun()), /id="flapped"/);
});
