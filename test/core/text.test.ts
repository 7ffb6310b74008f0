import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutText, escapeMarkdown, fenced, stripAnsi } from '../../src/core/text.ts';

const cuts: [string, string, number, string][] = [
  ['text that fits is left alone', 'four', 4, 'four'],
  ['longer text makes room for the note', 'abcdefgh', 6, 'abc…'],
  ['a character is never split', 'ab💥💥', 9, 'ab💥…'],
  ['a character that would be split is dropped whole', 'ab💥💥', 8, 'ab…'],
  ['nothing stays nothing', '', 3, ''],
];
for (const [title, text, bytes, expected] of cuts) {
  test(`cutting: ${title}`, () => assert.equal(cutText(text, bytes), expected));
}

test('cutting any text, at any place, keeps the count of bytes and makes no broken character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 3, max: 80 }), (text, bytes) => {
      const cut = cutText(text, bytes);
      assert.ok(Buffer.byteLength(cut) <= bytes);
      assert.equal(cut.includes('\ufffd'), text.includes('\ufffd') && cut.includes('\ufffd'));
      assert.ok(cut === text || text.startsWith(cut.slice(0, -1)));
    }),
    { numRuns: 2_000 },
  );
});

const escapes: [string, string, string][] = [
  ['a table cell', 'a|b', 'a\\|b'],
  ['a link', '[a](https://b)', '\\[a\\]\\(https://\u200bb\\)'],
  ['a tag and an entity', '<img src=x>&lt;', '\\<img src=x\\>\\&lt;'],
  ['a reference to an issue', 'fixes #7', 'fixes \\#7'],
  ['code', '`rm`', '\\`rm\\`'],
  ['a backslash', 'a\\|b', 'a\\\\\\|b'],
];
for (const [title, text, expected] of escapes) {
  test(`escaped: ${title}`, () => assert.equal(escapeMarkdown(text), expected));
}

test('a mention mentions nobody', () => assert.doesNotMatch(escapeMarkdown('@octocat'), /@octocat/));

test('a bare address becomes no link', () => {
  // GFM, "Autolinks (extension)": these words alone are enough.
  for (const text of ['see https://evil.example', 'see www.evil.example']) {
    assert.doesNotMatch(escapeMarkdown(text), /(https?:\/\/|www\.)[a-z]/, text);
  }
});

test('a line under a line makes no heading of it', () => {
  // CommonMark, "Setext headings".
  for (const text of ['big\n===', 'big\n---']) assert.doesNotMatch(escapeMarkdown(text), /\n(=+|-+)$/, text);
});

test('a fence is longer than any backquotes inside', () => {
  assert.equal(fenced('plain'), '```text\nplain\n```');
  assert.equal(fenced('a\n```\nb'), '````text\na\n```\nb\n````');
  assert.match(fenced('`'.repeat(9)), /^`{10}text\n/);
});

test('no text leaves its fence', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('`', '\n', ' ', 'x'), maxLength: 40 }), (text) => {
      const [open, ...rest] = fenced(text).split('\n');
      const fence = open!.replace('text', '');
      assert.equal(
        rest.findIndex((line) => line.trim().startsWith(fence)),
        rest.length - 1,
      );
    }),
  );
});

const terminal: [string, string, string][] = [
  ['colours', '\u001b[1;31mred\u001b[0m', 'red'],
  ['colours with colons', '\u001b[38:2::1:2:3mrgb', 'rgb'],
  ['a title for the window', '\u001b]0;title\u0007text', 'text'],
  ['a link', '\u001b]8;;http://x\u001b\\text\u001b]8;;\u001b\\', 'text'],
  ['other controls', 'a\u0000b\rc\u0007', 'abc'],
  ['tab and newline stay', 'a\tb\nc', 'a\tb\nc'],
  ['a sequence that does not end', 'a\u001b[12', 'a12'],
];
for (const [title, text, expected] of terminal) {
  test(`terminal output as plain text: ${title}`, () => assert.equal(stripAnsi(text), expected));
}

test('hostile terminal output takes no longer than other output', () => {
  const started = process.cpuUsage();
  for (const part of ['\u001b[', '\u001b]', '\u001b[1;', '\u001b[ ']) stripAnsi(part.repeat(50_000));
  stripAnsi(`\u001b[${'1'.repeat(500_000)}`);
  assert.ok(process.cpuUsage(started).user < 2_000_000, 'more than two seconds of work for 700 kB');
});
