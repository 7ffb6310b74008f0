import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { callEnded, stepMerge } from '../../src/core/merge.ts';
import { boundHead, type KnownHead } from '../../src/core/merge-head.ts';
import type {
  CallOutcome,
  LivePullRequest,
  MergeDecision,
  MergeFacts,
  MergeRequest,
  Overlap,
} from '../../src/core/merge-request.ts';
import type { Run, Verdict } from '../../src/core/model.ts';
import type { Policy } from '../../src/core/policy.ts';
import { aBuild, aJob, aPull, aRun, later, NOW, sha } from '../support/builders.ts';

/**
 * The merge gate in a world that changes under its hands: pushes, comments, edits, results, permissions, bases, GitHub
 * that does not answer, a bot that crashes. The world judges by its own books, which the gate never sees.
 */

const SUBJECT = 'pull-request:github:1#7';
const DAY = 86_400;
const READ_LAG_SECONDS = 25;

type Deed =
  | { do: 'push'; head: string }
  | { do: 'comment' }
  | { do: 'edit'; by: 'author' | 'other'; keeps: boolean }
  | { do: 'delete-comment' }
  | { do: 'cancel' }
  | { do: 'result'; verdict: Verdict; optional: Verdict; jobs: number }
  | { do: 'retest-by-hand' }
  | { do: 'permission'; write: boolean }
  | { do: 'move-base'; base: string }
  | { do: 'change-base'; ref: string }
  | { do: 'state'; state: 'open' | 'closed' }
  | { do: 'draft'; draft: boolean }
  | { do: 'github'; change: Partial<Pick<LivePullRequest, 'mergeable' | 'mergeState' | 'queue'>> }
  | { do: 'partner'; state: MergeFacts['partners'][number]['state'] }
  | { do: 'merge-by-hand' }
  | { do: 'queue-merges' }
  /** How GitHub answers the next calls. */
  | { do: 'answers'; mode: 'well' | 'merged-but-silent' | 'silent' | 405 | 403 | 422 }
  /** Everything that is under way outside is done; the queue performs things at least once. */
  | { do: 'perform'; twice: boolean }
  | { do: 'time'; seconds: number }
  /** The bot looks; having crashed, it has decided and stored nothing. */
  | { do: 'look'; crashes: boolean };

/** What the world knows and the gate has to find out. */
interface Wish {
  request: MergeRequest;
  /** The head that the page showed, and whether it had been there for long enough. */
  sawSha: string;
  answers: string[];
  ends: number;
  /** Bases for which it asked for a new test. */
  retests: string[];
  /** What the call will be about when it is performed. */
  calling?: { kind: 'merge' | 'hand-over'; sha: string; count: number };
  comment: MergeFacts['comment'];
}

/** Bases named by an odd digit touched the file that the pull request touches. */
const touchesSame = (base: string): boolean => Number.parseInt(base[0]!, 16) % 2 === 1;

class World {
  seconds = 0;
  live: LivePullRequest = {
    state: 'open',
    draft: false,
    headSha: sha('a'),
    base: { ref: 'main', sha: sha('2') },
    mergeable: true,
    mergeState: 'clean',
    queue: 'none',
  };
  readonly heads: KnownHead[] = [{ sha: sha('a'), seenAt: later(-DAY) }];
  readonly runs: Run[] = [];
  readonly wishes: Wish[] = [];
  requester: MergeFacts['requester'] = 'write';
  partner: MergeFacts['partners'][number]['state'] | undefined;
  answers: Extract<Deed, { do: 'answers' }>['mode'] = 'well';
  overlap: Overlap | undefined;
  landed: MergeFacts['landed'];
  readonly seen = new Set<string>();
  readonly policy: Pick<Policy, 'merge' | 'stale' | 'optional' | 'flapped'>;
  mergedBy: Wish | 'hand' | undefined;
  private isRunOnItsWay = false;
  private mergedAtSeconds = 0;
  private readonly untold: { at: Date; sawSha: string; baseRef: string }[] = [];

  constructor(stale: Policy['stale']) {
    this.policy = { merge: 'merge', stale, optional: ['*/optional'], flapped: 'merge' };
    this.startRun();
    this.beginRun();
  }

  get now(): Date {
    return later(this.seconds);
  }

