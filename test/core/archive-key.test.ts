import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { archiveQuery, isArchiveKey } from '../../src/core/archive-key.ts';
import { keyringOf } from '../../src/core/secret-box.ts';
import { later, NOW } from '../support/builders.ts';

const SHA256 = 'c'.repeat(64);
const UNTIL = later(3_600);
const ring = keyringOf(['a key that is long and random']);
const asked = (query: string) => {
  const given = new URLSearchParams(query);
  return { until: given.get('until') ?? undefined, key: given.get('key') ?? undefined };
};
const signed = asked(archiveQuery(SHA256, UNTIL, ring));

test('an address is good for its bytes, until its time is over', () => {
  assert.equal(signed.until, String(UNTIL.getTime() / 1_000));
  assert.ok(isArchiveKey(SHA256, signed, ring, NOW));
  assert.ok(isArchiveKey(SHA256, signed, ring, later(3_599)));
  assert.ok(!isArchiveKey(SHA256, signed, ring, later(3_600)));
  assert.ok(!isArchiveKey('d'.repeat(64), signed, ring, NOW));
});

test('it needs nothing that a shell, YAML or curl would take for something else than text, but ? and &', () => {
  fc.assert(
    fc.property(fc.date({ min: NOW, max: new Date('9999-01-01'), noInvalidDate: true }), (until) => {
      assert.match(archiveQuery(SHA256, until, ring), /^\?until=\d+&key=[\w-]{43}$/);
    }),
  );
});

const changed: [string, { until?: string; key?: string }][] = [
  ['nothing', {}],
  ['no key', { until: signed.until! }],
  ['no time', { key: signed.key! }],
  ['a later time', { ...signed, until: String(Number(signed.until) + 1) }],
  ['the same time in other words', { ...signed, until: `0${signed.until}` }],
  ['the same time with a sign', { ...signed, until: `+${signed.until}` }],
  ['a time without end', { ...signed, until: 'Infinity' }],
  ['an endless time', { ...signed, until: '9'.repeat(400) }],
  ['half a key', { ...signed, key: signed.key!.slice(0, 20) }],
  ['a key and more', { ...signed, key: `${signed.key}=` }],
  ['another key', { ...signed, key: signed.key!.replace(/./g, 'A') }],
  ['a key that is no text', { ...signed, key: '\0\uD800'.repeat(1_000) }],
];
for (const [title, query] of changed) {
  test(`${title} is no key`, () => assert.equal(isArchiveKey(SHA256, query, ring, NOW), false));
}

test('whatever is asked with, it is no key, and no error', () => {
  const text = fc.option(fc.string({ unit: 'binary' }), { nil: undefined });
  fc.assert(
    fc.property(text, text, fc.string(), (until, key, sha256) => {
      assert.equal(isArchiveKey(sha256, { until, key }, ring, NOW), false);
    }),
  );
});

test('a key of the ring that was replaced is good while it is in the ring, and no other one is', () => {
  const next = keyringOf(['the next key', 'a key that is long and random']);
  assert.ok(isArchiveKey(SHA256, signed, next, NOW));
  assert.ok(!isArchiveKey(SHA256, signed, keyringOf(['the next key']), NOW));
  assert.ok(!isArchiveKey(SHA256, asked(archiveQuery(SHA256, UNTIL, next)), ring, NOW));
});
