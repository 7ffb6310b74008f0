import { hiddenKeys, type Sight, seesAll } from '../core/sight.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { andAll } from './conditions.ts';

/**
 * What is hidden from somebody of the record of tests, as conditions; as in `sight-sql.ts` there are none where nothing
 * is. A private repository has jobs of its own in the record. What it told while it was still public is among the sums
 * of others: it is found by the subjects of readings, through their index.
 */

/** Of `job`, and of what a file did in it. `file`: its number there. */
export const seenPlaces = (sight: Sight, file: Prisma.Sql): Prisma.Sql[] => {
  if (seesAll(sight)) return [];
  return [
    Prisma.sql`job.repository_key <> ALL(${hiddenKeys(sight)}::text[])`,
    // A sum with a failure that is hidden would tell of it.
    Prisma.sql`NOT EXISTS (
      SELECT FROM test_failure AS failure JOIN test_reading AS reading ON reading.id = failure.reading_id
      WHERE failure.file_id = ${file} AND failure.job_id = job.id AND ${ofHidden(sight)})`,
  ];
};

/** Of `reading`: its change is of no repository that is hidden. */
export const seenSubjects = (sight: Sight): Prisma.Sql[] =>
  seesAll(sight) ? [] : [Prisma.sql`NOT (${ofHidden(sight)})`];

/** Of `reading`: its run may be seen. The run itself may be gone. */
export const seenReadings = (sight: Sight): Prisma.Sql[] => {
  if (seesAll(sight)) return [];
  return [
    ...seenSubjects(sight),
    Prisma.sql`NOT EXISTS (
      SELECT FROM source
      WHERE source.run_id = reading.run_id AND source.repository_key = ANY(${hiddenKeys(sight)}::text[]))`,
  ];
};

/** Of `failure`: the reading that told it may be seen. */
export const seenFailures = (sight: Sight): Prisma.Sql[] => {
  if (seesAll(sight)) return [];
  return [
    Prisma.sql`EXISTS (
      SELECT FROM test_reading AS reading WHERE reading.id = failure.reading_id ${andAll(seenReadings(sight))})`,
  ];
};

/** How many of the passes of a file in `job` are hidden; undefined: nothing is. */
export const hiddenPasses = (sight: Sight, fileId: number): Prisma.Sql | undefined =>
  seesAll(sight)
    ? undefined
    : Prisma.sql`(SELECT count(*) FROM test_reading AS reading
        WHERE reading.job_id = job.id AND ${ofHidden(sight)} AND ${fileId}::int = ANY(reading.passed))`;

const ofHidden = (sight: Sight): Prisma.Sql =>
  Prisma.sql`repository_of(reading.subject) = ANY(${hiddenKeys(sight)}::text[])`;
