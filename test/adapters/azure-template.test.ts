import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { parse } from 'yaml';
import { templateParameters } from '../../src/backends/azure/dispatch.ts';
import { archiveQuery } from '../../src/core/archive-key.ts';
import { keyringOf } from '../../src/core/secret-box.ts';
import { never } from '../contracts/backend.ts';
import { AzureBench, azureStory } from './azure/bench.ts';

/** azure-pipelines.rcb.yml: what it takes is what the adapter sends, and its steps do what they say, as far as they can here. */
interface Step {
  bash?: string;
  pwsh?: string;
  displayName?: string;
  condition?: string;
  env?: Record<string, string>;
}
interface Parameter {
  name: string;
  type: string;
  default: unknown;
}

const file = new URL('../../azure-pipelines.rcb.yml', import.meta.url);
const yaml = await readFile(file, 'utf8');
const template = parse(yaml) as { trigger: string; pr: string; parameters: Parameter[]; jobs: unknown[] };

/** Everything that is shaped like a step, wherever it stands. */
function stepsIn(value: unknown): Step[] {
  if (Array.isArray(value)) return value.flatMap(stepsIn);
  if (typeof value !== 'object' || value === null) return [];
  if ('bash' in value || 'pwsh' in value) return [value as Step];
  return Object.values(value).flatMap(stepsIn);
}
const steps = stepsIn(template);
const stepNamed = (name: string): Step => {
  const step = steps.find(({ displayName, bash }) => displayName === name && bash !== undefined);
  assert.ok(step, name);
  return step;
};

const order = new AzureBench(undefined as never).order();
const sent = Object.keys(templateParameters(order));
const texts = template.parameters.filter(({ type }) => type === 'string');

test('it takes what the adapter sends, all of it may be absent, and all else has a default', () => {
  assert.deepEqual(texts.map(({ name }) => name).sort(), sent.sort());
  assert.ok(texts.every(({ default: value }) => value === ''));
  assert.ok(template.parameters.every((parameter) => parameter.default !== undefined));
  assert.deepEqual([template.trigger, template.pr], ['none', 'none'], 'only RCB starts it');
});

azureStory('an Azure that knows its parameters takes an order', async (bench) => {
  bench.azure.project.definitions[0]!.parameters = new Set(template.parameters.map(({ name }) => name));
  await bench.open().ensureStarted(bench.order(), never);
  assert.equal(bench.azure.builds.length, 1);
});

