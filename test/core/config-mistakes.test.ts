import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { variables } from '../../src/config/environment.ts';
import type { Files } from '../../src/config/files.ts';
import { loadConfig } from '../../src/config/load.ts';
import { editDistance, formatMistakes } from '../../src/config/mistake.ts';
import { policyFor } from '../../src/core/policy.ts';

/** What is told about this rcb.yaml, one line per mistake. */
function told(yaml: string | Uint8Array, env: Record<string, string> = {}): string[] {
  const files: Files = { read: (path) => (path === 'rcb.yaml' ? Buffer.from(yaml) : undefined) };
  const loaded = loadConfig(env, files);
  return 'mistakes' in loaded ? formatMistakes(loaded.mistakes).split('\n  ').slice(1) : [];
}

const noSecret = 'found a secret, expected no secret in this file. It belongs into the environment';
const local = 'backends:\n- {name: a, kind: local, ';
const inFile: [yaml: string, ...lines: string[]][] = [
  [
    'backend: []',
    'rcb.yaml:1:1: backend: found an unknown key, expected stack, backends, submodules, poll, git, policy, flappers, owners, watch, limits or retention. Did you mean "backends"?',
  ],
  [
    'Stack: raku',
    'rcb.yaml:1:1: Stack: found an unknown key, expected stack, backends, submodules, poll, git, policy, flappers, owners, watch, limits or retention. Did you mean "stack"?',
  ],
  [
    'polll: {}',
    'rcb.yaml:1:1: polll: found an unknown key, expected stack, backends, submodules, poll, git, policy, flappers, owners, watch, limits or retention. Did you mean "poll"?',
  ],
  [
    'zzz: 1',
    'rcb.yaml:1:1: zzz: found an unknown key, expected stack, backends, submodules, poll, git, policy, flappers, owners, watch, limits or retention.',
  ],
  ['stack: rakuu', 'rcb.yaml:1:1: stack: found "rakuu", expected raku or a list of repositories. Did you mean "raku"?'],
  ['stack: 3', 'rcb.yaml:1:1: stack: found 3, expected raku or a list of repositories.'],
  ['stack: []', 'rcb.yaml:1:1: stack: found an empty list, expected raku or a list of repositories.'],
  ['stack:', 'rcb.yaml:1:1: stack: found nothing (an empty value), expected raku or a list of repositories.'],
  ['stack: [rakudo]', 'rcb.yaml:1:9: stack[0]: found "rakudo", expected a map with the key repository.'],
  ['stack: [{}]', 'rcb.yaml:1:9: stack[0].repository: found nothing, expected a repository as owner/name.'],
  [
    'stack: [{repository: rakudo}]',
    'rcb.yaml:1:10: stack[0].repository: found "rakudo", expected a repository as owner/name.',
  ],
  [
    'stack: [{repository: "a/.."}]',
    'rcb.yaml:1:10: stack[0].repository: found "a/..", expected a repository as owner/name.',
  ],
  [
    'stack: [{repository: a/b, release: {omit: ".*"}}]',
    'rcb.yaml:1:37: stack[0].release.omit: found ".*", expected a list of globs.',
  ],
  [
    'stack: [{repository: a/b, release: {manifest: yes}}]',
    'rcb.yaml:1:37: stack[0].release.manifest: found "yes", expected true or false.',
  ],
  [
    'stack: [{repository: a/b, release: {version: describ}}]',
    'rcb.yaml:1:37: stack[0].release.version: found "describ", expected describe or tracked. Did you mean "describe"?',
  ],
  [
    'stack: [{repository: a/b, pins: [x]}]',
    'rcb.yaml:1:27: stack[0].pins: found a list of 1, expected a map of repositories to files.',
  ],
  [
    'stack: [{repository: a/b, pins: {c: x}}]',
    'rcb.yaml:1:34: stack[0].pins.c: found the key "c", expected a repository as owner/name.',
  ],
  [
    'stack: [{repository: a/b, pins: {c/d: ../x}}, {repository: c/d}]',
    'rcb.yaml:1:34: stack[0].pins["c/d"]: found "../x", expected a relative path like tools/REVISION.',
  ],
  [
    'stack: [{repository: a/b, trees: {/t: c/d}}]',
    'rcb.yaml:1:35: stack[0].trees["/t"]: found the key "/t", expected a relative path like tools/REVISION.',
  ],
  [
    'stack: [{repository: a/b}, {repository: A/B}]',
    'rcb.yaml:1:29: stack[1].repository: found "A/B" for the second time (first in stack[0]), expected each repository once.',
  ],
  [
    'stack: [{repository: a/b, pins: {c/d: X}}]',
    'rcb.yaml:1:34: stack[0].pins["c/d"]: found a pin of a repository outside of the stack, expected another repository of this stack.',
  ],
  [
    'stack: [{repository: a/b, pins: {a/b: X}}]',
    'rcb.yaml:1:34: stack[0].pins["a/b"]: found a pin of the repository itself, expected another repository of this stack.',
  ],
  [
    'stack: [{repository: a/b, pins: {c/d: X}}, {repository: c/d, pins: {e/f: X}}, {repository: e/f, pins: {a/b: X}}]',
    'rcb.yaml:1:104: stack[2].pins["a/b"]: found pins in a circle (a/b → c/d → e/f → a/b), expected pins that come to an end.',
  ],
  ['backends: local', 'rcb.yaml:1:1: backends: found "local", expected a list of backends.'],
  ['backends: [local]', 'rcb.yaml:1:12: backends[0]: found "local", expected a map with the keys name and kind.'],
  ['backends: [{name: a}]', 'rcb.yaml:1:12: backends[0].kind: found nothing, expected local, azure or obs.'],
  [
    'backends: [{name: a, kind: lokal}]',
    'rcb.yaml:1:22: backends[0].kind: found "lokal", expected local, azure or obs. Did you mean "local"?',
  ],
  [
    'backends: [{kind: local}]',
    'rcb.yaml:1:12: backends[0].name: found nothing, expected a short name of letters, digits, dots, dashes.',
  ],
  [
    'backends: [{name: "a b", kind: local}]',
    'rcb.yaml:1:13: backends[0].name: found "a b", expected a short name of letters, digits, dots, dashes.',
  ],
  [
    'backends: [{name: a, kind: local}, {name: A, kind: local}]',
    'rcb.yaml:1:37: backends[1].name: found "A" for the second time (first in backends[0]), expected each name once.',
  ],
  [`${local}slots: 0}`, 'rcb.yaml:2:26: backends[0].slots: found 0, expected a whole number from 1 to 256.'],
  [`${local}slots: two}`, 'rcb.yaml:2:26: backends[0].slots: found "two", expected a whole number from 1 to 256.'],
  [`${local}slots: 1.5}`, 'rcb.yaml:2:26: backends[0].slots: found 1.5, expected a whole number from 1 to 256.'],
  [
    `${local}timeout: 0}`,
    'rcb.yaml:2:26: backends[0].timeout: found 0, expected seconds from 1 to 604800, or a duration like 90s or 2h.',
  ],
  [
    `${local}timeout: 1y}`,
    'rcb.yaml:2:26: backends[0].timeout: found "1y", expected seconds from 1 to 604800, or a duration like 90s or 2h.',
  ],
  [
    `${local}silence: []}`,
    'rcb.yaml:2:26: backends[0].silence: found an empty list, expected seconds from 1 to 604800, or a duration like 90s or 2h.',
  ],
  [
    `${local}outputLimit: 5}`,
    'rcb.yaml:2:26: backends[0].outputLimit: found 5, expected a size from 1 kB to 100 GB like 256MiB, or a number of bytes.',
  ],
  [
    `${local}outputLimit: much}`,
    'rcb.yaml:2:26: backends[0].outputLimit: found "much", expected a size from 1 kB to 100 GB like 256MiB, or a number of bytes.',
  ],
  [
    `${local}sandbox: bwrap}`,
    'rcb.yaml:2:26: backends[0].sandbox: found "bwrap", expected auto, bubblewrap, user or plain.',
  ],
  [`${local}network: maybe}`, 'rcb.yaml:2:26: backends[0].network: found "maybe", expected on or off.'],
  [
    `${local}memory: plenty}`,
    'rcb.yaml:2:26: backends[0].memory: found "plenty", expected a size from 1 kB to 100 GB like 256MiB, or a number of bytes.',
  ],
  [
    `${local}processes: 1}`,
    'rcb.yaml:2:26: backends[0].processes: found 1, expected a whole number from 16 to 100000.',
  ],
  [
    `${local}disk: 1}`,
    'rcb.yaml:2:26: backends[0].disk: found 1, expected a size from 1 kB to 100 GB like 256MiB, or a number of bytes.',
  ],
  [`${local}command: ""}`, 'rcb.yaml:2:26: backends[0].command: found "", expected a command.'],
  [
    `${local}artifacts: ["/etc/*"]}`,
    'rcb.yaml:2:38: backends[0].artifacts[0]: found "/etc/*", expected a glob like logs/**/*.xml.',
  ],
  [`${local}repositories: raku}`, 'rcb.yaml:2:26: backends[0].repositories: found "raku", expected a list of globs.'],
  [`${local}branches: [""]}`, 'rcb.yaml:2:37: backends[0].branches[0]: found "", expected a glob like release-*.'],
  [
    `${local}sloots: 3}`,
    'rcb.yaml:2:26: backends[0].sloots: found an unknown key, expected name, repositories, branches, kind, private, command, slots, timeout, silence, outputLimit, sandbox, network, memory, processes, disk or artifacts. Did you mean "slots"?',
  ],
  [
    `${local}project: raku}`,
    'rcb.yaml:2:26: backends[0].project: found an unknown key, expected name, repositories, branches, kind, private, command, slots, timeout, silence, outputLimit, sandbox, network, memory, processes, disk or artifacts.',
  ],
  [
    'backends: [{name: a, kind: azure}]',
    'rcb.yaml:1:12: backends[0].url: found nothing, expected an http or https URL without a password.',
    'rcb.yaml:1:12: backends[0].project: found nothing, expected the name of an Azure DevOps project.',
    'rcb.yaml:1:12: backends[0].pipeline: found nothing, expected a whole number from 1 to 2147483647.',
  ],
  [
    'backends: [{name: a, kind: azure, url: "https://me:pat@dev.azure.com/O", project: p, pipeline: 1}]',
    'rcb.yaml:1:35: backends[0].url: found "https://…@dev.azure.com/O", expected an http or https URL without a password.',
  ],
  [
    'backends: [{name: a, kind: azure, url: "https://x", project: p, pipeline: seven}]',
    'rcb.yaml:1:65: backends[0].pipeline: found "seven", expected a whole number from 1 to 2147483647.',
  ],
  [
    'backends: [{name: a, kind: azure, url: "https://x", project: p, pipeline: 1, token: abc}]',
    `rcb.yaml:1:78: backends[0].token: ${noSecret} variable AZURE_DEVOPS_TOKEN.`,
  ],
  [
    'backends: [{name: a, kind: azure, url: "https://x", project: p, pipeline: 1, hook_password: abc}]',
    `rcb.yaml:1:78: backends[0].hook_password: ${noSecret} variable AZURE_HOOK_PASSWORD.`,
  ],
  [
    'backends: [{name: o, kind: obs, url: "ftp://x", project: "a b", template: x}]',
    'rcb.yaml:1:33: backends[0].url: found "ftp://x", expected an http or https URL without a password.',
    'rcb.yaml:1:49: backends[0].project: found "a b", expected the name of an OBS project like home:rcb.',
  ],
  [
    'backends: [{name: o, kind: obs, url: "https://x", project: h, template: x, user: me, password: abc}]',
    'rcb.yaml:1:76: backends[0].user: found an unknown key, expected it elsewhere. It belongs into the environment variable OBS_USER.',
    `rcb.yaml:1:86: backends[0].password: ${noSecret} variable OBS_PASSWORD.`,
  ],
  ['private_key: abc', `rcb.yaml:1:1: private_key: ${noSecret} variable PRIVATE_KEY.`],
  ['webhookSecret: abc', `rcb.yaml:1:1: webhookSecret: ${noSecret} variable WEBHOOK_SECRET.`],
  ['github_token: abc', `rcb.yaml:1:1: github_token: ${noSecret}.`],
  [
    'databaseUrl: postgres://u:p@h/d',
    'rcb.yaml:1:1: databaseUrl: found an unknown key, expected it elsewhere. It belongs into the environment variable DATABASE_URL.',
  ],
  [
    'port: 3000',
    'rcb.yaml:1:1: port: found an unknown key, expected it elsewhere. It belongs into the environment variable PORT.',
  ],
  [
    'poll: {github: {token: abc}}',
    'rcb.yaml:1:8: poll.github: found a map, expected seconds from 1 to 86400, or a duration like 90s or 5m.',
  ],
  ['poll: 60', 'rcb.yaml:1:1: poll: found 60, expected a map of github, azure, obs, git.'],
  [
    'poll: {github: 0}',
    'rcb.yaml:1:8: poll.github: found 0, expected seconds from 1 to 86400, or a duration like 90s or 5m.',
  ],
  [
    'poll: {git: 2d}',
    'rcb.yaml:1:8: poll.git: found "2d", expected seconds from 1 to 86400, or a duration like 90s or 5m.',
  ],
  [
    'poll: {gti: 5}',
    'rcb.yaml:1:8: poll.gti: found an unknown key, expected github, azure, obs or git. Did you mean "git"?',
  ],
  ['git: /srv/a.git', 'rcb.yaml:1:1: git: found "/srv/a.git", expected a list of paths.'],
  [
    'git: [https://example.org/a.git]',
    'rcb.yaml:1:7: git[0]: found "https://example.org/a.git", expected the path of a git repository.',
  ],
  ['policy: {}', 'rcb.yaml:1:1: policy: found a map, expected a list of rules.'],
  ['policy: [{}]', 'rcb.yaml:1:10: policy[0].branches: found nothing, expected a list of globs.'],
  [
    'policy: [{branches: []}]',
    'rcb.yaml:1:11: policy[0].branches: found an empty list, expected a list of globs, one at least.',
  ],
  [
    'policy: [{branches: ["*"], merge: mege}]',
    'rcb.yaml:1:28: policy[0].merge: found "mege", expected merge, squash or rebase. Did you mean "merge"?',
  ],
  ['policy: [{branches: ["*"], test: 1}]', 'rcb.yaml:1:28: policy[0].test: found 1, expected merge or head.'],
  [
    'policy: [{branches: ["*"], stale: no, partners: yes, forks: always, flappers: twice}]',
    'rcb.yaml:1:28: policy[0].stale: found "no", expected retest, overlap or merge.',
    'rcb.yaml:1:39: policy[0].partners: found "yes", expected rerun or note.',
    'rcb.yaml:1:54: policy[0].forks: found "always", expected never, ask, ask-new or test.',
    'rcb.yaml:1:69: policy[0].flappers: found "twice", expected off or once.',
  ],
  [
    'policy: [{branches: ["*"], optional: all}]',
    'rcb.yaml:1:28: policy[0].optional: found "all", expected a list of globs.',
  ],
  ['owners: raku', 'rcb.yaml:1:1: owners: found "raku", expected a list of GitHub accounts.'],
  ['owners: [raku/nqp]', 'rcb.yaml:1:10: owners[0]: found "raku/nqp", expected the name of a GitHub account.'],
  ['watch: next', 'rcb.yaml:1:1: watch: found "next", expected a list of globs.'],
  ['watch: [1]', 'rcb.yaml:1:9: watch[0]: found 1, expected a glob like release-*.'],
  ['limits: {building: 0}', 'rcb.yaml:1:10: limits.building: found 0, expected a whole number from 1 to 10000.'],
  [
    'limits: {catchUpRunsPerMinute: fast}',
    'rcb.yaml:1:10: limits.catchUpRunsPerMinute: found "fast", expected a whole number from 1 to 1000.',
  ],
  [
    'limits: {writeSpacing: 2m}',
    'rcb.yaml:1:10: limits.writeSpacing: found "2m", expected milliseconds from 0 to 60000, or a duration like 1s.',
  ],
  [
    'retention: {logs: 60}',
    'rcb.yaml:1:13: retention.logs: found 60, expected a duration with its unit like 12h or 60d, or forever. Write 60d for days.',
  ],
  [
    'retention: {logs: 0d}',
    'rcb.yaml:1:13: retention.logs: found "0d", expected a duration with its unit like 12h or 60d, or forever.',
  ],
  [
    'retention: {source: 60d}',
    'rcb.yaml:1:13: retention.source: found an unknown key, expected sources, logs, artifacts, events, valued or releases. Did you mean "sources"?',
  ],
  ['- 1', 'rcb.yaml:1:1: found a list of 1, expected a map of settings.'],
  ['hello', 'rcb.yaml:1:1: found "hello", expected a map of settings.'],
  [
    'watch: [a',
    'rcb.yaml:1:10: found text that is no YAML (Flow sequence in block collection must be sufficiently indented and end with a ]), expected YAML 1.2.',
  ],
  ['watch: [*]', 'rcb.yaml:1:9: found text that is no YAML (Alias cannot be an empty string), expected YAML 1.2.'],
  [
    'watch: [*a]',
    'rcb.yaml:1:9: watch[0]: found the alias "*a" without an anchor before it, expected a value, or in quotes if it is a glob.',
  ],
  [
    'watch: [a]\nwatch: [b]',
    'rcb.yaml:2:1: watch: found the key for the second time (first in line 1), expected each key once.',
  ],
  [
    'x: !!js/function y',
    'rcb.yaml:1:4: found text that is no YAML (Unresolved tag: tag:yaml.org,2002:js/function), expected YAML 1.2.',
  ],
  [
    'watch: [a]\n---\nwatch: [b]',
    'rcb.yaml:2:1: found text that is no YAML (Source contains multiple documents), expected YAML 1.2.',
  ],
  [
    '? [a]\n: b',
    'rcb.yaml:1:3: found text that is no YAML (With stringKeys, all keys must be strings), expected YAML 1.2.',
  ],
  [
    '"__proto__": 1',
    'rcb.yaml:1:1: __proto__: found an unknown key, expected stack, backends, submodules, poll, git, policy, flappers, owners, watch, limits or retention.',
  ],
  [
    'watch:\n\t- a',
    'rcb.yaml:2:1: found text that is no YAML (Tabs are not allowed as indentation), expected YAML 1.2.',
  ],
  [
    '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[',
    'rcb.yaml: found more than 50 levels of nesting, expected a flat file.',
  ],
  [
    'a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]',
    'rcb.yaml: found aliases that multiply, expected aliases that stand for 100 values at most.',
  ],
];

