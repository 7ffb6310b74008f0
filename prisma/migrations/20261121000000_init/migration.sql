-- CreateTable
CREATE TABLE "event" (
    "id" TEXT NOT NULL,
    "seq" BIGSERIAL NOT NULL,
    "key" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "payload" JSONB,
    "raw" TEXT,
    "raw_sha256" TEXT,
    "state" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "retry_at" TIMESTAMPTZ(3),
    "tries" INTEGER NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3),
    "fence" INTEGER NOT NULL DEFAULT 0,
    "worker" TEXT,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "occurred_at" TIMESTAMPTZ(3),
    "hook_at" TIMESTAMPTZ(3),
    "poll_at" TIMESTAMPTZ(3),
    "done_at" TIMESTAMPTZ(3),

    CONSTRAINT "event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sighting" (
    "id" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "delivery" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "sighting_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "effect" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "lane" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "state" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3),
    "fence" INTEGER NOT NULL DEFAULT 0,
    "worker" TEXT,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "done_at" TIMESTAMPTZ(3),

    CONSTRAINT "effect_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "lane" (
    "name" TEXT NOT NULL,
    "not_before_at" TIMESTAMPTZ(3) NOT NULL,
    "why" TEXT,

    CONSTRAINT "lane_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "installation" (
    "key" TEXT NOT NULL,
    "account" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "served" BOOLEAN NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "installation_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "repository" (
    "key" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "default_branch" TEXT,
    "private" BOOLEAN NOT NULL DEFAULT false,
    "state" TEXT NOT NULL,
    "why" TEXT,
    "installation" TEXT,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "repository_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "branch" (
    "subject" TEXT NOT NULL,
    "repository_key" TEXT NOT NULL,
    "ref" TEXT NOT NULL,
    "sha" TEXT,
    "generation" INTEGER NOT NULL,
    "told_by" TEXT,
    "run_id" TEXT,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "branch_pkey" PRIMARY KEY ("subject")
);

-- CreateTable
CREATE TABLE "pull_request" (
    "subject" TEXT NOT NULL,
    "repository_key" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "title" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "draft" BOOLEAN NOT NULL,
    "head_ref" TEXT NOT NULL,
    "head_sha" TEXT NOT NULL,
    "head_repository_key" TEXT,
    "fork" BOOLEAN NOT NULL,
    "base_ref" TEXT NOT NULL,
    "base_sha" TEXT NOT NULL,
    "author_id" TEXT NOT NULL,
    "author_login" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "told_by" TEXT,
    "run_id" TEXT,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "pull_request_pkey" PRIMARY KEY ("subject")
);