  act(deed: Deed): void {
    const { live } = this;
    switch (deed.do) {
      case 'push':
        if (live.state !== 'open' || live.headSha === deed.head) return;
        live.headSha = deed.head;
        this.heads.push({ sha: deed.head, seenAt: this.now });
        if (live.queue === 'queued') live.queue = 'required';
        this.startRun();
        return;
      case 'comment':
        this.comment();
        return;
      case 'edit':
        for (const wish of this.wishes) {
          if (wish.comment !== 'deleted')
            wish.comment = { asks: deed.keeps, editedById: deed.by === 'author' ? '5' : '6' };
        }
        return;
      case 'delete-comment':
        for (const wish of this.wishes) wish.comment = 'deleted';
        return;
      case 'cancel':
        for (const wish of this.wishes) wish.request = { ...wish.request, cancelledById: '5' };
        return;
      case 'result':
        this.finishRun(deed);
        return;
      case 'retest-by-hand':
        this.startRun();
        return;
      case 'permission':
        this.requester = deed.write ? 'write' : 'read';
        return;
      case 'move-base':
        live.base = { ...live.base, sha: deed.base };
        return;
      case 'change-base':
        live.base = { ...live.base, ref: deed.ref };
        return;
      case 'state':
        if (live.state !== 'merged') live.state = deed.state;
        return;
      case 'draft':
        live.draft = deed.draft;
        return;
      case 'github':
        Object.assign(live, deed.change);
        return;
      case 'partner':
        this.partner = deed.state;
        return;
      case 'merge-by-hand':
        if (live.state === 'open') this.merge('hand', live.headSha);
        return;
      case 'queue-merges':
        if (live.queue === 'queued' && live.state === 'open') this.merge(this.queuedBy(), live.headSha);
        return;
      case 'answers':
        this.answers = deed.mode;
        return;
      case 'perform':
        this.beginRun();
        for (const wish of this.wishes) this.perform(wish, deed.twice);
        return;
      case 'time':
        this.seconds += deed.seconds;
        return;
      case 'look':
        this.tellComments();
        for (const wish of this.wishes) this.look(wish, deed.crashes);
    }
  }

  private comment(): void {
    const { now, live } = this;
    this.untold.push({ at: now, sawSha: live.headSha, baseRef: live.base.ref });
  }

  /** A comment reaches the bot when it looks: the head may have moved meanwhile. */
  private tellComments(): void {
    for (const { at, sawSha, baseRef } of this.untold.splice(0)) {
      const id = `wish${this.wishes.length + 1}`;
      const headSha = boundHead(at, this.heads);
      assert.ok(headSha === 'unclear' || headSha === sawSha, 'bound to what the commenter did not see');
      const request: MergeRequest = {
        ...{ id, subject: SUBJECT, requesterId: '5', commentId: id, headSha, baseRef, askedAt: at },
        ...{ state: 'open', retestedBases: [], told: [] },
      };
      const comment = { asks: true };
      this.wishes.push({ request, sawSha, comment, answers: [], ends: 0, retests: [] });
    }
  }

  /** The ones before it are ended at once; its own row is there a moment later. */
  private startRun(): void {
    for (const [index, run] of this.runs.entries()) {
      if (run.state !== 'finished') this.runs[index] = { ...run, state: 'finished', verdict: 'superseded' };
    }
    this.isRunOnItsWay = true;
  }

  private beginRun(): void {
    if (!this.isRunOnItsWay) return;
    this.isRunOnItsWay = false;
    const { headSha, base } = this.live;
    const change = aPull({ sha: headSha, base: { ...base } });
    this.runs.push(aRun({ subject: SUBJECT, change, state: 'building', verdict: undefined, sources: [] }));
  }

  finishRun({ verdict, optional, jobs }: Pick<Extract<Deed, { do: 'result' }>, 'verdict' | 'optional' | 'jobs'>): void {
    const run = this.runs.at(-1)!;
    if (run.state === 'finished') return;
    const required = Array.from({ length: jobs }, (_, index) =>
      aJob({ id: `job${index}`, name: `local/${index}`, verdict: index === 0 ? verdict : 'passed' }),
    );
    const all = [...required, aJob({ id: 'optional', name: 'local/optional', verdict: optional })];
    const order: Verdict[] = ['failed', 'error', 'cancelled', 'passed'];
    const whole = order.find((each) => all.some((job) => job.verdict === each));
    const builds = [aBuild({ jobs: all, verdict: whole })];
    this.runs[this.runs.length - 1] = { ...run, state: 'finished', verdict: whole, builds };
  }

  private newestRun(head: string): Run | undefined {
    return this.runs.findLast((run) => run.change.sha === head);
  }

