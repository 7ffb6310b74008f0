import type { Sight } from '../core/sight.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { andSeenRuns } from './sight-sql.ts';

/** What is at a sha256: the same bytes may be of several runs, and one that is seen is enough. */

export async function sourceByArchive(prisma: PrismaClient, sight: Sight, sha256: string) {
  const [source] = await prisma.$queryRaw<{ repository: string; sha: string; size: bigint | null }[]>`
    SELECT packed.repository, packed.sha, packed.archive_size AS size
    FROM source AS packed JOIN run ON run.id = packed.run_id
    WHERE packed.archive_sha256 = ${sha256} ${andSeenRuns(sight)} LIMIT 1`;
  return source && { ...source, size: Number(source.size ?? 0) };
}

export async function artifactBySha256(prisma: PrismaClient, sight: Sight, sha256: string) {
  const [artifact] = await prisma.$queryRaw<{ name: string; size: bigint }[]>`
    SELECT artifact.name, artifact.size FROM artifact
    JOIN attempt ON attempt.id = artifact.attempt_id JOIN job ON job.id = attempt.job_id
    JOIN build ON build.id = job.build_id JOIN run ON run.id = build.run_id
    WHERE artifact.sha256 = ${sha256} ${andSeenRuns(sight)} LIMIT 1`;
  return artifact && { ...artifact, size: Number(artifact.size) };
}
