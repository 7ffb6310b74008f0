import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rakuStack } from '../../src/config/raku.ts';
import type { Candidate } from '../../src/core/match-known.ts';
import { matchSubject, neverMatches, partnerNews } from '../../src/core/match-partners.ts';
import { type Manifest, mostRounds, type Question } from '../../src/core/matching.ts';
import type { Change } from '../../src/core/model.ts';
import { aCommit, aPull, sha } from '../support/builders.ts';
import { aCandidate, type Ended, settle, stackFrom, type World } from './matching-world.ts';

/** Raku's three, each with a default branch and what is pinned at each commit. */
const RAKUDO = 'rakudo/rakudo';
const NQP = 'Raku/nqp';
const MOAR = 'MoarVM/MoarVM';
const CHANGED = sha('a');
const PARTNER = sha('c');

const heads: Record<string, [string, string]> = {
  [RAKUDO]: ['main', sha('1')],
  [NQP]: ['main', sha('2')],
  [MOAR]: ['main', sha('3')],
  'Raku/roast': ['main', sha('4')],
};
const files: Record<string, string> = {
  [`${RAKUDO}@${sha('1')}`]: '2026.08',
  [`${RAKUDO}@${CHANGED}`]: '2026.07-9-gd4d8fa314',
  [`${NQP}@${sha('2')}`]: '2026.07-10-g24430e20d',
  [`${NQP}@${sha('5')}`]: '2026.06-1-gaaaaaaa',
  [`${NQP}@d4d8fa314${'0'.repeat(31)}`]: '2026.07',
  [`${NQP}@${CHANGED}`]: '2026.05',
  [`${NQP}@${PARTNER}`]: '2026.04\n',
};
const commits: Record<string, string> = {
  [`${NQP} tag 2026.08`]: sha('5'),
  [`${NQP} describe 2026.07-9-gd4d8fa314`]: `d4d8fa314${'0'.repeat(31)}`,
  [`${MOAR} describe 2026.07-10-g24430e20d`]: `24430e20d${'0'.repeat(31)}`,
  [`${MOAR} describe 2026.06-1-gaaaaaaa`]: sha('a'),
  [`${MOAR} tag 2026.07`]: sha('7'),
  [`${MOAR} tag 2026.05`]: sha('8'),
  [`${MOAR} tag 2026.04`]: sha('9'),
};

interface Twist {
  heads?: Record<string, [string, string] | string>;
  files?: Record<string, string | undefined>;
  commits?: Record<string, string | undefined>;
  pulls?: Record<string, Candidate[]>;
}

const worldWith = (twist: Twist = {}): World => ({
  head: (repository) => ({ ...heads, ...twist.heads })[repository]!,
  file: (repository, at) => ({ ...files, ...twist.files })[`${repository}@${at}`],
  revision: (repository, kind, text) => ({ ...commits, ...twist.commits })[`${repository} ${kind} ${text}`],
  pulls: (repository) => twist.pulls?.[repository] ?? [],
});

const question = (repository: string, change: Change, more: Partial<Question> = {}): Question => ({
  stack: rakuStack,
  repository,
  change,
  ...more,
});

function ended(repository: string, change: Change, twist?: Twist, more?: Partial<Question>): Ended {
  const asked = question(repository, change, more);
  const { ended, rounds } = settle(asked, worldWith(twist));
  assert.ok(rounds <= mostRounds(asked.stack), `${rounds} rounds`);
  return ended;
}

function manifestOf(given: Ended): Manifest {
  assert.equal(given.kind, 'manifest', JSON.stringify(given));
  return given as Manifest;
}

/** `rakudo 1111: head of main`, a line for each source. */
const lines = ({ sources }: Manifest): string[] =>
  sources.map(({ repository, sha, why }) => `${repository.split('/')[1]} ${sha.slice(0, 9)}: ${why}`);

const taken = (repository: string, change: Change, twist?: Twist): string[] =>
  lines(manifestOf(ended(repository, change, twist)));

const pull = { number: 7, ref: 'fix-gc', sha: CHANGED };