for (const [yaml, ...lines] of inFile) {
  test(`rcb.yaml: ${JSON.stringify(yaml.slice(0, 80))}`, () => assert.deepEqual(told(yaml), lines));
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
const app = { APP_ID: '17', PRIVATE_KEY: rsa.toString(), WEBHOOK_SECRET: 'a secret' };
const { PRIVATE_KEY: _key, ...appWithoutKey } = app;
const keyExpected = 'expected the RSA private key of the GitHub App, as PEM or as base64 of it.';
const fileExpected = 'expected a file that holds the private key of the GitHub App.';
const urlExpected = 'expected an http or https URL like https://rcb.example.org.';
const databaseExpected = 'expected a URL like postgresql://user:password@host:5432/database.';
const everybodyKnows = 'expected a secret. Probot falls back to this word: everybody knows it.';

const inEnvironment: [env: Record<string, string>, ...lines: string[]][] = [
  [{ PORT: 'http' }, 'environment: PORT: found "http", expected a port from 0 to 65535.'],
  [{ PORT: '65536' }, 'environment: PORT: found "65536", expected a port from 0 to 65535.'],
  [{ PORT: '-1' }, 'environment: PORT: found "-1", expected a port from 0 to 65535.'],
  [{ HOST: 'http://x' }, 'environment: HOST: found "http://x", expected a host name or address to listen on.'],
  [{ RCB_PUBLIC_URL: 'rcb.example.org' }, `environment: RCB_PUBLIC_URL: found "rcb.example.org", ${urlExpected}`],
  [{ RCB_PUBLIC_URL: 'ftp://x/' }, `environment: RCB_PUBLIC_URL: found "ftp://x/", ${urlExpected}`],
  [
    { LOG_LEVEL: 'wran' },
    'environment: LOG_LEVEL: found "wran", expected trace, debug, info, warn, error, fatal or silent. Did you mean "warn"?',
  ],
  [{ DATABASE_URL: 'mysql://u:hush@h/d' }, `environment: DATABASE_URL: found something else, ${databaseExpected}`],
  [{ DATABASE_URL: 'postgresql://h:port/d' }, `environment: DATABASE_URL: found something else, ${databaseExpected}`],
  [
    { GHE_HOST: 'https://ghe' },
    'environment: GHE_HOST: found "https://ghe", expected a bare host name like github.example.org.',
  ],
  [{ GHE_PROTOCOL: 'htps' }, 'environment: GHE_PROTOCOL: found "htps", expected https or http. Did you mean "https"?'],
  [
    { OBS_USER: 'me' },
    'environment: OBS_PASSWORD: found nothing, expected the password of OBS_USER. OBS_KEY_FILE may name an SSH key instead.',
  ],
  [{ OBS_KEY_FILE: 'x' }, 'environment: OBS_USER: found nothing, expected the user whose key OBS_KEY_FILE is.'],
  [{ OBS_PASSWORD: 'x' }, 'environment: OBS_USER: found nothing, expected the user whose password OBS_PASSWORD is.'],
  [
    { AZURE_DEVOPS_TOKEN: 'x\n' },
    'environment: AZURE_DEVOPS_TOKEN: found blanks around the value, expected the bare value.',
  ],
  [
    { RCB_DATADIR: '/data' },
    'environment: RCB_DATADIR: found an unknown variable, expected RCB_CONFIG, RCB_DATA_DIR, RCB_PUBLIC_URL, RCB_SESSION_KEY, RCB_SESSION_KEY_FILE or RCB_SESSION_KEY_PREVIOUS. Did you mean "RCB_DATA_DIR"?',
  ],
  [{ RCB_SOURCE_NQP: '/x', RCB_RUN: '1' }],
  [{ ...app, APP_ID: 'rcb' }, 'environment: APP_ID: found "rcb", expected the number of the GitHub App.'],
  [
    { APP_ID: '17' },
    'environment: WEBHOOK_SECRET: found nothing, expected the secret of the GitHub App. Without one anybody could send events.',
    `environment: PRIVATE_KEY: found nothing, ${keyExpected} PRIVATE_KEY_PATH may name a file instead.`,
  ],
  [
    { ...app, WEBHOOK_SECRET: '' },
    'environment: WEBHOOK_SECRET: found nothing, expected the secret of the GitHub App. Without one anybody could send events.',
  ],
  [
    { ...app, WEBHOOK_SECRET: 'development' },
    `environment: WEBHOOK_SECRET: found the word development, ${everybodyKnows}`,
  ],
  [
    { ...app, WEBHOOK_SECRET_PREVIOUS: 'development' },
    `environment: WEBHOOK_SECRET_PREVIOUS: found the word development, ${everybodyKnows}`,
  ],
  [
    { ...app, WEBHOOK_SECRET: ' x' },
    'environment: WEBHOOK_SECRET: found blanks around the value, expected the bare value.',
  ],
  [
    { ...app, PRIVATE_KEY: 'nonsense' },
    `environment: PRIVATE_KEY: found 8 characters that are no private key, ${keyExpected}`,
  ],
  [
    { ...app, PRIVATE_KEY: app.PRIVATE_KEY.slice(0, 200) },
    `environment: PRIVATE_KEY: found 200 characters that are no private key, ${keyExpected}`,
  ],
  [
    { ...app, PRIVATE_KEY: ed25519.toString() },
    `environment: PRIVATE_KEY: found a private key of type ed25519, ${keyExpected}`,
  ],
  [
    { ...app, PRIVATE_KEY_PATH: 'x' },
    'environment: PRIVATE_KEY_PATH: found it beside PRIVATE_KEY, expected one of the two.',
  ],
  [
    { ...appWithoutKey, PRIVATE_KEY_PATH: 'absent.pem' },
    `environment: PRIVATE_KEY_PATH: found "absent.pem", which does not exist, ${fileExpected}`,
  ],
  [
    { ...appWithoutKey, PRIVATE_KEY_PATH: 'rcb.yaml' },
    `environment: PRIVATE_KEY_PATH: found "rcb.yaml", which holds 11 characters that are no private key, ${keyExpected}`,
  ],
  [
    { RCB_CONFIG: 'other.yaml' },
    'other.yaml: found no file of this name, expected a readable file. It is named by the environment variable RCB_CONFIG.',
  ],
];

for (const [env, ...lines] of inEnvironment) {
  test(`environment: ${JSON.stringify(env)
    .replace(/-----BEGIN.*-----/, '…')
    .slice(0, 80)}`, () => {
    assert.deepEqual(told('watch: [a]\n', env), lines);
  });
}

test('the mistakes of file and environment are told together', () => {
  assert.deepEqual(told('poll: 1', { PORT: 'x' }).length, 2);
});

test('a file that is too large, or no UTF-8, is told as such', () => {
  assert.deepEqual(told(`#${' '.repeat(256_000)}`), [
    'rcb.yaml: found a file of more than 256 kB, expected a configuration of at most 256 kB.',
  ]);
  assert.deepEqual(told(Buffer.from([0x61, 0xff])), [
    'rcb.yaml: found bytes that are no UTF-8, expected a text in UTF-8.',
  ]);
});

test('a file that cannot be read is told with the reason', () => {
  const denied = Object.assign(new Error('denied'), { code: 'EACCES' });
  const loaded = loadConfig({}, { read: () => assert.fail(denied) });
  assert.deepEqual(
    'mistakes' in loaded && loaded.mistakes[0]?.found,
    'a file that may not be read (permission denied)',
  );
});

test('200 mistakes are shown, the rest is counted', () => {
  const yaml = Array.from({ length: 300 }, (_, index) => `key${index}: 1`).join('\n');
  const lines = told(yaml);
  assert.equal(lines.length, 201);
  assert.equal(lines.at(-1), '… and 100 more.');
});

test('no message holds a secret’s value', () => {
  const secret = 'hunter2hunter2';
  const yaml = `token: ${secret}\nbackends: [{name: a, kind: azure, url: "https://u:${secret}@h", token: ${secret}}]`;
  const env = { ...app, PRIVATE_KEY: secret, DATABASE_URL: `mysql://u:${secret}@h/d`, OBS_PASSWORD: `${secret} ` };
  const lines = told(yaml, env);
  assert.ok(lines.length >= 6, lines.join('\n'));
  assert.ok(!lines.join('\n').includes('hunter2'), lines.join('\n'));
});

test('edit distance counts letters put in, left out, replaced and swapped', () => {
  assert.deepEqual(
    [
      editDistance('poll', 'poll'),
      editDistance('pol', 'poll'),
      editDistance('plol', 'poll'),
      editDistance('pull', 'poll'),
    ],
    [0, 1, 1, 1],
  );
});

const anyKey = fc.oneof(
  fc.constantFrom('stack', 'backends', 'poll', 'git', 'policy', 'owners', 'watch', 'limits', 'retention'),
  fc.constantFrom(
    'name',
    'kind',
    'url',
    'branches',
    'repository',
    'pins',
    'trees',
    'release',
    'omit',
    'timeout',
    'logs',
  ),
  fc.string({ maxLength: 12 }),
);
const anyWord = fc.oneof(
  fc.constantFrom('raku', 'local', 'azure', 'obs', 'a/b', '60d', '*', 'off'),
  fc.string({ unit: 'binary' }),
);
const { anyValue } = fc.letrec((tie) => ({
  anyValue: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    anyWord,
    fc.double(),
    fc.constantFrom(null, true, 3, 0),
    fc.array(tie('anyValue'), { maxLength: 4 }),
    fc.dictionary(anyKey, tie('anyValue'), { maxKeys: 6 }),
  ),
}));

