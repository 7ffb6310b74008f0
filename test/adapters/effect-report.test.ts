import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckContent } from '../../src/core/check.ts';
import type { Run } from '../../src/core/model.ts';
import type { World } from '../../src/effects/effect.ts';
import { reportCheck } from '../../src/effects/report.ts';
import { aBuild, aJob, anAttempt, aRepository, aRun, aSource } from '../support/builders.ts';

/** What is written on the checks of a run whose repositories are public or private by now. */

const [OWN, OTHER, TREE] = ['acme/own', 'acme/other', 'acme/tree'] as const;
const failed = aJob({
  state: 'finished',
  verdict: 'failed',
  why: `${OTHER} is broken`,
  attempts: [anAttempt({ state: 'finished', verdict: 'failed' })],
});
const run = aRun({
  repository: aRepository({ key: 'github:1', name: OWN, installation: 'github:9' }),
  verdict: 'failed',
  sources: [
    aSource({ repository: aRepository({ key: 'github:1', name: OWN }) }),
    aSource({
      id: 's2',
      repository: aRepository({ key: 'github:2', name: OTHER }),
      changed: false,
      why: `head of ${OTHER}`,
    }),
  ],
  builds: [aBuild({ verdict: 'failed', jobs: [failed] })],
});

/** What GitHub is given for the run's own check and for its job's. */
async function told(privates: string[], change: Partial<Run> = {}): Promise<CheckContent[]> {
  const given: CheckContent[] = [];
  const shown: Run = {
    ...run,
    ...change,
    checks: [
      { id: 'c1', name: 'rcb' },
      { id: 'c2', name: 'local / test', jobId: failed.id },
    ],
  };
  const keys: Record<string, string> = { 'github:1': OWN, 'github:2': OTHER };
  const world = {
    publicUrl: 'https://rcb.example',
    store: {
      run: async () => shown,
      repository: async () => undefined,
      holdPrivate: async (asked: string[]) => asked.some((key) => privates.includes(keys[key]!)),
      privateNames: async (names: string[]) => names.filter((name) => privates.includes(name)),
    },
    archive: { readLog: async () => undefined },
    forge: () => ({
      ensureCheck: async (_: unknown, content: CheckContent) => {
        given.push(content);
        return '77';
      },
    }),
  } as unknown as World;
  for (const checkId of ['c1', 'c2']) {
    const effect = { kind: 'check.report', runId: run.id, checkId, installation: 'github:9' } as const;
    await reportCheck(effect, world, AbortSignal.timeout(5_000));
  }
  return given;
}

test('where all is public, or the repository itself is private, its checks tell all', async () => {
  for (const privates of [[], [OWN], [OWN, OTHER]]) {
    const [whole, job] = await told(privates);
    assert.match(whole!.summary, /acme\/other/);
    assert.match(job!.title, /acme\/other is broken/);
  }
});

test('what began with private ones, and is public now, says how it ended and no more', async () => {
  for (const content of await told([OTHER])) {
    assert.doesNotMatch(JSON.stringify(content), /other|broken/);
    assert.deepEqual(
      [content.status, content.conclusion, content.title],
      ['completed', 'failure', 'failure: not for everybody'],
    );
    assert.match(content.summary, /\(https:\/\/rcb\.example\/runs\/[^)]+\), for those who may read/);
  }
});

test('a tree that was put into an archive is a part of the run, too', async () => {
  const trees = [{ into: OWN, path: 't', repository: TREE, sha: 'a'.repeat(40), why: 'head of main' }];
  const manifest = { trees, partners: [], notes: [] };
  const [whole] = await told([TREE], { manifest });
  assert.doesNotMatch(JSON.stringify(whole), /acme\/tree/);
  assert.match((await told([], { manifest }))[0]!.summary, /acme\/tree/);
});
