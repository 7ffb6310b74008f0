import { z } from 'zod';

/**
 * Fields that GitHub's hooks and its REST answers have in common, parsed alike, so that both tell a fact in the same
 * words: bounded, ids as text.
 */

/** JSON can say NUL and half a surrogate pair; PostgreSQL's text and jsonb cannot, and would refuse the whole row. */
export const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD');

export const text = (most: number) => z.string().max(most).transform(storable);

/** Octokit reads numbers over 2^53, as ids of deliveries are, as bigint. */
export const id = z.union([z.number().int(), z.bigint(), text(40)]).transform(String);
export const login = z.string().min(1).max(200).transform(storable);
export const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);
export const ref = z.string().min(1).max(1_024).transform(storable);
export const title = text(10_000);
export const fullName = z.string().min(3).max(400).transform(storable);
export const commentBody = text(300_000);
export const user = z.object({ id, login, type: text(40).optional() });
export const account = z.object({ id, login: login.optional(), slug: login.optional() });

/** Whose account was deleted has no user; GitHub shows such people as "ghost". */
const ghost = { id: '0', login: 'ghost', type: 'User' };

export function authorOf(told: z.infer<typeof user> | null) {
  const { id, login, type } = told ?? ghost;
  return { id, login, bot: type === 'Bot' };
}

export const accountName = (told: z.infer<typeof account> | null): string => told?.login ?? told?.slug ?? 'unknown';

export const githubKey = (foreignId: string | number): string => `github:${foreignId}`;

/** `github:123` → `123` */
export const foreignId = <T extends string | undefined>(key: T): T => key?.replace(/^github:/, '') as T;

/** The first few of them, without their values: they go into errors that people read. */
export const sayIssues = (error: z.ZodError, whole: string): string =>
  error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || whole}: ${issue.message}`)
    .join('; ');
