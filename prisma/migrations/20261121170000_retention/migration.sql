-- AlterTable
ALTER TABLE "artifact" ADD COLUMN     "removed_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "attempt" ADD COLUMN     "log_removed_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "source" ADD COLUMN     "archive_removed_at" TIMESTAMPTZ(3);

-- What a Prisma schema cannot say (partial indexes). test/long/database-migrations.test.ts names each.

-- What retention has not removed yet, and who else names a payload that is in the archive.
CREATE INDEX "source_archive_sha256_kept_idx" ON "source"("archive_sha256") WHERE "archive_removed_at" IS NULL AND "archive_sha256" IS NOT NULL;
CREATE INDEX "attempt_id_log_kept_idx" ON "attempt"("id") WHERE "log_removed_at" IS NULL AND "log_bytes" IS NOT NULL;
CREATE INDEX "artifact_id_kept_idx" ON "artifact"("id") WHERE "removed_at" IS NULL;
CREATE INDEX "event_raw_sha256_idx" ON "event"("raw_sha256") WHERE "raw_sha256" IS NOT NULL;
