/** The part of GraphQL that bots write: one operation, fields with arguments, inline fragments (spec.graphql.org, §2). */

export interface Operation {
  kind: 'query' | 'mutation';
  /** Variables by their declared types: `id: ID!`. */
  declared: Map<string, string>;
  selections: Selection[];
}

export type Selection =
  | { kind: 'field'; name: string; args: Map<string, string>; selections: Selection[] }
  | { kind: 'fragment'; on: string; selections: Selection[] };

export class GraphQLSyntaxError extends Error {
  override name = 'GraphQLSyntaxError';
}

/** `args` name variables: values inside the text are not understood. */
export function parseOperation(text: string): Operation {
  const tokens = new Tokens(text);
  const kind = tokens.peek() === '{' ? 'query' : tokens.take(/^(query|mutation)$/);
  if (/^\w/.test(tokens.peek())) tokens.take(/^\w+$/);
  const declared = new Map<string, string>();
  if (tokens.peek() === '(') {
    tokens.take(/^\($/);
    while (tokens.peek() !== ')') {
      const name = tokens.take(/^\$\w+$/).slice(1);
      tokens.take(/^:$/);
      declared.set(name, tokens.take(/^\w+$/) + (tokens.peek() === '!' ? tokens.take(/^!$/) : ''));
    }
    tokens.take(/^\)$/);
  }
  const selections = parseSelections(tokens);
  if (tokens.peek() !== '') throw new GraphQLSyntaxError(`Parse error on "${tokens.peek()}"`);
  return { kind: kind as Operation['kind'], declared, selections };
}

function parseSelections(tokens: Tokens): Selection[] {
  const selections: Selection[] = [];
  tokens.take(/^\{$/);
  while (tokens.peek() !== '}') selections.push(tokens.peek() === '...' ? parseFragment(tokens) : parseField(tokens));
  tokens.take(/^\}$/);
  if (selections.length === 0) throw new GraphQLSyntaxError('Parse error on "}": nothing is selected');
  return selections;
}

function parseFragment(tokens: Tokens): Selection {
  tokens.take(/^\.\.\.$/);
  tokens.take(/^on$/);
  return { kind: 'fragment', on: tokens.take(/^\w+$/), selections: parseSelections(tokens) };
}

function parseField(tokens: Tokens): Selection {
  const name = tokens.take(/^\w+$/);
  const args = new Map<string, string>();
  if (tokens.peek() === '(') {
    tokens.take(/^\($/);
    while (tokens.peek() !== ')') {
      const arg = tokens.take(/^\w+$/);
      tokens.take(/^:$/);
      args.set(arg, tokens.take(/^\$\w+$/).slice(1));
    }
    tokens.take(/^\)$/);
  }
  return { kind: 'field', name, args, selections: tokens.peek() === '{' ? parseSelections(tokens) : [] };
}

class Tokens {
  readonly #all: string[];

  constructor(text: string) {
    this.#all = text.match(/\.\.\.|\$?\w+|[^\s,]/g) ?? [];
  }

  peek(): string {
    return this.#all[0] ?? '';
  }

  take(wanted: RegExp): string {
    const token = this.#all.shift() ?? '';
    if (!wanted.test(token)) throw new GraphQLSyntaxError(`Parse error on "${token}": expected ${wanted.source}`);
    return token;
  }
}
