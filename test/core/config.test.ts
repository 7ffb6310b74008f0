import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.ts';
import type { Config } from '../../src/config/config.ts';
import { diskFiles, type Files } from '../../src/config/files.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistakes } from '../../src/config/mistake.ts';
import { rakuStack } from '../../src/config/raku.ts';
import { rakuFlappers } from '../../src/config/raku-flappers.ts';
import { requireSomethingToDo } from '../../src/config/requirements.ts';
import { policyFor } from '../../src/core/policy.ts';
import { backendsFor } from '../../src/core/serving.ts';
import { servingBackends } from '../../src/open-backends.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pkcs1 = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const app = { APP_ID: '17', PRIVATE_KEY: pkcs8, WEBHOOK_SECRET: 'current' };

function filesOf(contents: Record<string, string>): Files {
  return { read: (path) => (path in contents ? Buffer.from(contents[path]!) : undefined) };
}

function configOf(env: Record<string, string>, contents: Record<string, string> = {}): Config {
  const loaded = loadConfig(env, filesOf(contents));
  if ('mistakes' in loaded) assert.fail(formatMistakes(loaded.mistakes));
  return loaded.config;
}

test('nothing at all means Raku’s stack, one local backend and the defaults', () => {
  const { secrets, ...config } = configOf({});
  assert.deepEqual(secrets(), []);
  assert.deepEqual(JSON.parse(JSON.stringify(config)), {
    server: { host: 'localhost', port: 3000, publicUrl: 'http://localhost:3000', isPublicUrlGuessed: true },
    log: { level: 'info' },
    dataDir: './data',
    credentials: { azure: {}, obs: {} },
    backends: [
      {
        name: 'local',
        kind: 'local',
        slots: 2,
        timeout: 3_600_000,
        silence: 600_000,
        outputLimit: 268_435_456,
        sandbox: 'auto',
        network: 'on',
        memory: 4 * 2 ** 30,
        processes: 1024,
        disk: 16 * 2 ** 30,
        artifacts: [],
      },
    ],
    poll: { github: 60_000, azure: 30_000, obs: 30_000, git: 10_000 },
    policy: [],
    flappers: { known: rakuFlappers, file: '.rcb/flappers.yml', off: [] },
    watch: [],
    limits: { catchUpRunsPerMinute: 5, building: 20, writeSpacing: 1000 },
    submodules: { allow: [] },
    retention: {
      sources: 5_184_000_000,
      logs: 'forever',
      artifacts: 7_776_000_000,
      events: 2_592_000_000,
      valued: 31_536_000_000,
      releases: ['release*', 'v[0-9]*', '[0-9]*.[0-9]*'],
    },
    stacks: [rakuStack],
    owners: ['rakudo', 'Raku', 'MoarVM'],
    git: [],
  });
});

test('stack: raku is the preset, with other settings beside it', () => {
  const config = configOf({}, { 'rcb.yaml': 'stack: raku\nowners: [me]\n' });
  assert.deepEqual(config.stacks, [rakuStack]);
  assert.deepEqual(config.owners, ['me']);
  assert.equal(config.configFile, 'rcb.yaml');
});

test('a file without a stack has none, and serves nobody by default', () => {
  const config = configOf({}, { 'rcb.yaml': '# nothing yet\n' });
  assert.deepEqual(config.stacks, []);
  assert.deepEqual(config.owners, []);
});

test('a stack of one’s own is named by its first repository', () => {
  const [stack] = configOf(
    {},
    { 'rcb.yaml': 'stack:\n- repository: a/top\n  pins: {b/lib: LIB}\n- repository: b/lib' },
  ).stacks;
  const release = { omit: [], manifest: false, version: 'tracked' };
  assert.deepEqual(stack, {
    name: 'a/top',
    repositories: [
      { repository: 'a/top', release, pins: { 'b/lib': 'LIB' }, trees: {} },
      { repository: 'b/lib', release, pins: {}, trees: {} },
    ],
  });
});

