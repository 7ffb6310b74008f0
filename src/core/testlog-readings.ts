import { createHash } from 'node:crypto';
import type { EventOf } from './event.ts';
import type { Run } from './model.ts';
import type { TestReading } from './testlog-kept.ts';

/** The commits that a run tests, whatever chose them: runs of one set differ by chance only. */
export function sourceSetOf({ sources, manifest }: Pick<Run, 'sources' | 'manifest'>): string {
  const own = sources.map(({ repository, sha, merged }) => `${repository.key} ${merged?.sha ?? sha}`);
  const trees = (manifest?.trees ?? []).map(({ into, path, sha }) => `${into}/${path} ${sha}`);
  return createHash('sha256')
    .update(JSON.stringify([own.sort(), trees.sort()]))
    .digest('hex');
}

/** What an event tells of the tests of attempts, to be stored. `run`: after the event. */
export function readingsOf(run: Run, { buildId, kept }: EventOf<'build.observed'>, now: Date): TestReading[] {
  const jobs = run.builds.find(({ id }) => id === buildId)?.jobs ?? [];
  return kept.flatMap(({ externalName, number, tests }) => {
    const job = jobs.find((each) => each.externalName === externalName);
    const attempt = job?.attempts.find((each) => each.number === number);
    if (!tests || !job || attempt?.state !== 'finished') return [];
    return {
      attemptId: attempt.id,
      runId: run.id,
      subject: run.subject,
      job: job.name,
      platform: externalName,
      sourceSet: sourceSetOf(run),
      at: attempt.finishedAt ?? now,
      tests,
    };
  });
}
