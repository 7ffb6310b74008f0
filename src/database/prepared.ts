import { PrismaPg } from '@prisma/adapter-pg';
import type { IsolationLevel, SqlQuery } from '@prisma/driver-adapter-utils';
import type { Pool } from 'pg';
import { isStalePlan } from './errors.ts';

/**
 * Statements that come again and again are prepared, once per connection: the server then neither parses nor plans them
 * each time, which for the queue's statements takes longer than to execute them.
 *
 * - Only so many, and only short ones: each connection keeps them all, and lists of many lengths are many statements.
 * - Behind pgbouncer they need its version 1.21 (`max_prepared_statements`), or session pooling, which RCB's LISTEN needs
 *   anyway.
 * - A migration by a newer instance can change the type of a column that a prepared statement answers; PostgreSQL then
 *   refuses that statement for ever ("cached plan must not change result type"). All get new names then, and what was
 *   asked outside a transaction is asked again; a transaction has failed, and `isDatabaseAway` says that the same work
 *   may be tried again.
 */
class PreparedStatements {
  #names = new Map<string, string>();
  #generation = 1;

  /** For `statementNameGenerator`; '' is not prepared. */
  nameOf(sql: string): string {
    const known = this.#names.get(sql);
    if (known !== undefined) return known;
    if (this.#names.size >= MOST_PREPARED || sql.length > MOST_CHARACTERS) return '';
    const name = `rcb_${this.#generation}_${this.#names.size}`;
    this.#names.set(sql, name);
    return name;
  }

  get generation(): number {
    return this.#generation;
  }

  /** New names for all, unless somebody has seen to it since this generation. */
  renewNames(generation: number): void {
    if (generation !== this.#generation) return;
    this.#names.clear();
    this.#generation += 1;
  }
}

const MOST_PREPARED = 200;
const MOST_CHARACTERS = 6_000;

/** PostgreSQL through Prisma, with prepared statements. */
export class PreparingPg extends PrismaPg {
  readonly #statements: PreparedStatements;

  constructor(pool: Pool) {
    const statements = new PreparedStatements();
    super(pool, { statementNameGenerator: ({ sql }) => statements.nameOf(sql) });
    this.#statements = statements;
  }

  override async connect() {
    const adapter = await super.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    const startTransaction = adapter.startTransaction.bind(adapter);
    return Object.assign(adapter, {
      queryRaw: async (query: SqlQuery) => {
        try {
          return await this.#watched(() => queryRaw(query));
        } catch (error) {
          if (!isStalePlan(error)) throw error;
          return await queryRaw(query);
        }
      },
      startTransaction: async (isolation?: IsolationLevel) => {
        const transaction = await startTransaction(isolation);
        const queryInside = transaction.queryRaw.bind(transaction);
        return Object.assign(transaction, { queryRaw: (query: SqlQuery) => this.#watched(() => queryInside(query)) });
      },
    });
  }

  async #watched<T>(ask: () => Promise<T>): Promise<T> {
    const { generation } = this.#statements;
    try {
      return await ask();
    } catch (error) {
      if (isStalePlan(error)) this.#statements.renewNames(generation);
      throw error;
    }
  }
}