test('DESIGN’s backends are read, each with its own keys', () => {
  const yaml = `backends:
    - { name: local, kind: local, command: ci/run, slots: 3, timeout: 2h, silence: 90, outputLimit: 1MB, sandbox: user, network: off, memory: 1GiB, processes: 99, disk: 2GiB, artifacts: ["*.xml"] }
    - { name: azure, kind: azure, url: "https://dev.azure.com/ORG/", project: raku, pipeline: 7, branches: [main] }
    - { name: obs, kind: obs, url: "https://api.opensuse.org", project: "home:rcb", template: obs/ }`;
  assert.deepEqual(configOf({}, { 'rcb.yaml': yaml }).backends, [
    {
      name: 'local',
      kind: 'local',
      command: 'ci/run',
      slots: 3,
      timeout: 7_200_000,
      silence: 90_000,
      outputLimit: 1_000_000,
      sandbox: 'user',
      network: 'off',
      memory: 2 ** 30,
      processes: 99,
      disk: 2 ** 31,
      artifacts: ['*.xml'],
    },
    {
      name: 'azure',
      kind: 'azure',
      url: 'https://dev.azure.com/ORG',
      project: 'raku',
      pipeline: 7,
      branches: ['main'],
      mode: 'build',
      secrets: 'some',
      artifacts: { maxFiles: 2000, maxBytes: 2 ** 30, maxZipBytes: 2 ** 29 },
      logLimit: 2 ** 28,
      timestamps: 'keep',
      issues: 'passed',
    },
    {
      name: 'obs',
      kind: 'obs',
      url: 'https://api.opensuse.org',
      project: 'home:rcb',
      mode: 'project-per-run',
      template: 'obs/',
      timeout: 28_800_000,
      jobTimeout: 14_400_000,
      keepFailed: 604_800_000,
      artifacts: { maxFiles: 100, maxBytes: 512 * 2 ** 20 },
      logLimit: 256 * 2 ** 20,
    },
  ]);
});

test('durations count in seconds, or have a unit', () => {
  const yaml =
    'poll: {github: 5m, git: 1}\nlimits: {writeSpacing: 2s}\nretention: {logs: 4w, sources: forever, events: 12h}';
  const config = configOf({}, { 'rcb.yaml': yaml });
  assert.deepEqual(config.poll, { github: 300_000, azure: 30_000, obs: 30_000, git: 1000 });
  assert.equal(config.limits.writeSpacing, 2000);
  assert.deepEqual(config.retention, {
    logs: 2_419_200_000,
    sources: 'forever',
    artifacts: 7_776_000_000,
    events: 43_200_000,
    valued: 31_536_000_000,
    releases: ['release*', 'v[0-9]*', '[0-9]*.[0-9]*'],
  });
});

test('plain repositories are relative to the configuration file', () => {
  const config = configOf({ RCB_CONFIG: '/etc/rcb/my.yaml' }, { '/etc/rcb/my.yaml': 'git: [/srv/a.git, b.git]' });
  assert.deepEqual(config.git, ['/srv/a.git', '/etc/rcb/b.git']);
  assert.equal(config.configFile, '/etc/rcb/my.yaml');
});

test('the GitHub App comes from Probot’s variables', () => {
  assert.deepEqual(configOf(app).github, {
    appId: 17,
    privateKey: pkcs8,
    webhookSecrets: ['current'],
    protocol: 'https',
    apiUrl: 'https://api.github.com',
    htmlUrl: 'https://github.com',
    login: { off: 'GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are not set' },
  });
  assert.equal(configOf({ APP_ID: '' }).github, undefined);
});

test('two webhook secrets are accepted while one is rotated, the current one first', () => {
  assert.deepEqual(configOf({ ...app, WEBHOOK_SECRET_PREVIOUS: 'old' }).github?.webhookSecrets, ['current', 'old']);
});

test('GHE_HOST and GHE_PROTOCOL point at another GitHub', () => {
  const github = configOf({ ...app, GHE_HOST: 'localhost:8080', GHE_PROTOCOL: 'http' }).github;
  assert.equal(github?.host, 'localhost:8080');
  assert.equal(github?.apiUrl, 'http://localhost:8080/api/v3');
  assert.equal(github?.htmlUrl, 'http://localhost:8080');
});

