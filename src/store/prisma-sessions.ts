import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Sessions } from '../site/sessions.ts';

export function openSessions(prisma: PrismaClient): Sessions {
  return {
    async find(id) {
      const row = await prisma.session.findUnique({ where: { id } });
      if (!row) return undefined;
      const { userId, login, tokens, createdAt, usedAt } = row;
      return { id, user: { id: userId, login }, tokens, createdAt, usedAt };
    },
    async add({ id, user, tokens, createdAt, usedAt }, ended) {
      const data = { id, userId: user.id, login: user.login, tokens, createdAt, usedAt };
      const over = { OR: [{ createdAt: { lt: ended.createdAt } }, { usedAt: { lt: ended.usedAt } }] };
      await prisma.$transaction([prisma.session.deleteMany({ where: over }), prisma.session.create({ data })]);
    },
    async touch(id, usedAt) {
      await prisma.session.updateMany({ where: { id, usedAt: { lt: usedAt } }, data: { usedAt } });
    },
    replaceTokens: async (id, from, to) =>
      (await prisma.session.updateMany({ where: { id, tokens: from }, data: { tokens: to } })).count === 1,
    async remove(id) {
      await prisma.session.deleteMany({ where: { id } });
    },
  };
}
