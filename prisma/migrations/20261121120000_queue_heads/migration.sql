-- What a Prisma schema cannot say (partial indexes). test/long/database-migrations.test.ts names each.

-- The first pending effect of each lane, and the soonest retry, however many rows there are.
CREATE INDEX "effect_lane_due_at_id_pending_idx" ON "effect"("lane", "due_at", "id") WHERE "state" = 'pending';
CREATE INDEX "event_retry_at_pending_idx" ON "event"("retry_at") WHERE "state" = 'pending';
