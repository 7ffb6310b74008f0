import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { Knowledge, Store } from '../store/store.ts';

type Client = Prisma.TransactionClient;

/**
 * A transaction that begins with the first write of its store. Many handlers never write: they only say what follows.
 *
 * What is read before, is read outside of it, which makes no difference: in PostgreSQL's READ COMMITTED each statement
 * sees what was committed when it began, in a transaction or not, and what a handler reads of its own subject is written
 * by nobody else.
 */
export interface LazyTransaction {
  store: Store;
  isOpen(): boolean;
  /** Do this as the last thing, and commit. Only when it is open. */
  commit(last: (client: Client) => Promise<void>): Promise<void>;
  /** Leave nothing of it. Returns when it is over. */
  rollback(error: unknown): Promise<void>;
}

/** What is not named here opens the transaction: a verb that nobody has thought of is safe. */
const READS: ReadonlySet<PropertyKey> = new Set<keyof Knowledge>([
  'branch',
  'branches',
  'pullRequest',
  'pullRequests',
  'run',
  'openRuns',
  'hasVerdict',
  'countBuilding',
  'installation',
  'installations',
  'repository',
  'repositories',
  'cursor',
]);

export function lazyTransaction(prisma: PrismaClient, storeOn: (client: Client) => Store): LazyTransaction {
  const outside = storeOn(prisma);
  const end = Promise.withResolvers<(client: Client) => Promise<void>>();
  end.promise.catch(() => undefined); // Nobody listens when it never began.
  const reading = new Set<Promise<unknown>>();
  let over: Promise<void> | undefined;
  let inside: Promise<Store> | undefined;

  const open = (): Promise<Store> => {
    const { promise, resolve, reject } = Promise.withResolvers<Store>();
    over = Promise.allSettled(reading) // They may need the only connection that there is.
      .then(() =>
        prisma.$transaction(async (client) => {
          resolve(storeOn(client));
          await (await end.promise)(client);
        }),
      );
    over.catch(reject);
    return promise;
  };

  const use = async (verb: keyof Store, arguments_: unknown[]): Promise<unknown> => {
    if (!inside && READS.has(verb)) {
      const answer = call(outside, verb, arguments_);
      reading.add(answer);
      return await answer.finally(() => reading.delete(answer));
    }
    inside ??= open();
    return await call(await inside, verb, arguments_);
  };

  return {
    // Awaiting a store must not look like using it: 'then' is not a verb.
    store: new Proxy({} as Store, {
      get: (_, verb) =>
        verb === 'then' ? undefined : (...arguments_: unknown[]) => use(verb as keyof Store, arguments_),
    }),
    isOpen: () => inside !== undefined,
    commit: async (last) => {
      end.resolve(last);
      await over;
    },
    rollback: async (error) => {
      end.reject(error);
      await over?.catch(() => undefined);
    },
  };
}

async function call(store: Store, verb: keyof Store, arguments_: unknown[]): Promise<unknown> {
  return await (store[verb] as (...arguments_: unknown[]) => unknown)(...arguments_);
}
