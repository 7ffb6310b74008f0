/** The site in a process of its own, on the database and archive that its parent names: its memory is its own, too. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { EVERYTHING } from '../../src/core/sight.ts';
import { openDatabase } from '../../src/database/database.ts';
import { createMetrics } from '../../src/site/metrics.ts';
import { createSite, siteHandler } from '../../src/site/routes.ts';
import { createPrismaReaders } from '../../src/store/prisma-reader.ts';

const [url, archiveDir, repositories] = process.argv.slice(2) as [string, string, string];
const database = await openDatabase({ url, dataDir: archiveDir });
const archive = await openDiskArchive({ dir: archiveDir, secrets: [] });
const clock = { now: () => new Date() };
const readers = createPrismaReaders(database.prisma, clock);
const stack = repositories.split(',').map((repository) => ({ repository, pins: {}, trees: {} }));
const site = createSite({
  readers,
  archive,
  clock,
  publicUrl: 'https://rcb.example',
  githubUrl: 'https://github.com',
  version: 'bench',
  stacks: [{ name: 'raku', repositories: stack }],
  health: async () => ({ ok: true, checks: {} }),
  backends: async () => [],
  metrics: createMetrics({
    measures: () => readers.seenBy(EVERYTHING).measures(),
    budgets: () => [],
    archiveUsage: async () => ({ blobs: 0, logs: 0 }),
  }),
  onError: (error, path) => console.error(path, error),
});
const server = createServer(siteHandler(site)).listen(0, '127.0.0.1', () => {
  process.send!({ port: (server.address() as AddressInfo).port });
});

// What is left for good: what the collector has not taken yet says nothing.
process.on('message', () => {
  globalThis.gc?.();
  process.send!({ rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed });
});
process.on('disconnect', () => process.exit(0));