/** Either a configuration that can be asked, or mistakes that can be shown. */
function assertNoThrow(yaml: string | Uint8Array, env: Record<string, string>): void {
  const loaded = loadConfig(env, { read: () => Buffer.from(yaml) });
  if ('mistakes' in loaded) {
    assert.ok(loaded.mistakes.length > 0);
    assert.ok(loaded.mistakes.every(({ found, expected }) => found !== '' && expected !== ''));
    assert.match(formatMistakes(loaded.mistakes), /^\d+ mistakes? in the configuration:\n {2}\S/);
  } else {
    assert.ok(policyFor(loaded.config.policy, 'main').forks);
  }
}

test('any YAML of any shape is a configuration or mistakes, never an exception', () => {
  fc.assert(
    fc.property(anyValue, (value) => assertNoThrow(stringify(value), {})),
    { numRuns: 500 },
  );
});

test('any bytes are a configuration or mistakes, never an exception', () => {
  const yamlish = fc.string({ unit: fc.constantFrom(...'ab0-:?*&!|>%@`#,[]{}"\'\\ \n\t'), maxLength: 80 });
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), yamlish, fc.string({ unit: 'binary', maxLength: 100 }));
  fc.assert(
    fc.property(bytes, (given) => assertNoThrow(given, {})),
    { numRuns: 1500 },
  );
});

test('any environment is a configuration or mistakes, never an exception', () => {
  const names = fc.oneof(fc.constantFrom(...variables), fc.string());
  const values = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
    fc.constantFrom(app.PRIVATE_KEY, '17', 'postgres://%'),
  );
  fc.assert(
    fc.property(fc.dictionary(names, values), (env) => assertNoThrow('', env)),
    { numRuns: 500 },
  );
});