const keyForms: Record<string, string> = {
  'PKCS#1': pkcs1,
  'with \\n for line ends': pkcs8.replaceAll('\n', '\\n'),
  'with blanks for line ends': pkcs1.replaceAll('\n', ' '),
  base64: Buffer.from(pkcs8).toString('base64'),
  'base64 in lines': Buffer.from(pkcs1).toString('base64').replace(/.{76}/g, '$&\n'),
  'with text around it': `Bag Attributes\n${pkcs8}\n`,
};
for (const [form, value] of Object.entries(keyForms)) {
  test(`a private key may be written ${form}`, () => {
    const pem = configOf({ ...app, PRIVATE_KEY: value }).github?.privateKey;
    assert.ok(pem === pkcs1 || pem === pkcs8, pem);
  });
}

test('a private key may be in a file', () => {
  const { PRIVATE_KEY: _, ...rest } = app;
  assert.equal(configOf({ ...rest, PRIVATE_KEY_PATH: 'app.pem' }, { 'app.pem': pkcs1 }).github?.privateKey, pkcs1);
});

test('the server listens where the environment says', () => {
  const given = { HOST: '0.0.0.0', PORT: '0', RCB_PUBLIC_URL: 'https://rcb.example.org/', LOG_LEVEL: 'warn' };
  const config = configOf(given);
  assert.deepEqual(config.server, {
    host: '0.0.0.0',
    port: 0,
    publicUrl: 'https://rcb.example.org',
    isPublicUrlGuessed: false,
  });
  assert.equal(config.log.level, 'warn');
});

test('every secret is known for masking, a database password also without its escapes', () => {
  const secrets = configOf({
    ...app,
    WEBHOOK_SECRET_PREVIOUS: 'old',
    DATABASE_URL: 'postgresql://rcb:p%40ss@db:5432/rcb',
    AZURE_DEVOPS_TOKEN: 'pat',
    AZURE_HOOK_PASSWORD: 'hook',
    OBS_USER: 'geeko',
    OBS_PASSWORD: 'chameleon',
    OBS_HOOK_SECRET: 'hush',
  }).secrets();
  for (const secret of ['current', 'old', 'p%40ss', 'p@ss', 'pat', 'hook', 'chameleon', 'hush', pkcs8]) {
    assert.ok(secrets.includes(secret), secret);
  }
  assert.ok(secrets.includes(pkcs8.split('\n')[3]!), 'a line of the key');
  assert.ok(!secrets.includes('geeko'));
});

test('a database on a Unix socket is accepted', () => {
  for (const url of ['postgresql://rcb@/rcb?host=/run/postgresql', 'postgres:///rcb?host=/tmp']) {
    assert.equal(configOf({ DATABASE_URL: url }).databaseUrl, url);
  }
});

test('the first policy that matches the branch counts', () => {
  const { policy } = configOf(
    {},
    { 'rcb.yaml': 'policy:\n- {branches: ["release-*"], flappers: off}\n- {branches: ["*"], merge: squash}' },
  );
  assert.equal(policyFor(policy, 'release-2026.11').flappers, 'off');
  assert.equal(policyFor(policy, 'release-2026.11').merge, 'merge');
  assert.equal(policyFor(policy, 'main').merge, 'squash');
  assert.equal(policyFor(policy, 'somebody/fix-gc').merge, 'squash');
  assert.equal(policyFor(policy.slice(0, 1), 'main').flappers, 'once');
});

