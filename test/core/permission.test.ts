import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Command } from '../../src/core/command.ts';
import { commandMessages } from '../../src/core/messages-commands.ts';
import { type Allowance, type Asking, decidePermission } from '../../src/core/permission.ts';

const said = (allowance: Allowance): string =>
  allowance.allowed
    ? `yes: ${allowance.because}${allowance.liftsHold ? ', lifts the hold' : ''}`
    : `no: ${allowance.because}`;

/** The actor is 5, the author 6, unless a row says otherwise. */
const rows: [string, Partial<Asking> & { as: Asking['actor']['permission'] }, string][] = [
  ['who may write re-tests', { as: 'write' }, 'yes: may-write'],
  ['an administrator re-tests', { as: 'admin' }, 'yes: may-write'],
  ['a reader does not', { as: 'read' }, 'no: needs-write'],
  ['who is blocked does not', { as: 'none' }, 'no: no-access'],
  ['the author re-tests', { as: 'read', authorId: '5' }, 'yes: author'],
  ['a blocked author does not', { as: 'none', authorId: '5' }, 'no: no-access'],
  ['nobody is the author of what has none', { as: 'read', authorId: undefined }, 'no: needs-write'],
  ['a maintainer’s word lifts a hold', { as: 'write', hold: 'maintainer' }, 'yes: may-write, lifts the hold'],
  ['the author’s own word does not', { as: 'read', authorId: '5', hold: 'maintainer' }, 'no: needs-maintainer'],
  [
    'an author who may write is a maintainer',
    { as: 'write', authorId: '5', hold: 'maintainer' },
    'yes: may-write, lifts the hold',
  ],
  ['a reader’s word does not', { as: 'read', hold: 'maintainer' }, 'no: needs-write'],
  ['"never" is never', { as: 'admin', hold: 'never' }, 'no: forks-never'],
  ['latest is a re-test', { as: 'read', command: 're-test latest' }, 'no: needs-write'],
  ['failed is a re-test', { as: 'read', authorId: '5', command: 're-test failed' }, 'yes: author'],
  ['who may write merges', { as: 'write', command: 'merge on success' }, 'yes: may-write'],
  ['the author does not', { as: 'read', authorId: '5', command: 'merge on success' }, 'no: needs-write'],
  ['a wish to merge lifts no hold', { as: 'write', command: 'merge on success', hold: 'maintainer' }, 'yes: may-write'],
  ['who may write cancels', { as: 'write', command: 'cancel', requesterId: '6' }, 'yes: may-write'],
  ['who asked cancels', { as: 'read', command: 'cancel', requesterId: '5' }, 'yes: own-wish'],
  ['others do not', { as: 'read', command: 'cancel', requesterId: '6' }, 'no: needs-write'],
  [
    'the author does not cancel others’ wishes',
    { as: 'read', command: 'cancel', authorId: '5', requesterId: '6' },
    'no: needs-write',
  ],
  ['nobody’s wish is nobody’s to cancel', { as: 'read', command: 'cancel', requesterId: undefined }, 'no: needs-write'],
  ['anybody may ask why', { as: 'read', command: 'why' }, 'yes: anybody'],
  ['anybody may ask for help', { as: 'read', command: 'help' }, 'yes: anybody'],
  ['but not who is blocked', { as: 'none', command: 'help' }, 'no: no-access'],
];

for (const [title, { as, ...change }, expected] of rows) {
  test(`${title}: ${expected}`, () => {
    const asking: Asking = { actor: { id: '5', permission: as }, command: 're-test', authorId: '6', ...change };
    assert.equal(said(decidePermission(asking)), expected);
  });
}

const ids = fc.constantFrom('5', '6', undefined);
const command = fc.constantFrom<Command[]>('re-test', 're-test latest', 're-test failed', 'merge on success', 'cancel');
const asking = fc.record({
  actor: fc.record({ id: fc.constant('5'), permission: fc.constantFrom('read' as const, 'none' as const) }),
  command,
  authorId: ids,
  requesterId: ids,
  hold: fc.constantFrom('maintainer' as const, 'never' as const, undefined),
});

test('without write permission nobody merges, lifts a hold, or touches what is not his own', () => {
  fc.assert(
    fc.property(asking, (asked) => {
      const allowance = decidePermission(asked);
      if (!allowance.allowed) return;
      assert.notEqual(asked.command, 'merge on success');
      assert.equal(allowance.liftsHold, false);
      assert.equal(asked.command === 'cancel' ? asked.requesterId : asked.authorId, '5');
      if (asked.command !== 'cancel') assert.equal(asked.hold, undefined);
    }),
  );
});

test('every refusal has its sentence, but who is blocked gets none', () => {
  assert.match(commandMessages.refused('re-test', 'needs-write')!, /`\{re-test\}`: .*author of the pull request/);
  assert.match(
    commandMessages.refused('merge on success', 'needs-write')!,
    /`\{merge on success\}`: .*write permission/,
  );
  assert.match(commandMessages.refused('cancel', 'needs-write')!, /`\{rcb: cancel\}`: what others have asked for/);
  assert.match(commandMessages.refused('re-test', 'needs-maintainer')!, /`policy\.forks` wants/);
  assert.match(commandMessages.refused('re-test', 'forks-never')!, /are not tested here/);
  assert.equal(commandMessages.refused('help', 'no-access'), undefined);
});
