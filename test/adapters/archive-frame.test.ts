import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compressText, describeText, type Frame, openFrame, sha256Of } from '../../src/archive/frame.ts';

const frameOf = (text: Buffer, size: number): Frame => ({ at: 0, size, start: 0, source: 0, ...describeText(text) });

test('a sound frame with the text of another is corrupt, even when it has the same length', async () => {
  const right = Buffer.from('all tests passed\n');
  const wrong = Buffer.from('all tests failed\n');
  const payload = await compressText(right, 3);
  assert.ok(right.equals(await openFrame(frameOf(right, payload.length), payload, 'It')));
  const other = await compressText(wrong, 3);
  await assert.rejects(openFrame(frameOf(right, other.length), other, 'It'), { kind: 'corrupt' });
});

for (const [text, newlines, head, last] of [
  ['', 0, 0, 0],
  ['abc', 0, 3, 3],
  ['\n', 1, 0, 0],
  ['ab\ncde', 1, 2, 3],
  ['a\n\nb\n', 3, 1, 0],
] as const) {
  test(`what the index knows of ${JSON.stringify(text)}`, () => {
    const bytes = Buffer.from(text);
    assert.deepEqual(describeText(bytes), { bytes: bytes.length, newlines, head, last, sha256: sha256Of(bytes) });
  });
}