test('a backend serves the repositories and branches it names, and sees private code only where that is said', () => {
  const yaml = `owners: [me]
backends:
  - { name: here, kind: local, repositories: ["raku/*"], branches: [Main] }
  - { name: shy, kind: local, private: false }
  - { name: azure, kind: azure, url: "https://dev.azure.com/ORG", project: raku, pipeline: 7 }
  - { name: ours, kind: azure, url: "https://dev.azure.com/ORG", project: ours, pipeline: 8, private: true }
  - { name: obs, kind: obs, url: "https://api.opensuse.org", project: "home:rcb", template: obs/ }`;
  const { backends } = configOf({}, { 'rcb.yaml': yaml });
  const opened = new Map([['here', { keepsApart: true } as Backend]]);
  const serving = { backends: servingBackends({ backends }, opened) };
  const change = { repository: 'Raku/nqp', branch: 'Main', isPrivate: false };
  assert.deepEqual(backendsFor(serving, change), ['here', 'shy', 'azure', 'ours', 'obs']);
  assert.deepEqual(backendsFor(serving, { ...change, isPrivate: true }), ['here', 'ours']);
  assert.deepEqual(backendsFor(serving, { ...change, branch: 'main', isPrivate: true }), ['ours']);
  const plain = { backends: servingBackends({ backends }, new Map([['here', { keepsApart: false } as Backend]])) };
  assert.deepEqual(backendsFor(plain, { ...change, isPrivate: true }), ['ours']);
  const wrong = loadConfig({}, filesOf({ 'rcb.yaml': 'backends: [{ name: a, kind: local, private: "no" }]' }));
  assert.match(
    'mistakes' in wrong ? formatMistakes(wrong.mistakes) : '',
    /private: found "no", expected true or false/,
  );
});

test('a start needs a source of changes, owners, and the credentials of its backends', () => {
  const keys = (config: Config) => requireSomethingToDo(config).map(({ key }) => key);
  const remote = `backends:
    - { name: azure, kind: azure, url: "https://dev.azure.com/ORG", project: raku, pipeline: 7 }
    - { name: obs, kind: obs, url: "https://api.opensuse.org", project: "home:rcb", template: obs/ }`;
  assert.deepEqual(keys(configOf({})), ['APP_ID']);
  assert.deepEqual(keys(configOf(app)), []);
  assert.deepEqual(keys(configOf({}, { 'rcb.yaml': 'git: [/srv/a.git]' })), []);
  assert.deepEqual(keys(configOf(app, { 'rcb.yaml': '' })), ['owners']);
  assert.deepEqual(keys(configOf(app, { 'rcb.yaml': `owners: [me]\n${remote}` })), ['AZURE_DEVOPS_TOKEN', 'OBS_USER']);
  const credentials = { AZURE_DEVOPS_TOKEN: 't', OBS_USER: 'u', OBS_PASSWORD: 'p' };
  assert.deepEqual(keys(configOf({ ...app, ...credentials }, { 'rcb.yaml': `owners: [me]\n${remote}` })), []);
});

test('Azure takes a token, or a service principal as a whole', () => {
  const yaml =
    'owners: [me]\nbackends: [{ name: a, kind: azure, url: "https://x/o", project: p, pipeline: 1, branch: main }]';
  const principal = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 'hush' };
  const config = configOf({ ...app, ...principal }, { 'rcb.yaml': yaml });
  assert.deepEqual(requireSomethingToDo(config), []);
  assert.ok(config.secrets().includes('hush'));
  assert.equal(config.backends[0]?.kind === 'azure' && config.backends[0].branch, 'refs/heads/main');
  const { AZURE_CLIENT_SECRET: _, ...half } = principal;
  const loaded = loadConfig({ ...app, ...half }, filesOf({ 'rcb.yaml': yaml }));
  assert.match('mistakes' in loaded ? formatMistakes(loaded.mistakes) : '', /AZURE_CLIENT_SECRET: found nothing/);
  configOf({ ...app, ...half, AZURE_DEVOPS_TOKEN: 'pat' }, { 'rcb.yaml': yaml });
});

test('files on disk: read up to the limit, absent, or unreadable with a reason', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'rcb-config-'));
  try {
    await writeFile(join(directory, 'rcb.yaml'), 'watch: [next]');
    const files = diskFiles(directory);
    assert.equal(Buffer.from(files.read('rcb.yaml', 5)!).toString(), 'watch');
    assert.equal(files.read('absent', 5), undefined);
    const loaded = loadConfig({ RCB_CONFIG: '.' }, files);
    assert.equal('mistakes' in loaded && loaded.mistakes[0]?.found, 'a directory');
  } finally {
    await rm(directory, { recursive: true });
  }
});
