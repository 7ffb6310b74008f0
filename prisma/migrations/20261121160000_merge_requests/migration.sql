-- AlterTable
ALTER TABLE "pull_request" ADD COLUMN     "allowed_sha" TEXT,
ADD COLUMN     "heads" JSONB NOT NULL DEFAULT '[]';

-- CreateTable
CREATE TABLE "merge_request" (
    "id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "requester_id" TEXT NOT NULL,
    "requester" TEXT NOT NULL,
    "comment_id" TEXT NOT NULL,
    "head_sha" TEXT NOT NULL,
    "base_ref" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ(3) NOT NULL,
    "state" TEXT NOT NULL,
    "call" JSONB,
    "retested_bases" JSONB NOT NULL,
    "told" JSONB NOT NULL,
    "cancelled_by_id" TEXT,
    "decision" JSONB,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "merge_request_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "merge_request_subject_state_idx" ON "merge_request"("subject", "state");

-- CreateIndex
CREATE UNIQUE INDEX "merge_request_subject_comment_id_key" ON "merge_request"("subject", "comment_id");
