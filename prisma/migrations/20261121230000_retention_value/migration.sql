-- CreateTable
CREATE TABLE "run_keep" (
    "run_id" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "run_keep_pkey" PRIMARY KEY ("run_id","source")
);

-- CreateIndex
CREATE INDEX "run_keep_source_idx" ON "run_keep"("source");

-- AddForeignKey
ALTER TABLE "run_keep" ADD CONSTRAINT "run_keep_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE CASCADE ON UPDATE CASCADE;