  facts(wish: Wish): MergeFacts {
    return {
      now: this.now,
      pullRequest: this.read(),
      run: wish.request.headSha === 'unclear' ? undefined : this.newestRun(wish.request.headSha),
      policy: this.policy,
      requester: this.requester,
      comment: wish.comment,
      overlap: this.overlap,
      partners: this.partner ? [{ name: 'Raku/nqp#7', state: this.partner }] : [],
      landed: this.landed,
    };
  }

  /** GitHub's reading lags behind its writing. */
  private read(): LivePullRequest {
    const isLagging = this.live.state === 'merged' && this.seconds - this.mergedAtSeconds < READ_LAG_SECONDS;
    return structuredClone(isLagging ? { ...this.live, state: 'open' } : this.live);
  }

  look(wish: Wish, crashes: boolean): MergeDecision {
    const before = wish.request;
    const { request, decision, answer, reaction } = stepMerge(before, this.facts(wish));
    if (crashes) return decision;
    this.seen.add(`${decision.kind} ${decision.because}`);
    wish.request = request;
    if (answer) wish.answers.push(answer.topic);
    if (before.state !== 'open') {
      assert.deepEqual([decision.kind, request, answer, reaction], ['nothing', before, undefined, undefined]);
    }
    if (request.state !== 'open' && before.state === 'open') wish.ends += 1;
    assert.equal(new Set(wish.answers).size, wish.answers.length, 'said twice');
    this.obey(wish, decision);
    return decision;
  }

  private obey(wish: Wish, decision: MergeDecision): void {
    switch (decision.kind) {
      case 'merge':
      case 'hand-over':
        this.judgeCall(wish, decision);
        wish.calling = { kind: decision.kind, sha: decision.sha, count: wish.request.call!.count };
        break;
      case 'retest':
        assert.ok(!wish.retests.includes(decision.baseSha), 'tested again twice for one base');
        wish.retests.push(decision.baseSha);
        this.startRun();
        break;
      case 'compare':
        this.overlap = {
          from: decision.from,
          to: decision.to,
          files: touchesSame(decision.to) ? ['src/gc.c'] : [],
          pins: [],
          isComplete: true,
        };
        break;
      case 'compare-trees':
        this.landed = 'same';
        break;
      case 'refuse':
      case 'withdraw':
        if (decision.takeBack) this.live.queue = 'required';
        break;
    }
  }

  /** All that must be so when the bot sets out to merge, from the world's own books. */
  private judgeCall(wish: Wish, { sha: merged }: { sha: string }): void {
    // As it could be read: whether somebody has merged it a moment ago, GitHub knows when it is called.
    const live = this.read();
    assert.equal(merged, wish.sawSha, 'not what the commenter saw');
    assert.equal(merged, live.headSha, 'not the head');
    assert.equal(wish.request.baseRef, live.base.ref, 'another base');
    assert.equal(this.requester, 'write', 'without permission');
    assert.ok(wish.comment !== 'deleted' && wish.comment.asks && wish.comment.editedById !== '6', 'nobody asks for it');
    assert.ok(!wish.request.cancelledById, 'cancelled');
    assert.ok(
      live.state === 'open' && !live.draft && live.mergeable !== false && live.mergeState !== 'dirty',
      'not open',
    );
    assert.ok(live.queue === 'required' || (live.mergeable && /^(clean|unstable|has_hooks)$/.test(live.mergeState)));
    assert.ok(this.partner === undefined || this.partner === 'merged', 'before its turn');
    assert.ok(wish.calling === undefined, 'called twice at once');
    const run = this.newestRun(merged);
    assert.ok(run && this.hasPassed(run), 'not tested');
    const tested = run.change.kind === 'pull-request' ? run.change.base.sha : '';
    const moved = tested !== live.base.sha;
    assert.ok(
      !moved || this.policy.stale === 'merge' || (this.policy.stale === 'overlap' && !touchesSame(live.base.sha)),
    );
  }

  private hasPassed(run: Run): boolean {
    const required = run.builds.flatMap((build) => build.jobs).filter((job) => !job.name.endsWith('/optional'));
    return run.state === 'finished' && required.length > 0 && required.every((job) => job.verdict === 'passed');
  }

  /** As GitHub would, and the effect which first finds out whether it was done. */
  private perform(wish: Wish, twice: boolean): void {
    const { calling } = wish;
    if (!calling) return;
    if (twice) this.callGitHub(wish, calling);
    const outcome = this.callGitHub(wish, calling);
    wish.request = callEnded(wish.request, { count: calling.count, outcome }, this.now);
    // The same telling once more, and one of an older call.
    assert.deepEqual(callEnded(wish.request, { count: calling.count, outcome: 'forbidden' }, this.now), wish.request);
    wish.calling = undefined;
  }

