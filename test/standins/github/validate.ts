import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { graphqlErrors } from './graphql/check.ts';

/** GitHub's own descriptions of its API and of its webhooks, as judges of what is sent and answered. */

type Json = Record<string, unknown>;
type Schema = Json;

interface Operation {
  requestBody?: { content?: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }>; $ref?: string }>;
}

interface Description {
  paths?: Record<string, Record<string, Operation>>;
  webhooks?: Record<string, { post: Operation }>;
  components: { schemas: Record<string, Schema>; responses?: Record<string, Operation['responses'][string]> };
}

const require = createRequire(import.meta.url);
const descriptions = new Map<string, Description>();
const validators = new Map<string, ValidateFunction>();

/** Several megabytes, hence only when asked for, and once. */
function description(name: 'openapi' | 'openapi-webhooks'): Description {
  const known = descriptions.get(name);
  if (known) return known;
  const file = require
    .resolve(`@octokit/${name}/package.json`)
    .replace('package.json', 'generated/api.github.com.json');
  const read = JSON.parse(readFileSync(file, 'utf8')) as Description;
  descriptions.set(name, read);
  return read;
}

/** What is wrong with a request by GitHub's description; empty when nothing is. */
export function validateRequest(method: string, path: string, body: unknown): string[] {
  if (method === 'POST' && path === '/graphql') return graphqlErrors(body);
  const found = findOperation(method, path);
  if (!found) return [`GitHub has no ${method} ${path}`];
  const schema = found.operation.requestBody?.content?.['application/json']?.schema;
  if (!schema) return [];
  return errorsOf(`${method} ${found.template} request`, 'openapi', schema, body ?? {});
}

/** What is wrong with an answer; an answer without a described body is right when it has none. */
export function validateResponse(method: string, path: string, status: number, body: unknown): string[] {
  const found = findOperation(method, path);
  if (!found) return [`GitHub has no ${method} ${path}`];
  const described = resolved(found.operation.responses[String(status)]);
  if (!described) return [`${method} ${found.template} never answers ${status}`];
  const schema = described.content?.['application/json']?.schema;
  if (!schema) return body === undefined || body === '' ? [] : [`${method} ${found.template} answers ${status} empty`];
  return errorsOf(`${method} ${found.template} ${status}`, 'openapi', schema, body);
}

function resolved(response: Operation['responses'][string] | undefined): Operation['responses'][string] | undefined {
  if (!response?.$ref) return response;
  return description('openapi').components.responses?.[response.$ref.split('/').at(-1)!];
}

/** What is wrong with a webhook's payload. */
export function validateWebhook(event: string, payload: Json): string[] {
  const action = payload['action'] === undefined ? '' : `-${payload['action']}`;
  const name = `${event}${action}`.replaceAll('_', '-');
  const schema =
    description('openapi-webhooks').webhooks?.[name]?.post.requestBody?.content?.['application/json']?.schema;
  return schema ? errorsOf(name, 'openapi-webhooks', schema, payload) : [`GitHub has no webhook ${name}`];
}

/** Parameters that may hold slashes. */
const LONG = new Set(['ref', 'path', 'basehead', 'branch']);

function findOperation(method: string, path: string): { template: string; operation: Operation } | undefined {
  const fitting = Object.entries(description('openapi').paths ?? {})
    .filter(([template, operations]) => operations[method.toLowerCase()] && pattern(template).test(path))
    .sort(([a], [b]) => a.split('{').length - b.split('{').length || b.length - a.length);
  const [template, operations] = fitting[0] ?? [];
  return template && operations ? { template, operation: operations[method.toLowerCase()]! } : undefined;
}

const patterns = new Map<string, RegExp>();

function pattern(template: string): RegExp {
  const known = patterns.get(template);
  if (known) return known;
  const escaped = template.replace(/[.]/g, '\\.');
  const made = new RegExp(`^${escaped.replace(/\{(\w+)\}/g, (_, name) => (LONG.has(name) ? '.+' : '[^/]+'))}$`);
  patterns.set(template, made);
  return made;
}

function errorsOf(key: string, name: 'openapi' | 'openapi-webhooks', schema: Schema, value: unknown): string[] {
  const validate = validators.get(key) ?? compile(name, schema);
  validators.set(key, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${key}: ${error.instancePath || 'it'} ${error.message}`);
}

function compile(name: 'openapi' | 'openapi-webhooks', schema: Schema): ValidateFunction {
  // Without inlining, for the schemas refer to one another a hundredfold.
  const ajv = new Ajv({ strict: false, inlineRefs: false, logger: false, validateSchema: false, allErrors: false });
  addFormats.default(ajv);
  const needed: Record<string, Schema> = {};
  const root = translate(schema, (component) => collect(name, component, needed));
  return ajv.compile({ ...(root as Schema), $defs: needed });
}

function collect(name: 'openapi' | 'openapi-webhooks', component: string, needed: Record<string, Schema>): void {
  if (component in needed) return;
  needed[component] = {}; // Schemas may refer to themselves.
  const schema = description(name).components.schemas[component] ?? {};
  needed[component] = translate(schema, (other) => collect(name, other, needed)) as Schema;
}

/** OpenAPI's `$ref` and `nullable` in the words of JSON Schema. */
function translate(value: unknown, use: (component: string) => void): unknown {
  if (Array.isArray(value)) return value.map((one) => translate(one, use));
  if (typeof value !== 'object' || value === null) return value;
  const { nullable, example: _, examples: __, description: ___, ...schema } = value as Json;
  const entries = Object.entries(schema).map(([key, one]) => [key, translated(key, one, use)]);
  const plain = Object.fromEntries(entries) as Schema;
  return nullable === true ? { anyOf: [{ type: 'null' }, plain] } : plain;
}

function translated(key: string, value: unknown, use: (component: string) => void): unknown {
  if (key === 'properties') return translateProperties(value as Json, use);
  if (key !== '$ref' || typeof value !== 'string') return translate(value, use);
  const component = value.split('/').at(-1)!;
  use(component);
  return `#/$defs/${component}`;
}

/** Here the keys are names of properties: one may be called `description`. */
function translateProperties(properties: Json, use: (component: string) => void): Json {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, translate(schema, use)]));
}
