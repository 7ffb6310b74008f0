-- The ledger's totals over a time, and the list of what only polls saw.
CREATE INDEX "event_created_at_told_idx" ON "event"("created_at") WHERE "hook_at" IS NOT NULL OR "poll_at" IS NOT NULL;
CREATE INDEX "event_repaired_idx" ON "event"("id") WHERE "hook_at" IS NULL AND "poll_at" IS NOT NULL;
