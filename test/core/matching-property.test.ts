import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Candidate, Read } from '../../src/core/match-known.ts';
import { isStale, partnerNews } from '../../src/core/match-partners.ts';
import { type Manifest, mostRounds, type Question } from '../../src/core/matching.ts';
import { dependentsOf, pinsOf, type Stack } from '../../src/core/stack.ts';
import { aCommit, aPull } from '../support/builders.ts';
import { aCandidate, type Ended, settle, stackFrom, type World } from './matching-world.ts';

/** Whatever the stack, its pins, its pull requests and the order of the answers: some things hold. */

const hashed = (text: string): string => createHash('sha1').update(text).digest('hex');

/** Any stack without a circle, of one to six repositories, in any order. */
const stacks: fc.Arbitrary<Stack> = fc
  .shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f'], { minLength: 1 })
  .chain((names) =>
    fc.tuple(...names.map((name, at) => fc.subarray(names.slice(at + 1)).map((pinned) => `${name}:${pinned}`))),
  )
  .chain((lines) => fc.shuffledSubarray(lines, { minLength: lines.length }))
  .map((lines) => stackFrom(...lines));

const AUTHORS = ['5', '6', '7'].map((id) => ({ id, login: `user${id}` }));

/** Open and closed, trusted and not, of this name and of others: in any repository. */
const pulls: fc.Arbitrary<(Candidate & { repository: string })[]> = fc.uniqueArray(
  fc.record({
    repository: fc.constantFrom('o/a', 'o/b', 'o/c', 'o/d', 'o/e', 'o/f'),
    number: fc.integer({ min: 1, max: 30 }),
    ref: fc.constantFrom('fix-gc', 'fix-gc', 'fix-gc', 'main', 'other'),
    sha: fc.integer({ max: 99 }).map((seed) => hashed(`pull ${seed}`)),
    state: fc.constantFrom('open', 'open', 'open', 'closed', 'merged'),
    fork: fc.boolean(),
    author: fc.constantFrom(...AUTHORS),
    canWrite: fc.boolean(),
    allowed: fc.boolean(),
  }),
  { selector: ({ number }) => number, maxLength: 8 },
);

/** How broken the world is: of a hundred files or commits, so many. */
function worldOf(seed: number, broken: number, given: (Candidate & { repository: string })[]): World {
  const isBroken = (what: string) => Number.parseInt(hashed(`${seed} ${what}`).slice(0, 6), 16) % 100 < broken;
  return {
    head: (repository) => (isBroken(`head ${repository}`) ? 'it is gone' : ['main', hashed(`${seed} ${repository}`)]),
    file: (repository, at, file) => {
      const what = `${repository} ${at} ${file}`;
      const text = hashed(`${seed} ${what}`);
      if (!isBroken(what))
        return [`v1${text.slice(0, 1)}`, `v1-2-g${text.slice(0, 9)}`, text, text.slice(0, 8)][text.charCodeAt(9) % 4];
      return [undefined, '', 'YYYY.MM', 'x1\ny2'][text.charCodeAt(0) % 4];
    },
    revision: (repository, kind, text) => {
      if (isBroken(`${repository} ${kind} ${text}`)) return undefined;
      // A short sha is no tag here.
      if (kind === 'tag') return text.startsWith('v') ? hashed(`${repository} ${text}`) : undefined;
      return (/(?:-g)?([0-9a-f]+)$/.exec(text)?.[1] ?? '').padEnd(40, '0');
    },
    pulls: (repository) =>
      given.filter((each) => each.repository === repository).map(({ repository: _, ...rest }) => rest),
  };
}

const questions = stacks.chain((stack) =>
  fc.record({
    stack: fc.constant(stack),
    repository: fc.constantFrom(...stack.repositories.map(({ repository }) => repository)),
    change: fc.oneof(
      { weight: 1, arbitrary: fc.constant(aCommit()) },
      { weight: 3, arbitrary: fc.constantFrom(...AUTHORS).map((author) => aPull({ author })) },
    ),
  }),
);
const worlds = fc
  .tuple(fc.integer(), fc.constantFrom(0, 0, 5, 30), pulls)
  .map(([seed, broken, given]) => worldOf(seed, broken, given));

const manifestOf = (ended: Ended): Manifest | undefined => (ended.kind === 'manifest' ? ended : undefined);
const commitsOf = (manifest: Manifest) => manifest.sources.map(({ repository, sha }) => `${repository} ${sha}`);

test('the planner ends in a bounded number of rounds, asks nothing twice, and its answer is JSON', () => {
  fc.assert(
    fc.property(questions, worlds, (question: Question, world) => {
      const { rounds } = settle(question, world);
      assert.ok(rounds <= mostRounds(question.stack), `${rounds} rounds`);
    }),
  );
});

test('the same world gives the same decision, in whatever order and portions it is read', () => {
  fc.assert(
    fc.property(questions, worlds, fc.infiniteStream(fc.nat()), (question: Question, world, chance) => {
      const pick = (reads: Read[]): Read[] => {
        const number = chance.next().value!;
        const rotated = [...reads.slice(number % reads.length), ...reads.slice(0, number % reads.length)];
        return rotated.slice(0, 1 + (number % 3));
      };
      assert.deepEqual(settle(question, world, pick).ended, settle(question, world).ended);
    }),
  );
});

test('a manifest has each repository of the stack once, and one that changed', () => {
  fc.assert(
    fc.property(questions, worlds, (question: Question, world) => {
      const { ended } = settle(question, world);
      if (ended.kind === 'error') return assert.ok(ended.why.length > 20);
      assert.deepEqual(
        ended.sources.map(({ repository }) => repository),
        question.stack.repositories.map(({ repository }) => repository),
      );
      assert.deepEqual(
        ended.sources.filter(({ changed }) => changed).map(({ repository, sha }) => [repository, sha]),
        [[question.repository, question.change.sha]],
      );
      for (const { sha } of ended.sources) assert.match(sha, /^[0-9a-f]{40}$/);
    }),
  );
});