test('no parameter becomes part of a script, and each is used where it is given', () => {
  for (const { bash, pwsh, displayName } of steps) assert.doesNotMatch(bash ?? pwsh ?? '', /\$\{\{/, displayName);
  const fetch = stepNamed('Fetch and verify the sources');
  const given = Object.values(fetch.env ?? {}).map((value) => /^\$\{\{ parameters\.(\w+) \}\}$/.exec(value)?.[1]);
  assert.deepEqual(given.sort(), sent.filter((name) => name !== 'rcbKey').sort());
  for (const variable of Object.keys(fetch.env ?? {}))
    assert.match(fetch.bash!, new RegExp(`\\$${variable}\\b`), variable);
});

test('what never ran is marked so', () => {
  for (const { pwsh } of steps) {
    if (pwsh)
      assert.match(yaml, new RegExp(`# UNRUN\\.\\n +- pwsh: \\|\\n +${pwsh.split('\n')[0]!.replace(/\W/g, '.')}`));
  }
  assert.ok(steps.some(({ pwsh }) => pwsh));
});

const run = promisify(execFile);
interface Ran {
  status: number;
  output: string;
}

/** As Azure's agent runs a step: a script in a file, its environment, the workspace. */
async function runStep(step: Step, workspace: string, env: Record<string, string> = {}): Promise<Ran> {
  const script = join(workspace, 'step.sh');
  await writeFile(script, step.bash!);
  const { PATH = '' } = process.env;
  const options = { cwd: workspace, env: { PATH, HOME: workspace, ...env }, timeout: 60_000 };
  return await run('bash', ['--noprofile', '--norc', script], options).then(
    ({ stdout, stderr }) => ({ status: 0, output: stdout + stderr }),
    (error: { code?: number; stdout: string; stderr: string }) => ({
      status: error.code ?? -1,
      output: error.stdout + error.stderr,
    }),
  );
}

/** A project that has what the steps ask of the three: Configure.pl, and make, make install, make test. */
const configure = `
my ($prefix) = map { /^--prefix=(.*)/ ? $1 : () } @ARGV;
open my $make, '>', 'Makefile' or die;
print $make "all:\\n\\techo built > built\\ninstall:\\n\\tmkdir -p $prefix/bin\\n\\tcp built $prefix/bin/NAME\\n",
  "test spectest:\\n\\tprove t\\n";
`;
const passing = 'print "1..2\\nok 1 - one\\nok 2 - <two> & more # SKIP no\\n"';
const failing = 'print "1..2\\nok 1 - one\\nnot ok 2 - two\\n"; exit 1';

async function archiveOf(name: string, testScript: string): Promise<Buffer> {
  const tar = pack();
  const put = (path: string, contents: string) => tar.entry({ name: `${name}-2026.08/${path}` }, contents);
  put('Configure.pl', configure.replace('NAME', name));
  put('t/basic.t', testScript);
  tar.finalize();
  return gzipSync(Buffer.concat(await Array.fromAsync(tar as AsyncIterable<Buffer>)));
}

interface World {
  workspace: string;
  /** For the step that fetches. */
  env: Record<string, string>;
  /** Requests that fail before one is answered. */
  failFirst(requests: number): void;
  step(name: string, env?: Record<string, string>): Promise<Ran>;
}

function story(title: string, tests: Record<string, string>, tell: (world: World) => Promise<void>): void {
  test(title, { timeout: 60_000 }, async () => {
    const workspace = await mkdtemp(join(tmpdir(), 'rcb-template-'));
    const archives = new Map<string, Buffer>();
    let failing = 0;
    const server = createServer((request, response) => {
      const archive = archives.get(request.url ?? '');
      if (failing-- > 0) response.writeHead(503).end();
      else if (archive) response.end(archive);
      else response.writeHead(404).end('<html>not here</html>');
    });
    const env: Record<string, string> = { RCB_RUN: 'run-1', RCB_CHANGED: 'rakudo' };
    const step = (name: string, more = {}) => runStep(stepNamed(name), workspace, more);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      for (const name of ['moarvm', 'nqp', 'rakudo']) {
        const archive = await archiveOf(name, tests[name] ?? passing);
        // As of a private run: only the whole address is answered.
        const signed = `/${name}${archiveQuery('a'.repeat(64), new Date(), keyringOf(['a key']))}`;
        archives.set(signed, archive);
        env[`${name.toUpperCase()}_URL`] = `http://127.0.0.1:${(server.address() as AddressInfo).port}${signed}`;
        env[`${name.toUpperCase()}_SHA256`] = createHash('sha256').update(archive).digest('hex');
        env[`${name.toUpperCase()}_VERSION`] = '2026.08';
      }
      await tell({ workspace, env, step, failFirst: (requests) => (failing = requests) });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(workspace, { recursive: true, force: true });
    }
  });
}

const FETCH = 'Fetch and verify the sources';
const passed = (ran: Ran): void => assert.equal(ran.status, 0, ran.output);

describe('its bash steps', { concurrency: 2 }, () => {
  story('fetch, build, test, and gather what there is', { rakudo: failing }, async ({ workspace, env, step }) => {
    passed(await step(FETCH, env));
    for (const name of ['Build MoarVM', 'Build NQP']) passed(await step(name));
    const last = await step('Build Rakudo');
    passed(last);
    assert.match(last.output, /^##vso\[task\.setvariable variable=built\]yes$/m);
    assert.deepEqual((await readdir(join(workspace, 'install/bin'))).sort(), ['moarvm', 'nqp', 'rakudo']);
    passed(await step('Test NQP'));
    const failed = await step('Test Rakudo');
    assert.notEqual(failed.status, 0, 'a failed test fails its step');
    assert.match(failed.output, /Result: FAIL/, 'and prove says what it always says');
    assert.notEqual((await step('Test the specification')).status, 0);
    passed(await step('Gather the results'));
    const junit = await readFile(join(workspace, 'results/junit.xml'), 'utf8');
    assert.match(junit, /<testsuite name="nqp\/t\/basic\.t" tests="2" failures="0" errors="0">/);
    assert.match(junit, /<testcase name="2 - &#60;two&#62; &#38; more"><skipped\/><\/testcase>/);
    assert.match(junit, /<testsuite name="rakudo\/t\/basic\.t" tests="2" failures="1" errors="0">/);
    assert.match(junit, /<testcase name="2 - two"><failure\/><\/testcase>/);
    const kept = async (name: string) => gunzipSync(await readFile(join(workspace, name))).toString('latin1');
    assert.match(await kept('results/tap.tar.gz'), /tap\/rakudo\/t\/basic\.t/);
    assert.match(await kept('tree/install.tar.gz'), /install\/bin\/rakudo/);
  });

  story(
    'try a download again, and take no other bytes than those ordered',
    {},
    async ({ env, step, failFirst, workspace }) => {
      failFirst(1);
      const fetched = await step(FETCH, env);
      passed(fetched);
      assert.doesNotMatch(fetched.output, /key=/, 'a log tells nobody where private sources are');
      const other = await step(FETCH, { ...env, NQP_SHA256: '0'.repeat(64) });
      assert.equal(other.status, 1);
      assert.match(
        other.output,
        /^##vso\[task\.logissue type=error\]The source archive of nqp is not the one that was ordered/m,
      );
      const gone = await step(FETCH, { ...env, RAKUDO_URL: `${env['RAKUDO_URL']}-gone` });
      assert.match(gone.output, /type=error\]The source archive of rakudo could not be downloaded/);
      const local = await step(FETCH, { ...env, RAKUDO_URL: `file://${workspace}/rakudo.tar.gz` });
      assert.match(local.output, /type=error\]The source archive of rakudo could not be downloaded/);
      const none = await step(FETCH, { ...env, MOARVM_URL: '' });
      assert.match(none.output, /type=error\]This run brings no source archive of moarvm/);
    },
  );

  story('run nothing that a parameter holds', {}, async ({ env, step, workspace }) => {
    const evil = `$(touch ${workspace}/evil)\`touch ${workspace}/evil\`"; touch ${workspace}/evil #`;
    for (const name of Object.keys(env)) await step(FETCH, { ...env, [name]: evil });
    assert.ok(!(await readdir(workspace)).includes('evil'));
  });

  story('gather results though nothing was built', {}, async ({ workspace, step }) => {
    await mkdir(join(workspace, 'tap'), { recursive: true });
    await writeFile(join(workspace, 'tap/broken.t'), '1..3\nok 1 - \u0007bell\n');
    passed(await step('Gather the results'));
    const junit = await readFile(join(workspace, 'results/junit.xml'), 'utf8');
    assert.match(
      junit,
      /tests="1" failures="0" errors="1">\n<testcase name="1 - \?bell"><\/testcase>\n<testcase name="the plan">/,
    );
  });
});
