import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { variables } from '../../src/config/environment.ts';
import { diskFiles } from '../../src/config/files.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistakes } from '../../src/config/mistake.ts';
import { rakuOwners, rakuStack } from '../../src/config/raku.ts';
import { candidates, fileSchema } from '../../src/config/schema.ts';

const root = new URL('../../', import.meta.url);
const fileNamed = (name: string) => readFileSync(new URL(name, root), 'utf8');
const example = fileNamed('rcb.example.yaml');

/** Every setting, as `backends.azure.url`. */
function settingsOf(schema: z.core.$ZodType, path: string): string[] {
  return candidates(schema).flatMap((candidate) => {
    if (candidate instanceof z.ZodArray) return settingsOf(candidate.element, path);
    if (!(candidate instanceof z.ZodObject)) return [path];
    const kind = candidate.shape['kind'];
    const here = kind instanceof z.ZodLiteral ? `${path}.${kind.value}` : path;
    return Object.entries<z.core.$ZodType>(candidate.shape).flatMap(([key, child]) =>
      settingsOf(child, `${here}.${key}`),
    );
  });
}

/** The settings that a value holds, as `settingsOf` names them. */
function settingsIn(value: unknown, path: string, isLeaf: (path: string) => boolean): string[] {
  if (isLeaf(path) || typeof value !== 'object' || value === null) return [path];
  if (Array.isArray(value)) return value.flatMap((item) => settingsIn(item, path, isLeaf));
  const here = 'kind' in value ? `${path}.${value.kind}` : path;
  return Object.entries(value).flatMap(([key, child]) => settingsIn(child, `${here}.${key}`, isLeaf));
}

test('rcb.example.yaml is read without a mistake, and its stack is the preset', () => {
  const loaded = loadConfig({ RCB_CONFIG: 'rcb.example.yaml' }, diskFiles(root.pathname));
  if ('mistakes' in loaded) assert.fail(formatMistakes(loaded.mistakes));
  assert.deepEqual(loaded.config.stacks[0]?.repositories, rakuStack.repositories);
  assert.deepEqual(loaded.config.owners, rakuOwners);
});

/** The example with the backends that need an account taken out of their comments. */
const wholeExample = example.replace(/^ {2}# (- name: | {2})/gm, '  $1');

test('rcb.example.yaml stays right with its commented backends', () => {
  const loaded = loadConfig({}, { read: () => Buffer.from(wholeExample) });
  if ('mistakes' in loaded) assert.fail(formatMistakes(loaded.mistakes));
  assert.deepEqual(
    loaded.config.backends.map(({ kind }) => kind),
    ['local', 'azure', 'obs'],
  );
});

test('rcb.example.yaml documents every setting of the schema', () => {
  // What every kind of backend has is shown with the first.
  const common = /^backends\.(azure|obs)\.(repositories|branches)$/;
  const known = settingsOf(fileSchema, '').map((path) => path.replace(/^\./, ''));
  const shown = settingsIn(parse(wholeExample), '', (path) => known.includes(path.replace(/^\./, '')));
  const documented = new Set(shown.map((path) => path.replace(/^\./, '')));
  assert.ok(known.length > 40, known.join(' '));
  assert.deepEqual(
    known.filter((setting) => !documented.has(setting) && !common.test(setting)),
    [],
  );
});

test('rcb.example.yaml documents every environment variable', () => {
  assert.deepEqual(
    variables.filter((variable) => !new RegExp(`^#.*\\b${variable}\\b`, 'm').test(example)),
    [],
  );
});

test('what rcb.example.yaml shows as a default is one', () => {
  const defaults = fileSchema.parse({});
  const { poll, limits, retention, policy, backends } = fileSchema.parse(parse(example));
  assert.deepEqual(
    { poll, limits, retention },
    { poll: defaults.poll, limits: defaults.limits, retention: defaults.retention },
  );
  const rule = fileSchema.parse({ policy: [{ branches: ['*'] }] }).policy[0];
  assert.deepEqual({ ...policy.at(-1), optional: [] }, rule);
  const { command, artifacts, repositories, branches, ...local } = backends[0] as unknown as Record<string, unknown>;
  assert.ok(command && artifacts && repositories && branches);
  // What it is by default hangs on the machine.
  const { private: seesPrivate, ...rest } = local;
  assert.equal(seesPrivate, true);
  assert.deepEqual({ ...rest, artifacts: [] }, defaults.backends[0]);
});

test('app.yml asks for the permissions and events that the bot uses, and no more', () => {
  const manifest = parse(fileNamed('app.yml'));
  assert.equal(manifest.name, 'RCB');
  assert.deepEqual(manifest.default_permissions, {
    checks: 'write',
    contents: 'write',
    issues: 'write',
    metadata: 'read',
    pull_requests: 'write',
    statuses: 'read',
  });
  assert.deepEqual(manifest.default_events, [
    'check_run',
    'check_suite',
    'issue_comment',
    'pull_request',
    'push',
    'repository',
  ]);
});

test('.ci/run runs every check that CI promises, and the workflow calls it', () => {
  const script = fileNamed('.ci/run');
  for (const command of ['npm ci', 'npm run check', 'npm test', 'npm run test:pg', 'npm run test:browser']) {
    assert.match(script, new RegExp(`^\\w+ \\d+ '.*' ${command}\\b`, 'm'), command);
  }
  const jobs = Object.values<{ steps: { run?: string }[] }>(parse(fileNamed('.github/workflows/ci.yml')).jobs);
  assert.ok(jobs.some(({ steps }) => steps.some(({ run }) => run === '.ci/run')));
});

test('compose.yaml and Dockerfile agree on directory and port', () => {
  const { services } = parse(fileNamed('compose.yaml'));
  const dockerfile = fileNamed('Dockerfile');
  assert.equal(services.bot.environment.RCB_DATA_DIR, '/data');
  assert.match(dockerfile, /^VOLUME \/data$/m);
  assert.match(dockerfile, /^USER node$/m);
  assert.match(dockerfile, new RegExp(`^EXPOSE ${services.bot.environment.PORT}$`, 'm'));
});
