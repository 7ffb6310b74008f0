import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ProvedFiles, proveLog } from '../../support/prove-log.ts';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, startWorld, type World } from '../../support/world.ts';

/** What tests did is remembered: which failure is news, and which was none of the change's. */
describe('the record of tests', { timeout: 300_000 }, () => {
  let world: World;
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rcb-record-'));
    await writeFile(join(dir, 'play'), PLAY);
    world = await startWorld({
      yaml: [
        'limits: { writeSpacing: 0 }',
        `backends: [{ name: local, kind: local, timeout: 120, silence: 120, sandbox: plain, command: "sh ${dir}/play ${dir}" }]`,
      ].join('\n'),
      files: { 'attempt-1': played({ passed: [FLAKY, REAL] }) },
    });
    world.github.setPermission(REPO, 'maintainer', 'write');
  });
  after(async () => {
    await world.stop();
    await rm(dir, { recursive: true, force: true });
  });

  interface Failed {
    file: string;
    news?: string;
    since?: string;
    flapped: boolean;
    line?: number;
    main?: { branch: string; failed: boolean };
  }
  const failuresOf = async (run: RunJson) =>
    (JSON.parse(await world.text(`/api/runs/${run.id}`)) as { failures: { files: Failed[] } }).failures.files;

  test('a failure is new, then failing since; what passed with the same commits was a flap', async () => {
    const main = await world.github.commit(REPO, 'main', { files: { 'attempt-1': played({ passed: [FLAKY, REAL] }) } });
    assert.equal((await world.run(main)).verdict, 'passed');
    const pull = await world.github.openPullRequest({
      repo: REPO,
      head: 'breaks',
      files: {
        'attempt-1': played({ failed: { [FLAKY]: [2], [REAL]: [1, 2] } }),
        'attempt-2': played({ passed: [FLAKY], failed: { [REAL]: [1] } }),
      },
    });
    const first = await world.run(pull.headSha);
    assert.equal(first.verdict, 'failed');
    assert.deepEqual(
      (await failuresOf(first)).map(({ file, news, main, flapped }) => [file, news, main?.failed, flapped]),
      [
        [REAL, 'new', false, false],
        [FLAKY, 'new', false, false],
      ],
    );

    await world.github.comment(REPO, pull.number, '{re-test}', { by: 'maintainer' });
    let again: RunJson | undefined;
    await until(async () => {
      again = (await world.runs(`?sha=${pull.headSha}`)).find(
        ({ id, state }) => id !== first.id && state === 'finished',
      );
      return again !== undefined;
    }, 120_000);
    const [real, ...others] = await failuresOf(again!);
    assert.deepEqual([real?.file, real?.news, real?.since, others.length], [REAL, 'since', first.id, 0]);
    const flapped = (await failuresOf(first)).map(({ file, flapped: isFlap }) => [file, isFlap]);
    assert.deepEqual(flapped, [
      [REAL, false],
      [FLAKY, true],
    ]);

    const { flappers } = JSON.parse(await world.text('/api/flappers'));
    assert.equal(flappers.length, 1);
    const { file, job, failed, flapped: flaps, failures } = flappers[0];
    assert.deepEqual([file, failed, flaps, failures[0].run], [FLAKY, 1, 1, first.id]);
    assert.match(job, /^local \/ /);

    const page = await world.text(`/runs/${first.id}`);
    assert.ok(page.includes('What failed') && page.includes('passed with the same commits'));
    const line = (await failuresOf(first)).find((each) => each.file === REAL)?.line;
    assert.ok(page.includes(`#L${line}"`), 'it leads to the line');
    const log = (await world.text(first.builds[0]!.jobs[0]!.logUrl!)).split('\n');
    assert.match(log.slice(line! - 3, line).join('\n'), /# Failed test 1\n.*real\.t .*\nDubious/, 'which tells of it');
  });
});

const FLAKY = 't/spec/S17-procasync/kill.t';
const REAL = 't/02-rakudo/real.t';

const played = (files: ProvedFiles): string =>
  [
    ...proveLog(files).map((line) => `echo '${line}'`),
    `exit ${Object.keys(files.failed ?? {}).length > 0 ? 1 : 0}`,
    '',
  ].join('\n');

/** What an attempt does is in the commit: its number is that of the first name that nobody has taken. */
const PLAY = `
n=1
until mkdir "$1/$RCB_SHA-$n" 2>/dev/null; do n=$((n + 1)); done
exec sh "attempt-$n"
`;
