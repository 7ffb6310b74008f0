import { type Operation, parseOperation, type Selection } from './parse.ts';
import { ARGUMENTS, FIELDS, INPUTS, POSSIBLE } from './schema.ts';

/** What is wrong with a request by the schema: GitHub answers such with errors, and does nothing. */
export function graphqlErrors(body: unknown): string[] {
  const { query, variables = {} } = (body ?? {}) as { query?: unknown; variables?: Record<string, unknown> };
  if (typeof query !== 'string') return ['A query attribute must be specified and must be a string.'];
  try {
    const operation = parseOperation(query);
    const root = operation.kind === 'query' ? 'Query' : 'Mutation';
    return [...variableErrors(operation, variables), ...selectionErrors(operation, operation.selections, root)];
  } catch (error) {
    return [(error as Error).message];
  }
}

function variableErrors({ declared }: Operation, variables: Record<string, unknown>): string[] {
  return [...declared].flatMap(([name, type]) => {
    const schema = INPUTS[type.replace('!', '') as keyof typeof INPUTS];
    if (!schema) return [`${type} isn't a defined input type (on $${name})`];
    const { error } = schema.safeParse(variables[name]);
    return error ? [`Variable $${name} of type ${type} was provided invalid value: ${error.message}`] : [];
  });
}

function selectionErrors(operation: Operation, selections: Selection[], type: string): string[] {
  return selections.flatMap((selection) => {
    if (selection.kind === 'fragment') {
      if (!FIELDS[selection.on]) return [`No such type ${selection.on}, so it can't be a fragment condition`];
      const isPossible = selection.on === type || isA(selection.on, type) || isA(type, selection.on);
      const overlaps = isPossible || (POSSIBLE[selection.on] ?? []).some((each) => isA(each, type));
      if (!overlaps) return [`Fragment on ${selection.on} can't be spread inside ${type}`];
      return selectionErrors(operation, selection.selections, selection.on);
    }
    return fieldErrors(operation, selection, type);
  });
}

const isA = (type: string, other: string): boolean => (POSSIBLE[other] ?? []).includes(type);

function fieldErrors(operation: Operation, field: Selection & { kind: 'field' }, type: string): string[] {
  const held = FIELDS[type]?.[field.name];
  if (held === undefined) return [`Field '${field.name}' doesn't exist on type '${type}'`];
  if (held !== null && field.selections.length === 0) return [`Field must have selections (field '${field.name}')`];
  if (held === null && field.selections.length > 0) return [`Selections can't be made on scalars (${field.name})`];
  const wanted = ARGUMENTS[field.name] ?? {};
  const missing = Object.keys(wanted).filter((name) => !field.args.has(name));
  const wrong = [...field.args].filter(([name, variable]) => wanted[name] !== operation.declared.get(variable));
  return [
    ...missing.map((name) => `Field '${field.name}' is missing required arguments: ${name}`),
    ...wrong.map(([name]) => `Type mismatch on argument ${name} of '${field.name}'`),
    ...(held === null ? [] : selectionErrors(operation, field.selections, held)),
  ];
}
