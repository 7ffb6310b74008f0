-- AlterTable
ALTER TABLE "run" ADD COLUMN     "manifest" JSONB;

-- AlterTable
ALTER TABLE "source" ADD COLUMN     "merged_sha" TEXT,
ADD COLUMN     "pull_request" INTEGER,
ADD COLUMN     "tree" TEXT,
ADD COLUMN     "version" TEXT;
