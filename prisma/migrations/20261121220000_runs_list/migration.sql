-- AlterTable
ALTER TABLE "run" ADD COLUMN     "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- CreateIndex
CREATE INDEX "build_backend_run_id_idx" ON "build"("backend", "run_id");

-- CreateIndex
CREATE INDEX "run_verdict_id_idx" ON "run"("verdict", "id");

-- CreateIndex
CREATE INDEX "run_number_id_idx" ON "run"("number", "id");

-- CreateIndex
CREATE INDEX "run_ref_id_idx" ON "run"("ref", "id");

-- CreateIndex
CREATE INDEX "run_changed_at_idx" ON "run"("changed_at");


-- What a Prisma schema cannot say: functions, a trigger, indexes over expressions and partial ones.

-- What ended long ago has not changed just now.
UPDATE "run" SET "changed_at" = COALESCE("finished_at", "created_at");

-- By the database's clock, whichever instance writes, and however it writes. Prisma's engine cuts a migration at each
-- semicolon, wherever it stands. So \x3b is one, here.
CREATE FUNCTION "run_stamp"() RETURNS trigger LANGUAGE plpgsql AS
  E'BEGIN NEW."changed_at" := clock_timestamp()\x3b RETURN NEW\x3b END';
CREATE TRIGGER "run_stamp" BEFORE UPDATE ON "run" FOR EACH ROW EXECUTE FUNCTION "run_stamp"();

-- Words are what stands between ASCII punctuation and blanks, so that `fix/hash-map` is found by `hash`. PostgreSQL's own
-- parser would keep paths and addresses whole. The lengths keep a word within what a tsvector takes. Each function stands
-- alone: an index is built without a search path.
CREATE FUNCTION "run_words"(title text, ref text, author text, number int) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_to_tsvector(array_remove(regexp_split_to_array(
    lower(left(title, 500) || ' ' || left(ref, 300) || ' ' || COALESCE(left(author, 100), '') || ' ' || COALESCE(number::text, '')),
    '[][:cntrl:][:space:]!-/:-@\\^_`{|}~[]+'), ''))
$$;
-- Every word, or the start of one. Of a text without words: null, which fits nothing.
CREATE FUNCTION "search_query"(asked text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT string_agg('''' || word || ''':*', ' & ')::tsquery
  FROM unnest(array_remove(regexp_split_to_array(lower(left(asked, 500)), '[][:cntrl:][:space:]!-/:-@\\^_`{|}~[]+'), '')) AS word
$$;
CREATE INDEX "run_words_idx" ON "run" USING gin ("run_words"("title", "ref", "author_login", "number"));
CREATE INDEX "run_author_idx" ON "run"(lower("author_login"), "id");

-- The feed of what failed on a branch.
CREATE INDEX "run_failed_commit_idx" ON "run"("subject", "id") WHERE "kind" = 'commit' AND "verdict" IN ('failed', 'error');
