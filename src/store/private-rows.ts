import type { PrivateRepository } from '../core/sight.ts';
import type { Prisma } from '../generated/prisma/client.ts';

/** All that are known to be private, watched or not. */
export async function listPrivate(client: Pick<Prisma.TransactionClient, 'repository'>): Promise<PrivateRepository[]> {
  const select = { key: true, name: true, installation: true } as const;
  const rows = await client.repository.findMany({ where: { private: true }, select });
  return rows.map(({ installation, ...repository }) => ({ ...repository, ...(installation && { installation }) }));
}
