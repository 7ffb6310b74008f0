import { canSee, demand } from '../auth.ts';
import type { Hub } from '../hub.ts';
import { type Api, actor, type Ctx } from '../rest/context.ts';
import { ApiError } from '../rest/errors.ts';
import { nodeId } from '../shapes/repository.ts';
import type { Comment, Pull, Repository, User } from '../state.ts';
import { graphqlErrors } from './check.ts';
import { GraphQLError, MUTATIONS } from './mutations.ts';
import { type Operation, parseOperation, type Selection } from './parse.ts';
import { POSSIBLE } from './schema.ts';

/** What a node holds, by the names of its fields. */
export type Shape = { __typename: string; [field: string]: unknown };

/** GraphQL: everything is answered with 200, faults are in `errors`. */
export function graphqlRoute(hub: Hub, api: Api): void {
  api.post('/graphql', async (c) => {
    if (c.get('caller').kind === 'anonymous')
      throw new ApiError(401, 'This endpoint requires you to be authenticated.');
    const body = (await c.req.json().catch(() => undefined)) as { query: string; variables?: Record<string, unknown> };
    const wrong = graphqlErrors(body);
    if (wrong.length > 0) {
      return c.json({ errors: wrong.map((message) => ({ message, extensions: { code: 'undefinedField' } })) });
    }
    const operation = parseOperation(body.query);
    try {
      return c.json({ data: await answer(hub, c, operation, body.variables ?? {}) });
    } catch (error) {
      return c.json(faultOf(error, operation));
    }
  });
}

function faultOf(error: unknown, { selections }: Operation) {
  const name = selections[0]?.kind === 'field' ? selections[0].name : '';
  const type = error instanceof GraphQLError ? error.type : error instanceof ApiError ? 'FORBIDDEN' : undefined;
  if (type === undefined) throw error;
  return { data: { [name]: null }, errors: [{ type, path: [name], message: (error as Error).message }] };
}

async function answer(hub: Hub, c: Ctx, operation: Operation, variables: Record<string, unknown>) {
  const data: Record<string, unknown> = {};
  for (const field of operation.selections) {
    if (field.kind !== 'field') continue;
    const args = Object.fromEntries([...field.args].map(([name, variable]) => [name, variables[variable]]));
    const value =
      operation.kind === 'query' ? readNode(hub, c, String(args['id'])) : await mutate(hub, c, field.name, args);
    data[field.name] = select(value, field.selections);
  }
  return data;
}

function select(value: Shape, selections: Selection[]): Record<string, unknown> {
  const entries = selections.flatMap((selection): [string, unknown][] => {
    if (selection.kind === 'fragment') {
      const applies = selection.on === value.__typename || POSSIBLE[selection.on]?.includes(value.__typename);
      return applies ? Object.entries(select(value, selection.selections)) : [];
    }
    const held = value[selection.name];
    return [
      [selection.name, held && selection.selections.length > 0 ? select(held as Shape, selection.selections) : held],
    ];
  });
  return Object.fromEntries(entries);
}

interface FoundNode {
  repository: Repository;
  pull?: Pull;
  comment?: Comment;
}

function findNode(hub: Hub, c: Ctx, global: string): FoundNode {
  const [kind, id] = Buffer.from(global, 'base64').toString('utf8').split(':');
  const repositories = [...hub.state.repositories.values()];
  const comment = kind === 'IssueComment' ? hub.state.comments.get(Number(id)) : undefined;
  const isIt = (pull: Pull) => kind === 'PullRequest' && pull.id === Number(id);
  const repository = repositories.find(
    (each) => each.id === comment?.repositoryId || [...each.pulls.values()].some(isIt),
  );
  if (!repository || !canSee(c.get('caller'), repository)) {
    throw new GraphQLError('NOT_FOUND', `Could not resolve to a node with the global id of '${global}'`);
  }
  return { repository, comment, pull: [...repository.pulls.values()].find(isIt) };
}

function readNode(hub: Hub, c: Ctx, global: string): Shape {
  const { repository, pull, comment } = findNode(hub, c, global);
  demand(c.get('caller'), repository, pull ? 'pull_requests' : 'issues', 'read');
  return pull ? pullShape(repository, pull) : commentShape(comment!);
}

async function mutate(hub: Hub, c: Ctx, name: string, args: Record<string, unknown>): Promise<Shape> {
  const input = args['input'] as Record<string, string>;
  const { repository, pull } = findNode(hub, c, input['pullRequestId'] ?? input['id'] ?? '');
  if (!pull) throw new GraphQLError('NOT_FOUND', 'Could not resolve to a PullRequest');
  demand(c.get('caller'), repository, 'pull_requests', 'write');
  demand(c.get('caller'), repository, 'contents', 'write');
  await MUTATIONS[name]!(hub, { repository, pull, by: actor(hub, c), input });
  const entry = { __typename: 'MergeQueueEntry', id: nodeId('MergeQueueEntry', pull.id) };
  return { __typename: 'Payload', pullRequest: pullShape(repository, pull), mergeQueueEntry: entry };
}

function pullShape(repository: Repository, pull: Pull): Shape {
  return {
    __typename: 'PullRequest',
    id: nodeId('PullRequest', pull.id),
    number: pull.number,
    body: pull.body ?? '',
    ...editedShape(pull),
    isMergeQueueEnabled: repository.mergeQueues.has(pull.base.ref),
    isInMergeQueue: pull.queuedBy !== undefined,
  };
}

function commentShape(comment: Comment): Shape {
  const { id, body } = comment;
  const known = { id: nodeId('IssueComment', id), databaseId: id, body };
  return { __typename: 'IssueComment', ...known, ...editedShape(comment) };
}

const editedShape = ({ edited }: Pick<Comment, 'edited'>) => ({
  lastEditedAt: edited?.at ?? null,
  editor: edited ? actorShape(edited.by) : null,
});

const actorShape = ({ id, login, type }: User): Shape => ({
  __typename: type,
  id: nodeId(type, id),
  // GraphQL tells a bot's name without the brackets.
  login: login.replace(/\[bot\]$/, ''),
  databaseId: id,
});
