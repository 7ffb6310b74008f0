import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedBy } from '../../src/core/run-asked.ts';

const seen = (login: unknown, source: unknown) => ({ kind: 'command.seen', payload: { actor: { login }, source } });
const requested = { kind: 'run.requested' };

test('the last command before the run asked for it', () => {
  const rows = [
    seen('early', { kind: 'comment', id: '1' }),
    seen('liz', { kind: 'comment', id: '2' }),
    requested,
    seen('late', { kind: 'comment', id: '3' }),
  ];
  assert.deepEqual(askedBy(rows), { login: 'liz', commentId: '2' });
});

test('a button and a description have no comment', () => {
  assert.deepEqual(askedBy([seen('liz', { kind: 'button', at: 'x' }), requested]), { login: 'liz' });
  assert.deepEqual(askedBy([seen('liz', { kind: 'description', number: 7 }), requested]), { login: 'liz' });
});

test('nobody asked, or it cannot be told any more', () => {
  for (const payload of [undefined, null, 'text', {}, { actor: null }, { actor: { login: 7 } }])
    assert.equal(askedBy([{ kind: 'command.seen', payload }, requested]), undefined);
  assert.equal(askedBy([requested]), undefined);
  assert.equal(askedBy([]), undefined);
});
