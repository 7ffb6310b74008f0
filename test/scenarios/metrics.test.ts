import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REPO, startWorld } from '../support/world.ts';

test('the metrics count what is in the queue, the builds, the budget and the archive', async () => {
  const world = await startWorld();
  try {
    const sha = await world.github.commit(REPO, 'main', { files: { a: '1' } });
    await world.run(sha);
    await world.quiet();
    await world.database.database.prisma.event.create({
      data: {
        id: 'p',
        key: 'p',
        kind: 'hook.unread',
        subject: 'hook:x',
        state: 'parked',
        dueAt: new Date(0),
        createdAt: new Date(0),
      },
    });
    const metrics = await world.text('/metrics');
    assert.match(metrics, /^rcb_queue_rows\{table="event",state="parked",kind="hook.unread"\} 1$/m);
    assert.match(metrics, /^rcb_builds\{backend="local",state="finished"\} 1$/m);
    assert.match(metrics, /^rcb_github_budget_remaining\{installation="\d+"\} \d+$/m);
    assert.match(metrics, /^rcb_archive_bytes\{kind="blobs"\} [1-9]/m);
    assert.match(metrics, /^rcb_queue_oldest_seconds 0$/m);
    const ready = await world.json<{ ok: boolean; checks: Record<string, { ok: boolean }> }>('/readyz');
    assert.deepEqual([ready.ok, Object.keys(ready.checks).sort()], [true, ['database', 'disk', 'migrations']]);
  } finally {
    await world.stop();
  }
});
