import type { Event } from '../../src/core/event.ts';
import { subjectOf } from '../../src/core/event.ts';
import { manifestMessages } from '../../src/core/messages-manifest.ts';
import type { Run, RunManifest, Source } from '../../src/core/model.ts';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { openStore } from '../../src/store/prisma.ts';
import type { StoredMergeRequest } from '../../src/store/store.ts';
import { aBuild, aJob, anAttempt, aPull, aRepository, aRun, aSource, sha } from '../support/builders.ts';

/** Runs of a stack, as the bot writes them: a pull request that was tested twice, one whose pin is broken, and one that
 *  waits for a word. */

export const STACK = { first: '01stack1', again: '01stack2', broken: '01stack3', waiting: '01stack4' } as const;
export const DIGEST = 'd1'.repeat(32);
export const PULL = 'pull-request:github:1#812';

const RAKUDO = aRepository({ key: 'github:1', name: 'rakudo/rakudo' });
const NQP = aRepository({ key: 'github:2', name: 'Raku/nqp' });
const MOAR = aRepository({ key: 'github:3', name: 'MoarVM/MoarVM' });
const LIZ = { id: '7', login: 'lizmat' };
const HEAD = sha('a');

const change = aPull({
  number: 812,
  ref: 'new-dispatch',
  sha: HEAD,
  title: 'Dispatch on the new dispatcher everywhere',
  author: LIZ,
  base: { ref: 'main', sha: sha('b') },
});

const SOURCES: Source[] = [
  aSource({
    id: 'src-rakudo',
    repository: RAKUDO,
    sha: HEAD,
    ref: 'refs/pull/812/head',
    pullRequest: 812,
    baseSha: sha('b'),
    merged: { sha: sha('c'), tree: sha('e') },
    version: '2026.10-41-gaaaaaaaaa',
    why: 'head of pull request #812',
    archive: { sha256: DIGEST, size: 6_104_233, tarSha256: 'd2'.repeat(32) },
  }),
  aSource({
    id: 'src-nqp',
    repository: NQP,
    sha: sha('1'),
    ref: 'refs/pull/97/head',
    pullRequest: 97,
    changed: false,
    why: 'pull request #97 has the same branch name',
    archive: { sha256: 'd3'.repeat(32), size: 2_204_233, tarSha256: 'd4'.repeat(32) },
  }),
  aSource({
    id: 'src-moar',
    repository: MOAR,
    sha: sha('2'),
    ref: 'refs/tags/2026.10',
    changed: false,
    why: 'pinned by Raku/nqp 2026.10-9-gd4d8fa314',
  }),
];

export const MANIFEST: RunManifest = {
  trees: [
    {
      into: 'rakudo/rakudo',
      path: 't/spec',
      repository: 'Raku/roast',
      sha: sha('3'),
      ref: 'refs/heads/master',
      why: 'head of master',
    },
  ],
  partners: [{ repository: 'Raku/nqp', number: 97, ref: 'new-dispatch', sha: sha('1'), fork: true, author: LIZ }],
  notes: [
    manifestMessages.stranger('MoarVM/MoarVM', 44, 'somebody'),
    manifestMessages.changedInstead('Raku/nqp', 'rakudo/rakudo', 'tools/templates/NQP_REVISION'),
  ],
  matching: { subject: 'match:raku:new-dispatch', repository: 'rakudo/rakudo', branch: 'new-dispatch', author: LIZ },
};

const stackRun = (id: string, more: Partial<Run>): Run =>
  aRun({ id, repository: RAKUDO, change, subject: PULL, trigger: 'pull-request', sources: [], checks: [], ...more });

function runs(now: Date): Run[] {
  const at = (seconds: number) => new Date(now.getTime() - seconds * 1000);
  const job = (id: string, verdict: 'passed' | 'failed') =>
    aJob({
      id: `${id}-job`,
      name: 'local / test',
      verdict,
      attempts: [anAttempt({ id: `${id}-attempt`, verdict, startedAt: at(7000), finishedAt: at(6900) })],
    });
  const build = (id: string, verdict: 'passed' | 'failed') =>
    aBuild({ id: `${id}-build`, backend: 'local', externalId: `${id}-x`, verdict, jobs: [job(id, verdict)] });
  const sourcesOf = (id: string) => SOURCES.map((source) => ({ ...source, id: `${id}-${source.id}` }));
  const broken = manifestMessages.malformedPin(
    { by: 'Raku/nqp', sha: sha('1'), file: 'tools/templates/MOAR_REVISION', pinned: 'MoarVM/MoarVM' },
    manifestMessages.pin.conflict,
  );
  return [
    stackRun(STACK.first, {
      verdict: 'failed',
      createdAt: at(7200),
      finishedAt: at(6900),
      sources: sourcesOf('first'),
      manifest: MANIFEST,
      builds: [build('first', 'failed')],
    }),
    stackRun(STACK.again, {
      trigger: 'command',
      previousId: STACK.first,
      createdAt: at(3600),
      finishedAt: at(3000),
      sources: sourcesOf('again'),
      manifest: MANIFEST,
      builds: [build('again', 'passed')],
      checks: [{ id: 'again-check', name: 'rcb', externalId: '4711' }],
    }),
    stackRun(STACK.broken, {
      subject: 'pull-request:github:1#813',
      change: { ...change, number: 813 } as typeof change,
      verdict: 'error',
      why: broken,
      createdAt: at(900),
      finishedAt: at(890),
      sources: [{ ...SOURCES[0]!, id: 'broken-source', archive: undefined, merged: undefined, version: undefined }],
      manifest: {
        trees: [],
        partners: [],
        notes: [],
        pinText: '<<<<<<< HEAD\n2026.10-9-gd4d8fa314\n=======\n2026.09\n>>>>>>> main\n',
      },
    }),
    stackRun(STACK.waiting, {
      subject: 'pull-request:github:1#814',
      change: { ...change, number: 814, fork: true } as typeof change,
      state: 'waiting',
      verdict: undefined,
      why: 'This pull request comes from a fork, and its author may not write to this repository.',
      createdAt: at(300),
      finishedAt: undefined,
      sources: [{ ...SOURCES[0]!, id: 'waiting-source', archive: undefined, merged: undefined, version: undefined }],
    }),
  ];
}

