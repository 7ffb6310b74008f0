import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, runProgram, startPlainWorld } from '../support/plain-world.ts';

/**
 * RCB tests RCB: the committed files of this very repository are pushed to a plain git repository as one commit, and
 * type-checked there. The history is left out (a shallow clone may not be pushed), and the installed packages and the
 * generated client, which are not committed, are lent by links: nothing is downloaded. A sandbox would hide what the
 * links lead to; our own repository is trusted.
 */
const lent = ['node_modules', 'src/generated'].map((path) => `ln -s '${join(root, path)}' '${path}'`).join(' && ');
const command = `${lent} && node_modules/.bin/tsc`;

test('this repository passes its own quick check, and fails it with a mistake', { timeout: 120_000 }, async () => {
  const world = await startPlainWorld({ backend: `, sandbox: plain, command: ${JSON.stringify(command)}` });
  try {
    await world.installHook('--wait', '60s');
    const clone = await world.clone('itself');
    const packed = await runProgram('sh', ['-c', 'git -C "$0" archive HEAD | tar -x -C "$1"', root, clone.path], {
      env: { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
    });
    assert.equal(packed.code, 0, packed.stderr);
    const sha = await clone.commit({}, 'This repository');
    const seen = await clone.push();
    assert.match(seen, /RCB: main: passed in \d+ s/, seen);
    const run = await world.run(sha);
    assert.ok(run.sources[0]!.archive!.size > 100_000);

    await clone.commit({ 'src/mistake.ts': '#!/usr/bin/env node\nexport const text: string = 1;\n' }, 'A mistake');
    const failed = await clone.push();
    assert.match(failed, /src\/mistake\.ts\(2,14\): error TS2322/, failed);
    assert.match(failed, /RCB: main: failed in/, failed);
  } finally {
    await world.stop();
  }
});
