-- CreateTable
CREATE TABLE "test_file" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,

    CONSTRAINT "test_file_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "test_job" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "platform" TEXT NOT NULL,

    CONSTRAINT "test_job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "test_reading" (
    "id" SERIAL NOT NULL,
    "attempt_id" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "job_id" INTEGER NOT NULL,
    "source_set" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "passed" INTEGER[],
    "failed" INTEGER NOT NULL,
    "unreadable" JSONB,
    "other_failures" JSONB,

    CONSTRAINT "test_reading_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "test_failure" (
    "reading_id" INTEGER NOT NULL,
    "file_id" INTEGER NOT NULL,
    "job_id" INTEGER NOT NULL,
    "flapped" BOOLEAN NOT NULL,
    "details" JSONB NOT NULL,

    CONSTRAINT "test_failure_pkey" PRIMARY KEY ("reading_id","file_id")
);

-- CreateTable
CREATE TABLE "test_week" (
    "file_id" INTEGER NOT NULL,
    "job_id" INTEGER NOT NULL,
    "week" DATE NOT NULL,
    "passed" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "flapped" INTEGER NOT NULL,

    CONSTRAINT "test_week_pkey" PRIMARY KEY ("file_id","job_id","week")
);

-- CreateTable
CREATE TABLE "test_tally" (
    "file_id" INTEGER NOT NULL,
    "job_id" INTEGER NOT NULL,
    "runs" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "flapped" INTEGER NOT NULL,
    "first_failed_at" TIMESTAMPTZ(3) NOT NULL,
    "last_failed_at" TIMESTAMPTZ(3) NOT NULL,
    "last_flapped_at" TIMESTAMPTZ(3),
    "at_least" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "test_tally_pkey" PRIMARY KEY ("file_id","job_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "test_file_name_key" ON "test_file"("name");

-- CreateIndex
CREATE UNIQUE INDEX "test_job_name_key" ON "test_job"("name");

-- CreateIndex
CREATE UNIQUE INDEX "test_reading_attempt_id_key" ON "test_reading"("attempt_id");

-- CreateIndex
CREATE INDEX "test_reading_run_id_idx" ON "test_reading"("run_id");

-- CreateIndex
CREATE INDEX "test_reading_source_set_job_id_idx" ON "test_reading"("source_set", "job_id");

-- CreateIndex
CREATE INDEX "test_reading_subject_job_id_id_idx" ON "test_reading"("subject", "job_id", "id");

-- CreateIndex
CREATE INDEX "test_failure_file_id_job_id_reading_id_idx" ON "test_failure"("file_id", "job_id", "reading_id");

-- CreateIndex
CREATE INDEX "test_tally_at_least_file_id_job_id_idx" ON "test_tally"("at_least", "file_id", "job_id");

-- CreateIndex
CREATE INDEX "test_tally_last_failed_at_file_id_job_id_idx" ON "test_tally"("last_failed_at", "file_id", "job_id");

-- AddForeignKey
ALTER TABLE "test_reading" ADD CONSTRAINT "test_reading_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "test_job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "test_failure" ADD CONSTRAINT "test_failure_reading_id_fkey" FOREIGN KEY ("reading_id") REFERENCES "test_reading"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "test_failure" ADD CONSTRAINT "test_failure_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "test_file"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "test_failure" ADD CONSTRAINT "test_failure_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "test_job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "test_week" ADD CONSTRAINT "test_week_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "test_file"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "test_week" ADD CONSTRAINT "test_week_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "test_job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "test_tally" ADD CONSTRAINT "test_tally_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "test_file"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "test_tally" ADD CONSTRAINT "test_tally_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "test_job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What a Prisma schema cannot say. Every reading changes a row of each of its files here, and none of the indexed
-- columns: with room in their pages, the indexes stay as they are (PostgreSQL's manual, Heap-Only Tuples).
ALTER TABLE "test_week" SET (fillfactor = 70);