const aWish = (more: Partial<StoredMergeRequest>): StoredMergeRequest => ({
  id: 'wish1',
  subject: PULL,
  requesterId: LIZ.id,
  requester: LIZ.login,
  commentId: '998877',
  headSha: HEAD,
  baseRef: 'main',
  askedAt: new Date(0),
  state: 'open',
  retestedBases: [],
  told: [],
  ...more,
});

function wishes(now: Date): StoredMergeRequest[] {
  const askedAt = new Date(now.getTime() - 3500_000);
  return [
    aWish({
      id: 'wish1',
      commentId: 'description',
      askedAt,
      headSha: sha('9'),
      state: 'refused',
      decision: { kind: 'refuse', because: 'head-moved', takeBack: false },
    }),
    aWish({
      id: 'wish2',
      askedAt,
      decision: { kind: 'wait', because: 'partner', lookAgainMs: 1, names: ['Raku/nqp#97'] },
    }),
  ];
}

/** Each with how many seconds ago it was stored. */
function events(): [age: number, event: Event][] {
  const [first, again] = [STACK.first, STACK.again];
  const look = { toldBy: 'k', number: 1 };
  const snapshot = {
    number: 812,
    title: change.title,
    state: 'open',
    draft: false,
    head: { ref: 'new-dispatch', sha: HEAD, repositoryKey: 'github:1' },
    base: { ref: 'main', sha: sha('b') },
    author: LIZ,
    repositoryKey: 'github:1',
    repositoryName: 'rakudo/rakudo',
    defaultBranch: 'main',
    private: false,
  } as const;
  const told = { headSha: HEAD, baseRef: 'main', title: change.title, state: 'open', draft: false } as const;
  const resolved = SOURCES.map(({ id: _, archive: __, ...source }) => source);
  const comment = { kind: 'comment', number: 812, id: '998800', at: '2026-11-21T11:00:00Z' } as const;
  const archive = { sha256: DIGEST, size: 1, tarSha256: DIGEST };
  return [
    [7300, { kind: 'pull-request.hinted', repository: RAKUDO, number: 812, action: 'opened', told }],
    [7250, { kind: 'pull-request.seen', subject: PULL, repository: RAKUDO, look, snapshot }],
    [
      7240,
      {
        kind: 'run.requested',
        runId: first,
        request: { repository: RAKUDO, change, subject: PULL, trigger: 'pull-request' },
      },
    ],
    [
      6900,
      {
        kind: 'build.observed',
        runId: first,
        buildId: 'first-build',
        attempt: 1,
        observation: { state: 'finished', digest: 'd', jobs: [] },
        kept: [],
      },
    ],
    [
      3700,
      {
        kind: 'command.seen',
        subject: PULL,
        repository: RAKUDO,
        source: comment,
        commands: ['re-test latest'],
        unknown: [],
        actor: LIZ,
        permission: 'write',
      },
    ],
    [
      3650,
      {
        kind: 'run.requested',
        runId: again,
        request: { repository: RAKUDO, change, subject: PULL, trigger: 'command', previousId: first },
      },
    ],
    [3590, { kind: 'sources.resolved', runId: again, title: change.title, sources: resolved, manifest: MANIFEST }],
    [
      3580,
      { kind: 'source.packed', runId: again, sourceId: 'again-src-rakudo', archive, version: '2026.10-41-gaaaaaaaaa' },
    ],
    [3570, { kind: 'check.reported', runId: again, checkId: 'again-check', externalId: '1', reported: 'a' }],
    [3569, { kind: 'check.reported', runId: again, checkId: 'again-check', externalId: '1', reported: 'b' }],
    [3560, { kind: 'build.started', runId: again, buildId: 'again-build', attempt: 1, externalId: 'x' }],
    [
      3500,
      {
        kind: 'effect.failed',
        runId: again,
        effect: 'check.report',
        target: 'x',
        why: 'GitHub answered 502',
        retryAt: '2026-11-21T11:04:05.000Z',
      },
    ],
    [
      2900,
      {
        kind: 'merge.called',
        subject: PULL,
        repository: RAKUDO,
        requestId: 'wish2',
        count: 1,
        outcome: 'not-mergeable',
      },
    ],
  ];
}

export async function addStack(prisma: PrismaClient, now: Date): Promise<void> {
  const store = openStore(prisma, () => now);
  for (const run of runs(now)) await store.saveRun(run);
  for (const wish of wishes(now)) await store.saveMergeRequest(wish);
  await prisma.event.createMany({
    data: events().map(([age, event], place) => {
      const at = new Date(now.getTime() - age * 1000);
      const payload = JSON.parse(JSON.stringify(event));
      const id = `01stack-event-${String(place).padStart(3, '0')}`;
      return {
        id,
        key: id,
        kind: event.kind,
        subject: subjectOf(event),
        payload,
        state: 'done',
        dueAt: at,
        createdAt: at,
      };
    }),
  });
}