  private callGitHub(wish: Wish, { kind, sha: asked }: NonNullable<Wish['calling']>): CallOutcome {
    const { live, answers } = this;
    if (live.state === 'merged') return live.headSha === asked ? 'merged' : 'head-moved';
    if (live.headSha !== asked) return 'head-moved';
    if (answers === 403) return 'forbidden';
    if (answers === 422) return 'invalid';
    if (answers === 'silent') return 'doubtful';
    if (answers === 405 || live.state !== 'open' || live.draft || live.mergeable === false) return 'not-mergeable';
    if (kind === 'hand-over') {
      live.queue = 'queued';
      return 'queued';
    }
    if (live.queue !== 'none' || live.mergeState === 'blocked') return 'not-mergeable';
    this.merge(wish, asked);
    return answers === 'merged-but-silent' ? 'doubtful' : 'merged';
  }

  private queuedBy(): Wish {
    const isQueuer = ({ request }: Wish) => request.headSha === this.live.headSha && request.call?.outcome === 'queued';
    const wish = this.wishes.find((each) => isQueuer(each) && each.request.state === 'open');
    assert.ok(wish, 'in the queue for nobody');
    return wish;
  }

  private merge(by: Wish | 'hand', merged: string): void {
    assert.equal(this.live.state, 'open');
    this.live.state = 'merged';
    this.mergedAtSeconds = this.seconds;
    this.live.queue = 'none';
    this.mergedBy = by;
    if (by === 'hand') return;
    assert.equal(merged, by.sawSha);
    assert.ok(
      this.runs.some((run) => run.change.sha === merged && this.hasPassed(run)),
      'merged untested',
    );
  }

  /** From now on nothing happens but what is under way, and time. */
  standStill(): void {
    const isOver = () => this.untold.length === 0 && this.wishes.every((wish) => wish.request.state !== 'open');
    for (let turn = 0; turn < 200 && !isOver(); turn += 1) {
      this.finishRun({ verdict: 'passed', optional: 'passed', jobs: 1 });
      this.act({ do: 'perform', twice: false });
      this.act({ do: 'look', crashes: false });
      this.act({ do: 'time', seconds: DAY / 8 });
    }
    assert.ok(isOver(), `open for ever: ${JSON.stringify(this.wishes.map((wish) => this.look(wish, true)))}`);
  }

  judgeEnd(): void {
    assert.ok(this.live.state !== 'open' || this.live.queue !== 'queued', 'left in the queue');
    for (const wish of this.wishes) {
      assert.equal(wish.ends, 1, 'ended more than once');
      assert.ok(wish.answers.filter((topic) => topic === 'end').length <= 1);
      const isRefused = wish.request.state === 'refused' || wish.request.state === 'asked';
      if (isRefused || wish.request.state === 'withdrawn') assert.equal(wish.answers.includes('end'), isRefused);
      if (this.mergedBy === wish) assert.equal(wish.request.state, 'merged', 'merged, and said otherwise');
      if (wish.request.state === 'merged') {
        assert.deepEqual(
          [this.live.state, this.live.headSha],
          ['merged', wish.request.headSha],
          'said merged, and is not',
        );
      }
    }
  }
}

const head = fc.constantFrom(...['a', 'b', 'c'].map(sha));
const verdict = fc.constantFrom<Verdict[]>('passed', 'passed', 'passed', 'failed', 'error', 'cancelled');
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('look' as const), crashes: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('perform' as const), twice: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('time' as const),
      seconds: fc.constantFrom(1, 20, 40, 100, 4_000, DAY, 6 * DAY),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('result' as const),
      verdict,
      optional: verdict,
      jobs: fc.constantFrom(0, 1, 2, 2),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('comment' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('push' as const), head }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('move-base' as const),
      base: fc.constantFrom(...'123456'.split('').map(sha)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('answers' as const),
      mode: fc.constantFrom('well', 'well', 'merged-but-silent', 'silent', 405, 403, 422),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('github' as const),
      change: fc.record(
        {
          mergeable: fc.constantFrom(true, true, null, false),
          mergeState: fc.constantFrom('clean', 'clean', 'unstable', 'blocked', 'behind', 'dirty', 'unknown'),
          queue: fc.constantFrom('none', 'none', 'required'),
        },
        { requiredKeys: [] },
      ),
    }),
  },
  fc.record({ do: fc.constant('retest-by-hand' as const) }),
  fc.record({ do: fc.constant('edit' as const), by: fc.constantFrom('author', 'other'), keeps: fc.boolean() }),
  fc.record({ do: fc.constantFrom('delete-comment', 'cancel', 'merge-by-hand', 'queue-merges') }),
  fc.record({ do: fc.constant('permission' as const), write: fc.boolean() }),
  fc.record({ do: fc.constant('change-base' as const), ref: fc.constantFrom('main', 'release') }),
  fc.record({ do: fc.constant('state' as const), state: fc.constantFrom('open', 'closed') }),
  fc.record({ do: fc.constant('draft' as const), draft: fc.boolean() }),
  fc.record({
    do: fc.constant('partner' as const),
    state: fc.constantFrom('merged', 'merged', 'closed', 'wanted', 'unwanted'),
  }),
) as fc.Arbitrary<Deed>;

