-- DropIndex
DROP INDEX "test_job_name_key";

-- AlterTable
ALTER TABLE "test_job" ADD COLUMN     "repository_key" TEXT NOT NULL DEFAULT '';

-- CreateIndex
CREATE UNIQUE INDEX "test_job_name_repository_key_key" ON "test_job"("name", "repository_key");

-- What a Prisma schema cannot say: a function, and an index over it.

-- The repository that a subject is of, by the subject alone: what core/sight.ts, repositoryOfSubject, says. It names no
-- class of characters, which would depend on a locale, and stands alone, as an index needs.
CREATE FUNCTION "repository_of"(subject text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN subject LIKE 'pull-request:%' THEN substring(subject from '^pull-request:(.+)#[0-9]+$')
    WHEN subject LIKE 'branch:%' THEN substring(subject from '^branch:(.+?):refs/')
    WHEN subject LIKE 'repository:%' THEN NULLIF(substr(subject, 12), '')
  END
$$;

-- What was recorded of a repository before it became private is looked for by each page of who may not see it.
CREATE INDEX "test_reading_repository_idx" ON "test_reading"("repository_of"("subject"));
