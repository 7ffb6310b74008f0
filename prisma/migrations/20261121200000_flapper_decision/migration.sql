-- AlterTable
ALTER TABLE "run" ADD COLUMN     "flappers" JSONB;
