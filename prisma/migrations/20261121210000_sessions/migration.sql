-- CreateTable
CREATE TABLE "session" (
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "login" TEXT NOT NULL,
    "tokens" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "press" (
    "key" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "command" TEXT NOT NULL,
    "actor_id" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "why" TEXT,
    "new_run_id" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "press_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE INDEX "session_used_at_idx" ON "session"("used_at");

-- CreateIndex
CREATE INDEX "press_run_id_at_idx" ON "press"("run_id", "at");