const stories: [string, string[], string[]][] = [
  [
    'a commit of rakudo: its NQP_REVISION, and the MOAR_REVISION of that nqp',
    taken(RAKUDO, aCommit({ sha: CHANGED })),
    [
      'rakudo aaaaaaaaa: head of main',
      'nqp d4d8fa314: pinned by rakudo 2026.07-9-gd4d8fa314',
      'MoarVM 777777777: pinned by nqp 2026.07',
    ],
  ],
  [
    'a commit of nqp: its MOAR_REVISION, and the default branch of rakudo',
    taken(NQP, aCommit({ sha: CHANGED })),
    ['rakudo 111111111: head of main', 'nqp aaaaaaaaa: head of main', 'MoarVM 888888888: pinned by nqp 2026.05'],
  ],
  [
    'a commit of MoarVM: both default branches, whatever they pin',
    taken(MOAR, aCommit({ sha: CHANGED })),
    ['rakudo 111111111: head of main', 'nqp 222222222: head of main', 'MoarVM aaaaaaaaa: head of main'],
  ],
  [
    'a commit of a release branch takes pins, and default branches above',
    taken(NQP, aCommit({ sha: CHANGED, ref: 'refs/heads/release-2026.05' }), {
      pulls: { [RAKUDO]: [aCandidate({ ref: 'release-2026.05' })] },
    }),
    [
      'rakudo 111111111: head of main',
      'nqp aaaaaaaaa: head of release-2026.05',
      'MoarVM 888888888: pinned by nqp 2026.05',
    ],
  ],
  [
    'a pull request without partners takes pins as a commit does',
    taken(RAKUDO, aPull(pull)),
    [
      'rakudo aaaaaaaaa: head of pull request #7',
      'nqp d4d8fa314: pinned by rakudo 2026.07-9-gd4d8fa314',
      'MoarVM 777777777: pinned by nqp 2026.07',
    ],
  ],
  [
    "a matched pull request's own pin counts",
    taken(RAKUDO, aPull(pull), { pulls: { [NQP]: [aCandidate()] } }),
    [
      'rakudo aaaaaaaaa: head of pull request #7',
      'nqp ccccccccc: pull request #812 has the same branch name',
      'MoarVM 999999999: pinned by nqp 2026.04',
    ],
  ],
  [
    '… unless MoarVM has one as well',
    taken(RAKUDO, aPull(pull), {
      pulls: { [NQP]: [aCandidate()], [MOAR]: [aCandidate({ number: 3, sha: sha('e') })] },
    }),
    [
      'rakudo aaaaaaaaa: head of pull request #7',
      'nqp ccccccccc: pull request #812 has the same branch name',
      'MoarVM eeeeeeeee: pull request #3 has the same branch name',
    ],
  ],
  [
    'a partner below the one between: that one is pinned',
    taken(RAKUDO, aPull(pull), { pulls: { [MOAR]: [aCandidate()] } }),
    [
      'rakudo aaaaaaaaa: head of pull request #7',
      'nqp d4d8fa314: pinned by rakudo 2026.07-9-gd4d8fa314',
      'MoarVM ccccccccc: pull request #812 has the same branch name',
    ],
  ],
  [
    '… and seen from below it is the same',
    taken(MOAR, aPull({ ...pull, sha: PARTNER }), { pulls: { [RAKUDO]: [aCandidate({ sha: CHANGED })] } }),
    [
      'rakudo aaaaaaaaa: pull request #812 has the same branch name',
      'nqp d4d8fa314: pinned by rakudo 2026.07-9-gd4d8fa314',
      'MoarVM ccccccccc: head of pull request #7',
    ],
  ],
  [
    'a partner above: the changed nqp is used, not what the partner pins',
    taken(NQP, aPull(pull), { pulls: { [RAKUDO]: [aCandidate()] } }),
    [
      'rakudo ccccccccc: pull request #812 has the same branch name',
      'nqp aaaaaaaaa: head of pull request #7',
      'MoarVM 888888888: pinned by nqp 2026.05',
    ],
  ],
  [
    'default branches are asked for, not assumed',
    taken(MOAR, aCommit({ sha: CHANGED }), { heads: { [NQP]: ['trunk', sha('6')] } }),
    ['rakudo 111111111: head of main', 'nqp 666666666: head of trunk', 'MoarVM aaaaaaaaa: head of main'],
  ],
];
for (const [title, found, expected] of stories) test(title, () => assert.deepEqual(found, expected));

