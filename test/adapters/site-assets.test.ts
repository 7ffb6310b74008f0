import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { memoryReader, siteOf } from './site-fakes.ts';

const ASSETS = new URL('../../src/site/assets/', import.meta.url);

test('all our own script and style together stay under 50 kB', () => {
  const own = readdirSync(ASSETS).filter((name) => /\.(?:js|css)$/.test(name));
  const bytes = own.reduce((sum, name) => sum + statSync(new URL(name, ASSETS)).size, 0);
  assert.ok(own.length >= 3 && bytes < 50_000, `${own.join(', ')}: ${bytes} bytes`);
});

test('a page asks for nothing but our own files, and says none of its script or style itself', async () => {
  const { get } = siteOf(memoryReader([]));
  for (const path of ['/', '/service', '/ledger', '/no-such-page']) {
    const answer = await get(path);
    const page = await answer.text();
    assert.doesNotMatch(page, /<style|<script(?![^>]* src="\/assets\/)|\sstyle="|\son[a-z]+="/, path);
    assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'.*script-src 'self'/, path);
  }
});
