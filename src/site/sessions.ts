import type { Session } from '../core/session.ts';

/** PORT. Who is logged in: rows that live for hours. */
export interface Sessions {
  find(id: string): Promise<Session | undefined>;
  /** Those that ended before `endedBefore` go. */
  add(session: Session, endedBefore: { createdAt: Date; usedAt: Date }): Promise<void>;
  touch(id: string, usedAt: Date): Promise<void>;
  /** New tokens in place of these; false: somebody else was first, or the session is gone. */
  replaceTokens(id: string, from: string, to: string): Promise<boolean>;
  remove(id: string): Promise<void>;
}