test('a source says where it is expected', () => {
  const manifest = manifestOf(ended(RAKUDO, aPull(pull), { pulls: { [NQP]: [aCandidate()] } }));
  assert.deepEqual(
    manifest.sources.map(({ repository: _, sha: _sha, why: _why, ...where }) => where),
    [
      { ref: 'refs/pull/7/head', pullRequest: 7, changed: true },
      { ref: 'refs/pull/812/head', pullRequest: 812, changed: false },
      { ref: 'refs/tags/2026.04', changed: false },
    ],
  );
  assert.deepEqual(manifest.partners, [
    { repository: NQP, number: 812, ref: 'fix-gc', sha: PARTNER, fork: false, author: { id: '5', login: 'lizmat' } },
  ]);
  assert.deepEqual(manifest.matching, {
    subject: 'match:raku:fix-gc',
    repository: RAKUDO,
    branch: 'fix-gc',
    author: { id: '5', login: 'lizmat' },
  });
});

test('what is put into an archive has a commit, too', () => {
  const { trees } = manifestOf(ended(RAKUDO, aCommit({ sha: CHANGED })));
  const roast = { repository: 'Raku/roast', sha: sha('4'), ref: 'refs/heads/main', why: 'head of main' };
  assert.deepEqual(trees, [{ into: RAKUDO, path: 't/spec', ...roast }]);
});

test('a tree that is a repository of the stack is at its commit in the run', () => {
  const stack = {
    name: 's',
    repositories: [{ repository: 'o/a', pins: {}, trees: { lib: 'O/B' } }, ...stackFrom('b').repositories],
  };
  const { ended } = settle(
    { stack, repository: 'o/b', change: aCommit({ sha: CHANGED }) },
    { ...worldWith(), head: () => ['main', sha('1')] },
  );
  assert.deepEqual(manifestOf(ended).trees, [
    {
      into: 'o/a',
      path: 'lib',
      repository: 'o/b',
      sha: CHANGED,
      ref: 'refs/heads/main',
      why: 'the commit of o/b in this run',
    },
  ]);
});

test('the pins of a pull request are those of what would land', () => {
  const merged = sha('b');
  const twist = { files: { [`${RAKUDO}@${merged}`]: '2026.08' } };
  const manifest = manifestOf(ended(RAKUDO, aPull(pull), twist, { tested: merged }));
  assert.equal(manifest.sources[0]!.sha, CHANGED);
  assert.equal(manifest.sources[1]!.why, 'pinned by rakudo 2026.08');
});

test('a repository in no stack is tested alone, and nothing is asked', () => {
  const { ended, asked } = settle(question('x/alone', aPull(pull)), worldWith());
  assert.deepEqual(lines(manifestOf(ended)), ['alone aaaaaaaaa: head of pull request #7']);
  assert.deepEqual(asked, []);
});

test('the changed repository is found whatever the case of its name', () => {
  assert.deepEqual(taken('RAKU/NQP', aCommit({ sha: CHANGED })), taken(NQP, aCommit({ sha: CHANGED })));
});

test('who pins the changed one is told that it does not count', () => {
  const { notes } = manifestOf(ended(NQP, aCommit({ sha: CHANGED })));
  assert.deepEqual(notes, ['Raku/nqp is what is tested, whatever rakudo/rakudo pins in tools/templates/NQP_REVISION']);
});

// Who may be a partner.

