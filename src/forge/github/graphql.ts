import { z } from 'zod';
import type { RepositoryRef } from '../../core/model.ts';
import { ForgeError } from '../forge.ts';
import type { GitHubClient } from './client.ts';
import { sayIssues, text } from './fields.ts';
import { GRAPHQL_ROUTE } from './limits.ts';
import { callerFor } from './repository.ts';

/** GitHub's GraphQL API, for what REST does not tell or do: who edited, the merge queue, auto-merge. */

export interface GraphQLQuestion<T> {
  query: string;
  variables: Record<string, unknown>;
  /** Of the `data` in the answer. */
  schema: z.ZodType<T>;
  about: string;
}

/** `refused`: understood, and not done or not told. */
export type GraphQLAnswer<T> = { kind: 'answered'; value: T } | { kind: 'refused'; why: string };

const answer = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(
      z.object({
        message: text(10_000),
        type: text(100).nullish(),
        extensions: z.object({ code: text(100).nullish() }).nullish(),
      }),
    )
    .nullish(),
});

type GraphQLFault = NonNullable<z.infer<typeof answer>['errors']>[number];

export async function askGraphQL<T>(
  client: GitHubClient,
  repository: RepositoryRef,
  { query, variables, schema, about }: GraphQLQuestion<T>,
  signal: AbortSignal,
): Promise<GraphQLAnswer<T>> {
  const question = { route: GRAPHQL_ROUTE, parameters: { query, variables }, schema: answer, about };
  const told = await client.ask(callerFor(repository), question, signal);
  if (!told) throw new ForgeError('gone', `GraphQL of ${about}: GitHub has none there`);
  const [fault] = told.errors ?? [];
  if (fault) return refused(fault, about);
  const parsed = schema.safeParse(told.data);
  if (parsed.success) return { kind: 'answered', value: parsed.data };
  const why = sayIssues(parsed.error, 'data');
  throw new ForgeError('unparsable', `GitHub's answer about ${about} is not as published: ${why}`);
}

/** Faults come with the status 200 (docs.github.com, "Forming calls with GraphQL"). Only what names its kind is an answer:
 *  "Something went wrong while executing your query" passes. */
function refused({ message, type, extensions }: GraphQLFault, about: string): GraphQLAnswer<never> {
  const why = message.replace(/\s+/g, ' ').slice(0, 500);
  const said = `GraphQL of ${about}: GitHub answered "${why}"`;
  switch (type ?? extensions?.code) {
    case 'RATE_LIMITED':
      throw new ForgeError('rate-limited', said);
    case 'NOT_FOUND':
      throw new ForgeError('gone', said);
    case 'FORBIDDEN':
    case 'INSUFFICIENT_SCOPES':
      throw new ForgeError('denied', said);
    case undefined:
    case null:
    case 'INTERNAL':
    case 'SERVICE_UNAVAILABLE':
      throw new ForgeError('unreachable', said);
    default:
      return { kind: 'refused', why };
  }
}