/** Something is asked for and tested, with anything in between: most random stories would never come to a merge. */
const plot: Deed[] = [
  { do: 'comment' },
  { do: 'look', crashes: false },
  { do: 'result', verdict: 'passed', optional: 'failed', jobs: 2 },
  { do: 'look', crashes: false },
  { do: 'look', crashes: false },
  { do: 'perform', twice: true },
  { do: 'look', crashes: false },
];
const between = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Deed[]>([]) },
  { weight: 3, arbitrary: fc.array(deed, { maxLength: 3 }) },
);
const plotted = fc
  .array(between, { minLength: plot.length + 1, maxLength: plot.length + 1 })
  .map((more) => more.flatMap((deeds, index) => (plot[index] ? [...deeds, plot[index]] : deeds)));
const story = fc.oneof({ weight: 3, arbitrary: plotted }, { weight: 1, arbitrary: fc.array(deed, { maxLength: 40 }) });
const stale = fc.constantFrom<Policy['stale'][]>('overlap', 'overlap', 'retest', 'merge');

function play(policy: Policy['stale'], deeds: Deed[]): World {
  const world = new World(policy);
  for (const each of deeds) world.act(each);
  return world;
}

test('never merges what was not tested and asked for, never answers twice, never leaves a wish open for ever', () => {
  fc.assert(
    fc.property(stale, story, (policy, deeds) => {
      const world = play(policy, deeds);
      world.standStill();
      world.judgeEnd();
    }),
    { numRuns: 4_000 },
  );
});

test('a decision made twice from the same facts is the same, and asks for nothing new to be said', () => {
  fc.assert(
    fc.property(stale, story, (policy, deeds) => {
      const world = play(policy, deeds);
      for (const wish of world.wishes) {
        const facts = world.facts(wish);
        const first = stepMerge(wish.request, facts);
        assert.deepEqual(stepMerge(wish.request, facts), first);
        const again = stepMerge(first.request, facts);
        assert.ok(!again.answer || again.answer.topic !== first.answer?.topic);
        if (first.decision.kind === 'merge' || first.decision.kind === 'hand-over') {
          assert.equal(again.decision.because, 'call-under-way');
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test('the stories of these properties come to every decision, and to nearly every reason', () => {
  const seen = new Set<string>();
  for (const [policy, deeds] of fc.sample(fc.tuple(stale, story), { numRuns: 4_000, seed: 7 })) {
    const world = play(policy, deeds);
    world.standStill();
    for (const each of world.seen) seen.add(each);
  }
  const expected = [
    ...['nothing ended', 'ask head-unclear', 'compare base-moved', 'compare-trees merged', 'retest base-moved'],
    ...['retest overlap', 'merge all-passed', 'merge base-moved', 'hand-over queue-required', 'done merged'],
    ...['done merged-by-others', 'withdraw comment-deleted', 'withdraw command-removed', 'withdraw cancelled'],
    ...['call-under-way', 'doubtful', 'in-queue', 'running', 'no-run', 'retest-starting', 'mergeability'].map(
      (because) => `wait ${because}`,
    ),
    ...['blocked', 'partner', 'trying-again'].map((because) => `wait ${because}`),
    ...[
      'closed',
      'head-moved',
      'base-changed',
      'draft',
      'conflict',
      'comment-edited',
      'permission-lost',
      'no-jobs',
    ].map((because) => `refuse ${because}`),
    ...[
      'failed',
      'behind',
      'partner-closed',
      'forbidden',
      'invalid',
      'not-mergeable',
      'waited-too-long',
      'left-queue',
    ].map((because) => `refuse ${because}`),
  ];
  assert.deepEqual(
    expected.filter((each) => !seen.has(each)),
    [],
  );
});

test('the world’s time begins where the builders’ does', () => assert.deepEqual(new World('merge').now, NOW));
