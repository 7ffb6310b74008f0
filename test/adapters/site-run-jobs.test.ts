import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Reader } from '../../src/site/reader.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { memoryArchive, NOW, type SiteWorld, siteOf } from './site-fakes.ts';
import { addGrid, EVIL, GRID, type GridFiles } from './site-grid.ts';

/** The jobs and files of a run, as the store wrote them and as its page shows them. */
describe('runs of many jobs', () => {
  let stored: TestDatabase;
  let reader: Reader;
  let world: SiteWorld;
  let files: GridFiles;
  before(async () => {
    stored = await testDatabase();
    const archive = memoryArchive();
    files = await addGrid(stored.database.prisma, archive, NOW);
    reader = createPrismaReader(stored.database.prisma, { now: () => NOW });
    world = siteOf(reader, { archive });
  });
  after(() => stored?.close());

  const pageOf = (id: string) => world.text(`/runs/${id}`);
  /** What a reader sees, without its markup. */
  const seen = (page: string): string =>
    page
      .replace(/<(?:td|th|div|dt|dd|p|li|summary|h3|span)[ >]/g, ' $&')
      .replace(/<[^>]*>/g, '')
      .replaceAll('&amp;', '&')
      .replace(/\s+/g, ' ');

  test('medians are of the attempts that passed in the runs before', async () => {
    const medians = await reader.medians((await reader.run(GRID.running))!);
    assert.deepEqual(medians.get('azure / Linux x86_64 gcc'), { ms: 260_000, of: 4 });
    assert.equal(medians.get('azure / Prepare'), undefined);
    assert.equal((await reader.medians({ id: '02grid1', repository: 'MoarVM/MoarVM' })).size, 0);
    assert.equal((await reader.medians({ id: GRID.running, repository: 'Raku/nqp' })).size, 0);
  });

  test('the runs beside a run are of its change, and those of its commit elsewhere', async () => {
    const beside = await reader.neighbours((await reader.run('02grid3'))!);
    assert.deepEqual([beside.earlier?.id, beside.later?.id], ['02grid2', '02grid4']);
    assert.deepEqual(
      beside.sameCommit.map(({ id }) => id),
      [GRID.hostile, GRID.failed],
      'the newest of each pull request',
    );
    const first = await reader.neighbours((await reader.run('02grid1'))!);
    assert.equal(first.earlier, undefined);
  });

  test('jobs whose names tell platform and configuration are a grid', async () => {
    const page = await pageOf(GRID.running);
    const grid = /<table class="grid">[\s\S]*?<\/table>/.exec(page)![0];
    assert.deepEqual(
      [...grid.matchAll(/<th scope="row"><bdi>(.*?)<\/bdi>/g)].map(([, name]) => name),
      ['Linux x86_64', 'Windows x86_64', 'macOS arm64', 'openSUSE_Tumbleweed aarch64'],
    );
    assert.equal(grid.match(/class="cell /g)?.length, 16);
    assert.match(grid, /title="azure \/ Linux x86_64 gcc: passed, usually 4 min 20 s"/);
    assert.match(seen(grid), /macOS arm64 running 2 min 00 s passed 4 min 20 s failed 9 min 40 s running 2 min 00 s/);
    assert.match(seen(page), /Jobs beside the grid.*azure \/ Prepare.*1 job that did not pass.*nothing leaks/);
    assert.match(seen(page), /All 17 jobs with logs and files/);
  });

  test('while it runs it says how far it is, and how long it may still take', async () => {
    const page = seen(await pageOf(GRID.running));
    assert.match(
      page,
      /7 of 18 jobs finished, about 9 min left or more, 1 job slower than usual, 1 job never timed before/,
    );
    assert.match(page, /7 of 17 jobs finished, about 9 min left, 1 job slower than usual/);
    assert.match(page, /0 of 1 job finished, 1 job never timed before/);
    assert.doesNotMatch(seen(await pageOf(GRID.failed)), /jobs finished/);
  });

  test('durations stand beside their medians, and what differs much is said', async () => {
    const page = seen(await pageOf(GRID.running));
    assert.match(page, /azure \/ Windows x86_64 clang asan 33 min 20 s slower 9 min 20 s/);
  });

  test('files are a tree, with what is in archives one step away', async () => {
    const page = await pageOf(GRID.running);
    const tree = page.slice(page.indexOf('id="artifacts"'));
    assert.match(
      seen(tree),
      /azure \/ Linux x86_64 gcc 4 files, 12(\.\d)? MB install\/ moar\.zip .* logs\/ spesh\/ 01\.log 12\.0 MB/,
    );
    assert.ok(page.includes(`href="/archive/${files.zip.sha256}/moar.zip/files"`));
    assert.ok(page.includes(`href="#files-${GRID.running}-j0-1"`));
    assert.ok(
      page.includes(`/files" aria-label="Look inside: MoarVM-`) || page.includes('.tar.gz/files"'),
      'sources too',
    );
  });

  test('what retention removed is said, and is no link', async () => {
    const page = await pageOf(GRID.failed);
    assert.equal(
      seen(page).match(/removed by retention on 2026-11-20/g)?.length,
      4,
      'sources, an artifact, a log twice',
    );
    for (const digest of ['f1', 'f2']) assert.ok(!page.includes(`href="/archive/${digest.repeat(32)}`));
    assert.doesNotMatch(page, /j0\/log\.txt/);
    const api = (await (await world.get(`/api/runs/${GRID.failed}`)).json()) as {
      sources: { archive: { removedAt: string } }[];
      builds: { jobs: { logUrl?: string; artifacts: { removedAt: string }[] }[] }[];
    };
    assert.match(api.sources[0]!.archive.removedAt, /^2026-11-20T/);
    const job = api.builds[0]!.jobs.find(({ artifacts }) => artifacts.length > 0)!;
    assert.match(job.artifacts[0]!.removedAt, /^2026-11-20T/);
    assert.equal(job.logUrl, undefined);
  });

  test('whatever strangers call things, it stays text', async () => {
    for (const path of [
      `/runs/${GRID.hostile}`,
      `/archive/${files.zip.sha256}/x/files`,
      `/archive/${files.tar.sha256}/x/files`,
      '/runs',
    ]) {
      const page = await world.text(path);
      assert.doesNotMatch(page, /<script>alert|<img src=x|href="javascript:/, path);
    }
    const page = await pageOf(GRID.hostile);
    assert.ok(page.includes('⟦U+202E⟧gnp.exe'), 'what cannot be seen in a file name is spelled out');
  });

  describe('the inside of an archive', () => {
    test('is a page of folders and files', async () => {
      const page = await world.text(`/archive/${files.sources.sha256}/MoarVM.tar.gz/files`);
      assert.match(seen(page), /MoarVM-\S+\.tar\.gz 4 files, \d+ B packed/);
      assert.match(seen(page), /MoarVM\/ 3 src\/gc\/ 1 collect\.c 32 B Configure\.pl 28 B VERSION/);
      assert.match(seen(page), /link a link to \/etc\/shadow/);
    });

    test('shows a folder alone', async () => {
      const path = `/archive/${files.tar.sha256}/x/files`;
      const page = seen(await world.text(`${path}?in=a/b/c/d`));
      assert.ok(page.includes('deep.log') && !page.includes('only.txt'));
      assert.match(seen(await world.text(`${path}?in=a`)), /only\.txt/);
      assert.match(seen(await world.text(`${path}?in=${encodeURIComponent(EVIL)}/no`)), /No such folder/);
      assert.equal((await world.get(`${path}?in=${'x'.repeat(5000)}`)).status, 400);
    });

    test('of something else, and of what nobody refers to, is told in words', async () => {
      assert.equal((await world.get(`/archive/${'0'.repeat(64)}/x/files`)).status, 404);
      assert.equal((await world.get(`/archive/${'e1'.repeat(32)}/x/files`)).status, 410);
      const { faults } = world;
      assert.deepEqual(faults, []);
    });

    test('has files, but only where there are any', async () => {
      for (const place of ['99', '-1', 'x', '1.5', '99999999999'])
        assert.equal((await world.get(`/archive/${files.zip.sha256}/x/files/${place}/y`)).status, 404, place);
      const link = await world.get(`/archive/${files.sources.sha256}/x/files/3/link`);
      assert.equal(link.status, 404);
      assert.match(await link.text(), /a link to \/etc\/shadow/);
    });
  });
});
