/** Who asked for a run, and where: read off the timeline that led to it. Payloads are as some version stored them. */
export interface Asked {
  login: string;
  /** Absent: by the description of the pull request, or by a button. */
  commentId?: string;
}

export function askedBy(rows: readonly { kind: string; payload?: unknown }[]): Asked | undefined {
  const requested = rows.findIndex(({ kind }) => kind === 'run.requested');
  const before = requested < 0 ? rows : rows.slice(0, requested);
  const told = before.findLast(({ kind }) => kind === 'command.seen')?.payload;
  const login = textAt(told, 'actor', 'login');
  if (login === undefined) return undefined;
  const commentId = textAt(told, 'source', 'kind') === 'comment' ? textAt(told, 'source', 'id') : undefined;
  return commentId === undefined ? { login } : { login, commentId };
}

function textAt(value: unknown, ...path: string[]): string | undefined {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return typeof at === 'string' ? at : undefined;
}
