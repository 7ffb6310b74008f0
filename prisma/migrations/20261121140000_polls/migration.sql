-- CreateTable
CREATE TABLE "cursor" (
    "name" TEXT NOT NULL,
    "value" JSONB NOT NULL,
    "moved_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "cursor_pkey" PRIMARY KEY ("name")
);
