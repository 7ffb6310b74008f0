-- CreateIndex
CREATE INDEX "test_reading_job_id_at_idx" ON "test_reading"("job_id", "at");