const stranger = { id: '666', login: 'mallory' };
const other = { id: '6', login: 'jnthn' };
const pinned = 'nqp d4d8fa314: pinned by rakudo 2026.07-9-gd4d8fa314';
const matched = (number: number) => `nqp ccccccccc: pull request #${number} has the same branch name`;
const partners: [string, Candidate[], string, RegExp[]][] = [
  ['the same author', [aCandidate()], matched(812), []],
  ['the same author, from a fork', [aCandidate({ fork: true })], matched(812), []],
  ['the same author under another login', [aCandidate({ author: { id: '5', login: 'liz' } })], matched(812), []],
  ['a colleague who may write', [aCandidate({ author: other, canWrite: true })], matched(812), []],
  ['a stranger with a maintainer’s word', [aCandidate({ author: stranger, allowed: true })], matched(812), []],
  ['a stranger', [aCandidate({ author: stranger })], pinned, [/#812 .* not used: its author mallory may not write/]],
  [
    'a stranger with the login of the author',
    [aCandidate({ author: { id: '666', login: 'lizmat' } })],
    pinned,
    [/#812 .* not used/],
  ],
  ['a closed one', [aCandidate({ state: 'closed' })], pinned, []],
  ['a merged one', [aCandidate({ state: 'merged' })], pinned, []],
  [
    'one whose branch is named alike only',
    [aCandidate({ ref: 'Fix-GC' }), aCandidate({ ref: 'fix-gc-2' })],
    pinned,
    [],
  ],
  [
    'the same author comes first, and it is said',
    [aCandidate({ number: 1, author: other, canWrite: true }), aCandidate({ number: 2 })],
    matched(2),
    [/the branch name is that of #1 too; #2 is used, it has the same author/],
  ],
  [
    'two of the same author',
    [aCandidate({ number: 9 }), aCandidate({ number: 2 })],
    pinned,
    [/^Raku\/nqp: the pull requests #2, #9 all have the same branch name; none of them is used$/],
  ],
  [
    'two colleagues',
    [
      aCandidate({ number: 1, author: other, canWrite: true }),
      aCandidate({ number: 2, author: stranger, allowed: true }),
    ],
    pinned,
    [/#1, #2 all have the same branch name/],
  ],
  [
    'a stranger cannot make a colleague ambiguous',
    [aCandidate({ number: 1, author: other, canWrite: true }), aCandidate({ number: 2, author: stranger })],
    matched(1),
    [/#2 .* not used/],
  ],
];
for (const [title, candidates, expected, notes] of partners) {
  test(`a partner? ${title}`, () => {
    const manifest = manifestOf(ended(RAKUDO, aPull(pull), { pulls: { [NQP]: candidates } }));
    assert.equal(lines(manifest)[1], expected);
    assert.equal(manifest.notes.length, notes.length, manifest.notes.join('\n'));
    for (const [at, note] of notes.entries()) assert.match(manifest.notes[at]!, note);
  });
}

test('of many candidates ten are named', () => {
  const many = Array.from({ length: 300 }, (_, at) => aCandidate({ number: at + 1 }));
  const { notes } = manifestOf(ended(RAKUDO, aPull(pull), { pulls: { [NQP]: many } }));
  assert.match(notes[0]!, /#1, .*#10 and 290 more all have/);
});

const names: [string, boolean][] = [
  ['fix-gc', false],
  ['main', true],
  ['master', true],
  ['trunk', true],
  ['patch-1', true],
  ['ugexe-patch-1', true],
  ['lizmat/patch-22', true],
  ['new-dispatch-2', false],
  ['patch-1-again', false],
  ['leave', false],
  ['constructor', false],
];
for (const [name, never] of names) {
  test(`the branch name ${name} ${never ? 'never matches' : 'matches'}`, () => {
    assert.equal(neverMatches(name, ['main', 'trunk']), never);
    const twist: Twist = { pulls: { [NQP]: [aCandidate({ ref: name })] }, heads: { [MOAR]: ['trunk', sha('3')] } };
    const manifest = manifestOf(ended(RAKUDO, aPull({ ...pull, ref: name }), twist));
    assert.equal(manifest.partners.length, never ? 0 : 1);
    assert.equal(manifest.matching?.subject, never ? undefined : matchSubject('raku', name));
    assert.equal(manifest.notes.filter((note) => note.includes('matches no other pull request')).length, never ? 1 : 0);
  });
}

// Nothing is guessed.

const NQP_PIN = `${NQP}@${CHANGED}`;
const faults: [string, Ended, RegExp, string | undefined][] = [
  [
    'a malformed pin',
    ended(NQP, aCommit({ sha: CHANGED }), { files: { [NQP_PIN]: '<<<<<<< HEAD\n2026.05\n' } }),
    /^malformed pin: Raku\/nqp at aaaaaaaaaa pins MoarVM\/MoarVM in tools\/templates\/MOAR_REVISION, and of that file: it has the markers of a merge conflict\. Nothing is tested until/,
    '<<<<<<< HEAD\n2026.05',
  ],
  [
    'no pin file',
    ended(NQP, aCommit({ sha: CHANGED }), { files: { [NQP_PIN]: undefined } }),
    /^pin not found: Raku\/nqp at aaaaaaaaaa should pin .* and there is no such file/,
    undefined,
  ],
  [
    'a pinned commit that is nowhere',
    ended(NQP, aCommit({ sha: CHANGED }), { commits: { [`${MOAR} tag 2026.05`]: undefined } }),
    /^pinned revision not found: .* to 2026\.05: MoarVM\/MoarVM has no such commit/,
    '2026.05',
  ],
  [
    'a malformed pin two pins down',
    ended(RAKUDO, aCommit({ sha: CHANGED }), { files: { [`${NQP}@d4d8fa314${'0'.repeat(31)}`]: 'YYYY.MM' } }),
    /^malformed pin: Raku\/nqp at d4d8fa3140 pins MoarVM/,
    'YYYY.MM',
  ],
  [
    'a commit that another name led to',
    ended(NQP, aCommit({ sha: CHANGED }), {
      files: { [NQP_PIN]: '2026.05-3-g1234567' },
      commits: { [`${MOAR} describe 2026.05-3-g1234567`]: sha('f') },
    }),
    /^pinned revision not found: .*the commit that was found under this name is another one, ffffffffff/,
    '2026.05-3-g1234567',
  ],
  [
    'a default branch that cannot be read',
    ended(MOAR, aCommit({ sha: CHANGED }), { heads: { [NQP]: 'the repository is gone' } }),
    /^the head of Raku\/nqp's default branch cannot be read: the repository is gone/,
    undefined,
  ],
];
for (const [title, given, why, pinText] of faults) {
  test(`an error: ${title}`, () => {
    assert.equal(given.kind, 'error');
    if (given.kind !== 'error') return;
    assert.match(given.why, why);
    assert.equal(given.pinText, pinText);
  });
}

test('of two faults the same one is told, whichever is found first', () => {
  const world = { ...worldWith(), head: (repository: string) => `${repository} is gone` };
  const asked = { stack: stackFrom('a', 'b', 'c'), repository: 'o/c', change: aCommit() };
  const last = settle(asked, world, (reads) => reads.slice(-1)).ended;
  assert.deepEqual(last, settle(asked, world, (reads) => reads.slice(0, 1)).ended);
});

test('a run that could not begin knows whom it was matched by: a partner may mend it', () => {
  const broken: Twist = { files: { [`${RAKUDO}@${CHANGED}`]: 'YYYY.MM' } };
  const alone = ended(RAKUDO, aPull(pull), broken);
  assert.equal(alone.kind, 'error');
  const now = [{ repository: NQP, candidates: [aCandidate()] }];
  assert.deepEqual(
    partnerNews(alone, now).map(({ because }) => because),
    ['appeared'],
  );
  assert.equal(taken(RAKUDO, aPull(pull), { ...broken, pulls: { [NQP]: [aCandidate()] } })[1], matched(812));
});

test('what nobody needs to follow may be malformed', () => {
  const twist: Twist = { files: { [`${RAKUDO}@${sha('1')}`]: 'YYYY.MM', [`${NQP}@${sha('2')}`]: '' } };
  assert.deepEqual(taken(MOAR, aCommit({ sha: CHANGED }), twist), taken(MOAR, aCommit({ sha: CHANGED })));
});

test('seven digits are a tag before they are a sha', () => {
  const of = (found: Record<string, string>) =>
    manifestOf(ended(NQP, aCommit({ sha: CHANGED }), { files: { [NQP_PIN]: '20261121' }, commits: found })).sources[2]!;
  const asSha = { [`${MOAR} sha 20261121`]: '20261121'.padEnd(40, '0') };
  assert.equal(of({ ...asSha, [`${MOAR} tag 20261121`]: sha('6') }).sha, sha('6'));
  assert.equal(of({ ...asSha, [`${MOAR} tag 20261121`]: sha('6') }).ref, 'refs/tags/20261121');
  assert.equal(of(asSha).sha, '20261121'.padEnd(40, '0'));
  assert.equal(of(asSha).ref, undefined);
});

// Shapes beyond the chain.

/** Each commit of a repository pins a tag that is named by it, whose commit is one of its own. */
const everywhere: World = {
  head: (repository) => ['main', sha(`${repository}:head`)],
  file: (repository, at) => `v1-${repository.slice(2)}-${at.slice(0, 12)}`,
  revision: (_, _kind, text) => sha(text.slice(3)),
  pulls: () => [],
};
const shaped = (stack: ReturnType<typeof stackFrom>, repository: string, change: Change, twist: Partial<World> = {}) =>
  manifestOf(settle({ stack, repository, change }, { ...everywhere, ...twist }).ended);
const whyOf = (manifest: Manifest, repository: string) =>
  manifest.sources.find((source) => source.repository === repository)!.why.replace(/ v1-.*/, '');

test('a diamond, changed at its top: of two pins equally near that of the lower one counts', () => {
  // a pins b and c, both pin d: each is one pin away.
  const manifest = shaped(stackFrom('a:b,c', 'b:d', 'c:d', 'd'), 'o/a', aCommit());
  assert.equal(whyOf(manifest, 'o/d'), 'pinned by b');
  assert.match(manifest.notes[0]!, /^o\/d is pinned by b to v1-b-\w+ and by c to v1-c-\w+: that of b counts/);
  assert.equal(manifest.notes.length, 1);
});

test('a diamond, changed at one side: its own pin counts, not that of the other side', () => {
  const manifest = shaped(stackFrom('a:b,c', 'b:d', 'c:d', 'd'), 'o/c', aCommit());
  assert.equal(whyOf(manifest, 'o/d'), 'pinned by c');
  assert.equal(whyOf(manifest, 'o/a'), 'head of main');
  assert.equal(whyOf(manifest, 'o/b'), 'pinned by a', 'b is neither above nor below: what a pins goes with it');
  assert.match(manifest.notes.at(-1)!, /that of c counts/);
});

test('a short cut: the pin of the changed one counts, not that of the one between', () => {
  const manifest = shaped(stackFrom('a:b,c', 'b:c', 'c'), 'o/a', aCommit());
  assert.equal(whyOf(manifest, 'o/c'), 'pinned by a');
});

test('a pin from above does not count against one from the change, however long the way', () => {
  // top pins a and x; a is changed, and pins x by way of b and c.
  const manifest = shaped(stackFrom('top:a,x', 'a:b', 'b:c', 'c:x', 'x'), 'o/a', aCommit());
  assert.equal(whyOf(manifest, 'o/x'), 'pinned by c');
  assert.match(manifest.notes.at(-1)!, /that of c counts/);
});

test('two pins to the same commit are nothing to speak of', () => {
  const manifest = shaped(stackFrom('a:b,c', 'b:d', 'c:d', 'd'), 'o/a', aCommit(), { revision: () => sha('e') });
  assert.deepEqual(manifest.notes, []);
});

test('a pin that does not count may be broken, and that is said', () => {
  const file: World['file'] = (repository, at, name) =>
    repository === 'o/c' ? 'YYYY.MM' : everywhere.file(repository, at, name);
  const manifest = shaped(stackFrom('a:b,c', 'b:d', 'c:d', 'd'), 'o/a', aCommit(), { file });
  assert.equal(whyOf(manifest, 'o/d'), 'pinned by b');
  assert.match(manifest.notes[0]!, /^malformed pin: o\/c .* \(It does not count here: that of b does\.\)$/);
});

test('what nobody pins is at the head of its default branch', () => {
  const manifest = shaped(stackFrom('a:b', 'b', 'x:y', 'y'), 'o/a', aCommit());
  assert.equal(whyOf(manifest, 'o/x'), 'head of main');
  assert.equal(whyOf(manifest, 'o/y'), 'pinned by x');
});

test('a circle of pins, which the configuration refuses, comes to an end', () => {
  const manifest = shaped(stackFrom('a:b', 'b:c', 'c:a'), 'o/b', aCommit());
  assert.equal(manifest.sources.length, 3);
});

test('repositories that no other name can be confused with: __proto__', () => {
  const { ended } = settle({ stack: stackFrom('__proto__', 'b'), repository: 'o/b', change: aPull() }, everywhere);
  assert.equal(manifestOf(ended).sources.length, 2);
});
