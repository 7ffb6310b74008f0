import { defineConfig } from 'prisma/config';

// Only the stock `prisma migrate` needs the URL; the bot applies its migrations itself.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://localhost/rcb' },
});