-- CreateTable
CREATE TABLE "run" (
    "id" TEXT NOT NULL,
    "repository_key" TEXT NOT NULL,
    "repository" TEXT NOT NULL,
    "installation" TEXT,
    "subject" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "number" INTEGER,
    "ref" TEXT NOT NULL,
    "sha" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "author_id" TEXT,
    "author_login" TEXT,
    "fork" BOOLEAN NOT NULL DEFAULT false,
    "base_ref" TEXT,
    "base_sha" TEXT,
    "state" TEXT NOT NULL,
    "verdict" TEXT,
    "why" TEXT,
    "trigger" TEXT NOT NULL,
    "previous_id" TEXT,
    "superseded_by_sha" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "source" (
    "id" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "repository_key" TEXT NOT NULL,
    "repository" TEXT NOT NULL,
    "installation" TEXT,
    "sha" TEXT NOT NULL,
    "ref" TEXT,
    "base_sha" TEXT,
    "changed" BOOLEAN NOT NULL,
    "why" TEXT NOT NULL,
    "archive_sha256" TEXT,
    "archive_size" BIGINT,
    "tar_sha256" TEXT,

    CONSTRAINT "source_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "build" (
    "id" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "backend" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "verdict" TEXT,
    "why" TEXT,
    "external_id" TEXT,
    "url" TEXT,
    "attempt" INTEGER NOT NULL DEFAULT 1,
    "earlier_attempts" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "build_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "job" (
    "id" TEXT NOT NULL,
    "build_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "external_name" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "verdict" TEXT,
    "why" TEXT,
    "timed_out" BOOLEAN NOT NULL DEFAULT false,
    "attempt" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "attempt" (
    "id" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "verdict" TEXT,
    "why" TEXT,
    "timed_out" BOOLEAN NOT NULL DEFAULT false,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "log_bytes" BIGINT,
    "log_lines" INTEGER,
    "log_sha256" TEXT,

    CONSTRAINT "attempt_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "artifact" (
    "id" TEXT NOT NULL,
    "attempt_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,

    CONSTRAINT "artifact_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "check" (
    "id" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "job_id" TEXT,
    "name" TEXT NOT NULL,
    "external_id" TEXT,
    "reported" TEXT,
    "error" TEXT,

    CONSTRAINT "check_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "event_seq_key" ON "event"("seq");

-- CreateIndex
CREATE UNIQUE INDEX "event_key_key" ON "event"("key");

-- CreateIndex
CREATE INDEX "event_subject_due_at_seq_idx" ON "event"("subject", "due_at", "seq");

-- CreateIndex
CREATE INDEX "event_state_due_at_idx" ON "event"("state", "due_at");

-- CreateIndex
CREATE UNIQUE INDEX "sighting_delivery_key" ON "sighting"("delivery");

-- CreateIndex
CREATE INDEX "sighting_event_id_idx" ON "sighting"("event_id");

-- CreateIndex
CREATE INDEX "effect_state_due_at_idx" ON "effect"("state", "due_at");

-- CreateIndex
CREATE INDEX "effect_lane_state_due_at_idx" ON "effect"("lane", "state", "due_at");

-- CreateIndex
CREATE INDEX "effect_target_idx" ON "effect"("target");

-- CreateIndex
CREATE INDEX "repository_name_idx" ON "repository"("name");

-- CreateIndex
CREATE INDEX "branch_repository_key_idx" ON "branch"("repository_key");

-- CreateIndex
CREATE INDEX "pull_request_repository_key_head_ref_idx" ON "pull_request"("repository_key", "head_ref");

-- CreateIndex
CREATE UNIQUE INDEX "pull_request_repository_key_number_key" ON "pull_request"("repository_key", "number");

-- CreateIndex
CREATE INDEX "run_repository_id_idx" ON "run"("repository", "id");

-- CreateIndex
CREATE INDEX "run_repository_key_number_id_idx" ON "run"("repository_key", "number", "id");

-- CreateIndex
CREATE INDEX "run_subject_id_idx" ON "run"("subject", "id");

-- CreateIndex
CREATE INDEX "run_state_id_idx" ON "run"("state", "id");

-- CreateIndex
CREATE INDEX "run_sha_idx" ON "run"("sha");

-- CreateIndex
CREATE INDEX "source_run_id_idx" ON "source"("run_id");

-- CreateIndex
CREATE INDEX "source_repository_key_sha_idx" ON "source"("repository_key", "sha");

-- CreateIndex
CREATE INDEX "source_archive_sha256_idx" ON "source"("archive_sha256");

-- CreateIndex
CREATE INDEX "build_run_id_idx" ON "build"("run_id");

-- CreateIndex
CREATE INDEX "build_state_id_idx" ON "build"("state", "id");

-- CreateIndex
CREATE UNIQUE INDEX "build_backend_external_id_key" ON "build"("backend", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "job_build_id_external_name_key" ON "job"("build_id", "external_name");

-- CreateIndex
CREATE UNIQUE INDEX "attempt_job_id_number_key" ON "attempt"("job_id", "number");

-- CreateIndex
CREATE INDEX "artifact_sha256_idx" ON "artifact"("sha256");

-- CreateIndex
CREATE UNIQUE INDEX "artifact_attempt_id_name_key" ON "artifact"("attempt_id", "name");

-- CreateIndex
CREATE UNIQUE INDEX "check_run_id_name_key" ON "check"("run_id", "name");

-- AddForeignKey
ALTER TABLE "sighting" ADD CONSTRAINT "sighting_event_id_fkey" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "source" ADD CONSTRAINT "source_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "build" ADD CONSTRAINT "build_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "job" ADD CONSTRAINT "job_build_id_fkey" FOREIGN KEY ("build_id") REFERENCES "build"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "artifact" ADD CONSTRAINT "artifact_attempt_id_fkey" FOREIGN KEY ("attempt_id") REFERENCES "attempt"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "check" ADD CONSTRAINT "check_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What a Prisma schema cannot say (partial indexes). test/long/database-migrations.test.ts names each.

-- One event of a subject, and one effect of a lane, runs at a time: this decides the race of two claims.
CREATE UNIQUE INDEX "event_subject_running_key" ON "event"("subject") WHERE "state" = 'running';
CREATE UNIQUE INDEX "effect_lane_running_key" ON "effect"("lane") WHERE "state" = 'running';

-- Pending effects of one kind and target are one.
CREATE UNIQUE INDEX "effect_kind_target_pending_key" ON "effect"("kind", "target") WHERE "state" = 'pending';

-- What a claim reads, however many rows are done.
CREATE INDEX "event_subject_due_at_seq_pending_idx" ON "event"("subject", "due_at", "seq") WHERE "state" = 'pending';
CREATE INDEX "event_due_at_seq_pending_idx" ON "event"("due_at", "seq") WHERE "state" = 'pending';
CREATE INDEX "effect_due_at_id_pending_idx" ON "effect"("due_at", "id") WHERE "state" = 'pending';