test('a partner is open, has the name, and is nobody uninvited; a commit has none', () => {
  fc.assert(
    fc.property(questions, worlds, (question: Question, world) => {
      const manifest = manifestOf(settle(question, world).ended);
      if (!manifest) return;
      const { change } = question;
      if (change.kind === 'commit') assert.deepEqual(manifest.partners, []);
      const taken = manifest.sources.filter(({ pullRequest, changed }) => pullRequest !== undefined && !changed);
      assert.deepEqual(
        taken.map(({ repository, sha }) => `${repository} ${sha}`).sort(),
        manifest.partners.map(({ repository, sha }) => `${repository} ${sha}`).sort(),
      );
      for (const { repository, number } of manifest.partners) {
        const candidate = world.pulls(repository, change.ref).find((each) => each.number === number)!;
        assert.equal(candidate.state, 'open');
        assert.equal(candidate.ref, change.ref);
        assert.notEqual(repository, question.repository);
        const isOwn = candidate.author.id === change.author?.id;
        assert.ok(isOwn || candidate.canWrite || candidate.allowed, 'a stranger');
      }
    }),
  );
});

test('no silent fall-back: what a tested repository pins is pinned, a partner, or an error', () => {
  fc.assert(
    fc.property(questions, worlds, (question: Question, world) => {
      const manifest = manifestOf(settle(question, world).ended);
      if (!manifest) return;
      const tested = new Set(
        manifest.sources.filter((each) => each.pullRequest || each.changed).map((each) => each.repository),
      );
      for (const { by, pinned } of pinsOf(question.stack)) {
        if (!tested.has(by) || tested.has(pinned)) continue;
        const source = manifest.sources.find(({ repository }) => repository === pinned)!;
        assert.match(source.why, /^pinned by /);
      }
      const dependents = dependentsOf(question.stack, [...tested]);
      for (const { repository, why } of manifest.sources) {
        if (!dependents.has(repository) || tested.has(repository)) continue;
        assert.match(why, /^head of main$|^pinned by /);
      }
    }),
  );
});

/** Pull requests of one name by one author, one in each of some repositories of a stack. */
const families = stacks
  .filter(({ repositories }) => repositories.length > 1)
  .chain((stack) =>
    fc.record({
      stack: fc.constant(stack),
      members: fc
        .shuffledSubarray(
          stack.repositories.map(({ repository }) => repository),
          { minLength: 2 },
        )
        .map((names) =>
          names.map((repository, at) => ({ repository, number: at + 1, sha: hashed(`member ${repository}`) })),
        ),
      seed: fc.integer(),
    }),
  );

type Member = { repository: string; number: number; sha: string };
const asQuestion = (stack: Stack, { repository, number, sha }: Member): Question => ({
  stack,
  repository,
  change: aPull({ number, sha, author: AUTHORS[0]! }),
});
const asPulls = (members: Member[]) =>
  members.map((member) => aCandidate({ ...member, author: AUTHORS[0]! }) as Candidate & Member);

test('pull requests that match are tested with the same commits, from whichever of them one looks', () => {
  fc.assert(
    fc.property(families, ({ stack, members, seed }) => {
      const world = worldOf(seed, 0, asPulls(members));
      const all = members.map((member) => commitsOf(manifestOf(settle(asQuestion(stack, member), world).ended)!));
      for (const each of all) assert.deepEqual(each, all[0]);
    }),
  );
});

test('opened in the same second, each finds the others, whatever the order in which they are handled', () => {
  fc.assert(
    fc.property(families, fc.infiniteStream(fc.nat({ max: 5 })), ({ stack, members, seed }, chance) => {
      // Each is planned when only some of the others can be seen: GitHub's lists lag behind its hooks.
      const runs = members.map((member, at) => {
        const visible = members.slice(0, Math.max(at, chance.next().value! % (members.length + 1)));
        const question = asQuestion(stack, member);
        return { question, manifest: manifestOf(settle(question, worldOf(seed, 0, asPulls(visible))).ended)! };
      });
      const everybody = worldOf(seed, 0, asPulls(members));
      const now = stack.repositories.map(({ repository }) => ({
        repository,
        candidates: everybody.pulls(repository, ''),
      }));
      for (const { question, manifest } of runs) {
        // What the subject of their name does with each of them, in any order, once.
        const again = isStale(manifest, now) ? manifestOf(settle(question, everybody).ended)! : manifest;
        assert.deepEqual(
          again.partners.map(({ repository }) => repository).sort(),
          members
            .map(({ repository }) => repository)
            .filter((name) => name !== question.repository)
            .sort(),
        );
        assert.deepEqual(partnerNews(again, now), [], 'and then they are at rest');
      }
    }),
  );
});

test('a manifest is stale just when planning anew would choose other partners', () => {
  fc.assert(
    fc.property(questions, fc.integer(), pulls, pulls, (question: Question, seed, before, after) => {
      const manifest = manifestOf(settle(question, worldOf(seed, 0, before)).ended)!;
      const later = worldOf(seed, 0, after);
      const now = question.stack.repositories.map(({ repository }) => ({
        repository,
        candidates: later.pulls(repository, ''),
      }));
      const anew = manifestOf(settle(question, later).ended)!;
      const heads = ({ partners }: Manifest) =>
        partners.map(({ repository, number, sha }) => `${repository}#${number}@${sha}`);
      assert.equal(isStale(manifest, now), heads(manifest).join() !== heads(anew).join());
    }),
  );
});
