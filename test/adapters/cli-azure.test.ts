import assert from 'node:assert/strict';
import { test } from 'node:test';
import { azureHooks } from '../../src/cli/azure.ts';
import { loadConfig } from '../../src/config/load.ts';
import { StandInAzure } from '../standins/azure/index.ts';

const signal = new AbortController().signal;

function configFor(azure: StandInAzure, env: Record<string, string> = {}) {
  const yaml = `backends: [{ name: az, kind: azure, url: "${azure.url}", project: raku, pipeline: 7 }]`;
  const all = { AZURE_DEVOPS_TOKEN: 'a-pat-that-is-good', RCB_PUBLIC_URL: 'https://rcb.example', ...env };
  const loaded = loadConfig(all, { read: (path) => (path.endsWith('rcb.yaml') ? Buffer.from(yaml) : undefined) });
  if ('mistakes' in loaded) assert.fail(JSON.stringify(loaded.mistakes));
  return loaded.config;
}

test('hooks are shown, made where they are missing, and named where they have a problem', async () => {
  const azure = await StandInAzure.start();
  try {
    const config = configFor(azure, { AZURE_HOOK_PASSWORD: 'hush' });
    const before = await azureHooks({ do: 'status', config, signal });
    assert.equal(before.ok, false);
    assert.match(before.said.join('\n'), /PROBLEM build\.complete: not there[\s\S]*rcb azure hook install/);
    const installed = await azureHooks({ do: 'install', config, signal });
    assert.equal(installed.ok, true, installed.said.join('\n'));
    const [first] = azure.hooks.subscriptions;
    assert.deepEqual([first?.url, first?.password], ['https://rcb.example/hooks/azure', 'hush']);
    first!.status = 'onProbation';
    const later = await azureHooks({ do: 'install', config, backend: 'az', signal });
    assert.match(later.said.join('\n'), /PROBLEM build\.complete: on probation/);
    assert.equal(azure.hooks.subscriptions.length, 3, 'nothing was made twice');
  } finally {
    await azure.close();
  }
});

test('what is missing for it is said', async () => {
  const azure = await StandInAzure.start();
  try {
    await assert.rejects(azureHooks({ do: 'install', config: configFor(azure), signal }), /AZURE_HOOK_PASSWORD/);
    const nowhere = configFor(azure, { RCB_PUBLIC_URL: '' });
    await assert.rejects(azureHooks({ do: 'status', config: nowhere, signal }), /RCB_PUBLIC_URL/);
    await assert.rejects(azureHooks({ do: 'status', config: configFor(azure), backend: 'x', signal }), /"x"/);
  } finally {
    await azure.close();
  }
});
