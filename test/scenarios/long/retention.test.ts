import assert from 'node:assert/strict';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openDiskArchive } from '../../../src/archive/disk.ts';
import { keepRun } from '../../../src/cli/keep.ts';
import { retain } from '../../../src/cli/retention.ts';
import type { Keeps } from '../../../src/core/retention.ts';
import { openQueue } from '../../../src/queue/prisma.ts';
import { openRetentionStore } from '../../../src/store/prisma-retention.ts';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, script, startWorld, type World } from '../../support/world.ts';

const DAY_MS = 86_400_000;
const KEEP: Keeps = {
  sources: 60 * DAY_MS,
  logs: 'forever',
  artifacts: 30 * DAY_MS,
  events: 30 * DAY_MS,
  valued: 30 * DAY_MS,
  releases: [],
};
const GONE = 410;
/** The cursor of a sweep that came to its end and removed archives. */
const SWEPT = { path: ['last', 'swept', 'sources', 'count'], equals: 2 };

/** The whole bot, and a hundred days that pass in the database and on the disk. */
describe('retention', () => {
  let world: World;
  let first: RunJson;
  let newest: RunJson;
  let open: RunJson;
  let closed: RunJson;

  before(async () => {
    world = await startWorld({
      yaml: [
        'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60, artifacts: ["report.txt"] }]',
        'retention: { sources: 60d, logs: forever, artifacts: 30d, events: 30d, valued: 30d }',
      ].join('\n'),
      files: { 'ci/run': script('echo all is well', 'echo "of $RCB_SHA" > report.txt') },
    });
    first = await world.run(await world.github.commit(REPO, 'main', { files: { a: '1' } }));
    newest = await world.run(await world.github.commit(REPO, 'main', { files: { a: '2' } }));
    const opened = await world.github.openPullRequest({ repo: REPO, head: 'goes-on', files: { b: '1' } });
    open = await world.run(opened.headSha);
    const ended = await world.github.openPullRequest({ repo: REPO, head: 'ended', files: { c: '1' } });
    closed = await world.run(ended.headSha);
    await world.github.close(REPO, ended.number);
    await world.quiet();
    const pulls = await world.database.database.prisma.pullRequest.findMany({ where: { state: 'closed' } });
    assert.equal(pulls.length, 1);
    await daysPass(100);
  });
  after(() => world.stop());

  async function daysPass(days: number): Promise<void> {
    const { prisma } = world.database.database;
    const columns = {
      run: ['created_at', 'finished_at'],
      build: ['created_at', 'finished_at'],
      attempt: ['started_at', 'finished_at'],
      event: ['due_at', 'created_at', 'done_at'],
      effect: ['due_at', 'created_at', 'done_at'],
    };
    for (const [table, names] of Object.entries(columns)) {
      const moved = names.map((name) => `${name} = ${name} - interval '${days} days'`).join(', ');
      const isOver = table === 'event' || table === 'effect' ? `WHERE state = 'done'` : '';
      await prisma.$executeRawUnsafe(`UPDATE ${table} SET ${moved} ${isOver}`);
    }
    const blobs = join(world.database.dataDir, 'data', 'archive', 'blobs');
    const then = new Date(Date.now() - days * DAY_MS);
    for (const file of await readdir(blobs, { recursive: true, withFileTypes: true })) {
      if (file.isFile()) await utimes(join(file.parentPath, file.name), then, then);
    }
  }

  /** For pushing; nothing is handled here. */
  const queue = (newId: string) =>
    openQueue(world.database.database.prisma, {
      newId: () => newId,
      storeOn: () => {
        throw new Error('a queue that only pushes needs no store');
      },
    });

  /** An hour begins. */
  async function houseTick(): Promise<void> {
    const key = 'tick-of-a-test';
    const event = { kind: 'tick', source: 'house', at: new Date().toISOString(), everyMs: 3_600_000 } as const;
    await queue(key).push([{ source: 'own', event: { key, event } }]);
  }

  async function told(isDry: boolean, keep: Keeps = KEEP): Promise<string[]> {
    const lines: string[] = [];
    const archive = await openDiskArchive({ dir: join(world.database.dataDir, 'data', 'archive'), secrets: [] });
    const store = openRetentionStore(world.database.database.prisma);
    await retain({ keep, store, archive, now: new Date(), isDry, say: (line) => lines.push(line) });
    return lines;
  }

  const stayLines = (): string[] => [
    `  stays: ${REPO} at ${newest.change.sha.slice(0, 10)}: the newest run of a branch needs it`,
    `  stays: ${REPO} at ${open.change.sha.slice(0, 10)}: the newest run of an open pull request needs it`,
  ];

  const sourceOf = (run: RunJson): string => run.sources[0]!.archive!.url;
  const artifactOf = (run: RunJson): string => run.builds[0]!.jobs[0]!.artifacts[0]!.url;
  const statusOf = async (url: string): Promise<number> => (await fetch(url, { method: 'HEAD' })).status;

  test('the dry run names what would go, what stays and why, and removes nothing', async () => {
    const lines = await told(true);
    assert.ok(lines.includes('Source archives are kept for 60 days.'));
    for (const run of [first, closed]) {
      assert.ok(lines.some((line) => line.startsWith(`  ${REPO} at ${run.change.sha.slice(0, 10)}, `)));
    }
    const stay = lines.filter((line) => line.includes('stays: '));
    assert.deepEqual(stay.map((line) => line.replace(/, \d+ B:/, ':')).sort(), stayLines().sort());
    assert.equal(lines.filter((line) => line.includes('report.txt of run')).length, 4);
    assert.match(
      lines.at(-1)!,
      /^Would be removed: 4 artifacts \(.+\); 2 source archives \(.+\); \d+ payloads of events \(.+\); \d+ done effects\.$/,
    );
    for (const run of [first, newest, open, closed]) {
      assert.deepEqual([await statusOf(sourceOf(run)), await statusOf(artifactOf(run))], [200, 200]);
    }
  });

  test('what artifacts refer to stays as long as they do', async () => {
    const lines = await told(true, { ...KEEP, artifacts: 'forever' });
    const kept = lines.filter((line) => line.startsWith('  stays: ') && line.endsWith('artifacts of its run are kept'));
    assert.equal(kept.length, 2, lines.join('\n'));
  });

  test('what has a value stays: last passes, what a comment links to, and the run that an operator keeps', async () => {
    const stay = async () => {
      const lines = await told(true, { ...KEEP, valued: 365 * DAY_MS });
      return lines.filter((line) => line.includes('report.txt') && line.includes('stays: '));
    };
    // All passed, and each but the first on main is the newest there.
    assert.equal((await stay()).filter((line) => line.endsWith('its job has not passed since')).length, 3);
    const number = open.change.number!;
    const { id } = await world.github.comment(REPO, number, `See ${world.rcb.publicUrl}/runs/${first.id}.`);
    const { prisma } = world.database.database;
    await until(async () => (await prisma.runKeep.count({ where: { runId: first.id } })) === 1);
    assert.ok((await stay()).some((line) => line.includes(first.id) && line.endsWith('a comment links to its run')));
    await world.github.deleteComment(id);
    await until(async () => (await prisma.runKeep.count()) === 0);
    assert.ok(!(await stay()).some((line) => line.includes(first.id)));

    const keep = async (runId: string, isUndone: boolean) => {
      const said: string[] = [];
      const { database } = world.database;
      await keepRun({ database, runId, isUndone, now: new Date(), say: (line) => said.push(line) });
      return said.join();
    };
    assert.match(await keep(first.id, false), /keeps its sources, logs and artifacts/);
    const lines = await told(true);
    for (const what of [`report.txt of run ${first.id}`, `${REPO} at ${first.change.sha.slice(0, 10)}`]) {
      assert.ok(
        lines.some((line) => line.includes(what) && line.startsWith('  stays: ')),
        lines.join('\n'),
      );
    }
    assert.match(await keep(first.id, true), /goes as rcb.yaml says/);
    assert.match(await keep('no-such-run', false), /There is no run/);
  });

  test('the hourly sweep removes what is old; keys, digests, logs and verdicts stay', async () => {
    const { prisma } = world.database.database;
    const keys = await prisma.event.count({ where: { kind: { not: 'tick' } } });
    await houseTick();
    await until(async () => (await prisma.cursor.count({ where: { name: 'retention', value: SWEPT } })) === 1);
    for (const run of [first, newest, open, closed]) assert.equal(await statusOf(artifactOf(run)), GONE);
    assert.deepEqual(await Promise.all([first, closed, newest, open].map((run) => statusOf(sourceOf(run)))), [
      GONE,
      GONE,
      200,
      200,
    ]);
    assert.match(await (await fetch(sourceOf(first))).text(), /removed by retention/);
    const sources = await prisma.source.findMany({ where: { archiveRemovedAt: { not: null } } });
    assert.deepEqual(sources.map(({ runId }) => runId).sort(), [first.id, closed.id].sort());
    assert.ok(sources.every(({ archiveSha256, tarSha256 }) => archiveSha256 && tarSha256));

    assert.ok((await prisma.event.count({ where: { kind: { not: 'tick' } } })) >= keys);
    const hook = await prisma.event.findFirstOrThrow({ where: { kind: 'pull-request.hinted', hookAt: { not: null } } });
    assert.deepEqual([hook.payload, hook.raw, hook.state], [null, null, 'done']);
    const told = { key: hook.key, event: { kind: 'hook.noted', hook: 'pull_request' } } as const;
    assert.deepEqual(await queue('unused').push([{ source: 'own', event: told }]), [{ key: hook.key, known: true }]);
    const old = new Date(Date.now() - 30 * DAY_MS);
    assert.equal(await prisma.effect.count({ where: { state: 'done', doneAt: { lt: old } } }), 0);

    assert.match(await world.text(new URL(first.builds[0]!.jobs[0]!.logUrl!).pathname), /all is well/);
    assert.equal((await world.json<RunJson>(`/api/runs/${first.id}`)).verdict, 'passed');
    // Its page is read from events, too, which say less now.
    assert.match(await world.text(`/runs/${first.id}`), /passed/i);
  });

  test('after a sweep nothing is left to remove', async () => {
    assert.equal((await told(true)).at(-1), 'Nothing would be removed.');
  });

  test('a commit whose archive was removed is packed again when it is tested again', async () => {
    await world.github.forcePush(REPO, 'main', { to: first.change.sha });
    await until(async () => (await world.runs(`?sha=${first.change.sha}`)).length === 2);
    const again = await world.run(first.change.sha);
    assert.notEqual(again.id, first.id);
    assert.equal(again.verdict, 'passed');
    assert.equal(await statusOf(sourceOf(again)), 200);
  });

  test('a branch that moved on lets go of its former run; the command says what went', async () => {
    await world.quiet();
    const lines = await told(false);
    assert.ok(
      lines.some((line) => line.includes(`${REPO} at ${newest.change.sha.slice(0, 10)}`)),
      lines.join('\n'),
    );
    assert.match(lines.at(-1)!, /^Removed: 1 source archives \(.+\)\.$/);
    assert.equal(await statusOf(sourceOf(newest)), GONE);
    assert.equal(await statusOf(sourceOf(open)), 200);
  });

  test('the mirrors were tidied once in the day, and what they are needed for is still there', async () => {
    const { value } = await world.database.database.prisma.cursor.findUniqueOrThrow({ where: { name: 'retention' } });
    const { step, dailyAt, last } = value as { step?: string; dailyAt: string; last: { trouble: string[] } };
    assert.equal(step, undefined);
    assert.ok(Date.now() - Date.parse(dailyAt) < DAY_MS);
    assert.deepEqual(last.trouble, []);
  });
});
