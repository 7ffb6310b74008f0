import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyringOf, NONCE_BYTES, open, seal } from '../../src/core/secret-box.ts';

const ring = keyringOf(['a key of at least thirty-two characters']);
const other = keyringOf(['another key of at least thirty-two characters']);
const nonce = Buffer.alloc(NONCE_BYTES, 7);

test('what was sealed opens with the same key and in the same place, whatever it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
      assert.equal(open(seal(text, ring, context, nonce), ring, context), text);
    }),
  );
});

test('it opens nowhere else, and with no other key', () => {
  const box = seal('ghu_secret', ring, 'session-1', nonce);
  assert.equal(open(box, ring, 'session-2'), undefined);
  assert.equal(open(box, other, 'session-1'), undefined);
  assert.doesNotMatch(Buffer.from(box.split('.')[3]!, 'base64url').toString('latin1'), /ghu_/);
});

test('a box of which any bit was changed does not open', () => {
  const box = seal('ghu_secret', ring, 'here', nonce);
  const [version, id, iv = '', sealed = ''] = box.split('.');
  for (const [place, part] of [iv, sealed].entries()) {
    const bytes = Buffer.from(part, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const text = changed.toString('base64url');
      const parts = place === 0 ? [version, id, text, sealed] : [version, id, iv, text];
      assert.equal(open(parts.join('.'), ring, 'here'), undefined, `part ${place}, bit ${bit}`);
    }
  }
});

test('any text that is no box is just that', () => {
  const box = seal('x', ring, 'here', nonce);
  const cut = [...box].map((_, at) => box.slice(0, at));
  for (const text of ['', '.', '...', 'v1', `${box}.more`, box.replace('v1', 'v2'), ...cut]) {
    assert.equal(open(text, ring, 'here'), undefined, text);
  }
  fc.assert(fc.property(fc.string(), (text) => assert.equal(open(text, ring, 'here'), undefined)));
});

test('a key is replaced: the new one seals, the old one still opens until it is taken away', () => {
  const [before, after] = ['the key before, of thirty-two characters', 'the key after it, of thirty-two characters'];
  const old = seal('secret', keyringOf([before]), 'here', nonce);
  const both = keyringOf([after, before]);
  assert.equal(open(old, both, 'here'), 'secret');
  const fresh = seal('secret', both, 'here', nonce);
  assert.equal(open(fresh, keyringOf([after]), 'here'), 'secret');
  assert.equal(open(old, keyringOf([after]), 'here'), undefined);
});

test('a ring without keys is a mistake of ours', () => assert.throws(() => keyringOf([])));
