import assert from 'node:assert/strict';
import { type AnswerTo, type Candidate, keyOf, learn, nothingKnown, type Read } from '../../src/core/match-known.ts';
import { decideManifest, type ManifestDecision, mostRounds, type Question } from '../../src/core/matching.ts';
import { readPin } from '../../src/core/pin.ts';
import type { Stack } from '../../src/core/stack.ts';

/** A world that answers what a planner asks: what the effect does with a forge and mirrors, without either. */
export interface World {
  /** Branch and sha, or why it cannot be read. */
  head(repository: string): [branch: string, sha: string] | string;
  /** A pin file's text; undefined: no such file. */
  file(repository: string, sha: string, file: string): string | undefined;
  /** A pin's commit; undefined: none. */
  revision(repository: string, kind: string, text: string): string | undefined;
  pulls(repository: string, branch: string): Candidate[];
}

export function answer(world: World, read: Read): AnswerTo<Read> {
  switch (read.kind) {
    case 'head': {
      const head = world.head(read.repository);
      return typeof head === 'string'
        ? { kind: 'missing', why: head }
        : { kind: 'head', branch: head[0], sha: head[1] };
    }
    case 'pin': {
      const text = world.file(read.repository, read.sha, read.file);
      return text === undefined ? { kind: 'missing' } : readPin(text);
    }
    case 'revision': {
      const sha = world.revision(read.repository, read.revision.kind, read.revision.text);
      return sha === undefined ? { kind: 'missing' } : { kind: 'commit', sha };
    }
    case 'pull-requests':
      return { kind: 'pull-requests', candidates: world.pulls(read.repository, read.branch) };
  }
}

export type Ended = Exclude<ManifestDecision, { kind: 'need' }>;

/** The loop of the effect. What is known crosses JSON each time, as in an event. `pick`: what is answered in a round. */
export function settle(
  question: Question,
  world: World,
  pick: (reads: Read[]) => Read[] = (reads) => reads,
): { ended: Ended; rounds: number; asked: Read[] } {
  let known = nothingKnown();
  const asked: Read[] = [];
  const keys = new Set<string>();
  for (let rounds = 0; ; rounds += 1) {
    const decision = decideManifest(question, known);
    assert.deepEqual(JSON.parse(JSON.stringify(decision)), decision, 'a decision is JSON');
    if (decision.kind !== 'need') return { ended: decision, rounds, asked };
    assert.ok(decision.reads.length > 0, 'a need names what it needs');
    for (const read of pick(decision.reads)) {
      const key = `${read.kind} ${keyOf(read)}`;
      assert.ok(!keys.has(key), `asked twice: ${key}`);
      keys.add(key);
      asked.push(read);
      known = JSON.parse(JSON.stringify(learn(known, read, answer(world, read))));
    }
    assert.ok(asked.length < 10 * mostRounds(question.stack) ** 2, 'it comes to an end');
  }
}

/** `stackFrom('a:b,c', 'b', 'c')`: o/a pins o/b and o/c, each in a file of its name. */
export const stackFrom = (...lines: string[]): Stack => ({
  name: 'test',
  repositories: lines.map((line) => {
    const [name, pinned = ''] = line.split(':');
    const names = pinned.split(',').filter(Boolean);
    return {
      repository: `o/${name}`,
      pins: Object.fromEntries(names.map((each) => [`o/${each}`, `${each}.pin`])),
      trees: {},
    };
  }),
});

export const aCandidate = (change: Partial<Candidate> = {}): Candidate => ({
  number: 812,
  ref: 'fix-gc',
  sha: 'c'.repeat(40),
  state: 'open',
  fork: false,
  author: { id: '5', login: 'lizmat' },
  ...change,
});
