import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Commands,
  commandOfButton,
  commandsOf,
  oneRetest,
  parseCommands,
  retestFailedButton,
} from '../../src/core/command.ts';
import type { CommentFacts } from '../../src/core/event.ts';
import { commandMessages } from '../../src/core/messages-commands.ts';
import { escapeMarkdown } from '../../src/core/text.ts';

/** The commands in order, and unknown words with a question mark before them. */
const said = ({ commands, unknown }: Commands): string =>
  [...commands, ...unknown.map((word) => `?${word}`)].join(', ') || 'nothing';

/** Each group: comments, and what they ask for. */
const groups: Record<string, [comment: string, expected: string][]> = {
  'both brackets, any case, any separator': [
    ['{re-test}', 're-test'],
    ['<re-test>', 're-test'],
    ['{merge on success}', 'merge on success'],
    ['<merge on success>', 'merge on success'],
    ['{Re-Test}', 're-test'],
    ['<RE-TEST>', 're-test'],
    ['{MERGE ON SUCCESS}', 'merge on success'],
    ['{re test}', 're-test'],
    ['{re_test}', 're-test'],
    ['<re test>', 're-test'],
    ['<re_test>', 're-test'],
    ['{retest}', 're-test'],
    ['<retest>', 're-test'],
    ['{merge-on-success}', 'merge on success'],
    ['<merge-on-success>', 'merge on success'],
    ['<merge_on_success>', 'merge on success'],
    ['{merge_on-success}', 'merge on success'],
    ['{ re-test }', 're-test'],
    ['< re-test >', 're-test'],
    ['{\tmerge  on   success\t}', 'merge on success'],
    ['{merge\non\nsuccess}', 'merge on success'],
    ['<merge on\nsuccess>', 'merge on success'],
    ['{re\u2011test}', 're-test'],
    ['{re–test}', 're-test'],
    ['<re-test/>', 're-test'],
    ['<re-test />', 're-test'],
    ['<merge on success/>', 'merge on success'],
  ],
  'the forms of re-test': [
    ['{re-test latest}', 're-test latest'],
    ['<re-test latest>', 're-test latest'],
    ['{re-test-latest}', 're-test latest'],
    ['{retest latest}', 're-test latest'],
    ['{rcb: re-test latest}', 're-test latest'],
    ['{rcb: rt latest}', 're-test latest'],
    ['{re-test failed}', 're-test failed'],
    ['<re_test_failed>', 're-test failed'],
    ['{rcb: re-test failed}', 're-test failed'],
    ['<rcb: rt failed>', 're-test failed'],
  ],
  'the spellings of the former bot': [
    ['{rcb: re-test}', 're-test'],
    ['{rcb:re-test}', 're-test'],
    ['{rcb : re-test}', 're-test'],
    ['{RCB: RE-TEST}', 're-test'],
    ['{rcb: rt}', 're-test'],
    ['{rcb:rt}', 're-test'],
    ['<rcb: rt>', 're-test'],
    ['<rcb:rt>', 're-test'],
    ['{rcb: merge-on-success}', 'merge on success'],
    ['{rcb: merge on success}', 'merge on success'],
    ['{rcb: mos}', 'merge on success'],
    ['{ rcb: MOS }', 'merge on success'],
    ['<rcb:mos>', 'merge on success'],
    ['<rcb: merge on success>', 'merge on success'],
    ['{rcb: retest}', 're-test'],
  ],
  'the other commands have the prefix': [
    ['{rcb: cancel}', 'cancel'],
    ['<rcb: cancel>', 'cancel'],
    ['{rcb: why}', 'why'],
    ['{rcb: WHY}', 'why'],
    ['{rcb: help}', 'help'],
    ['{rcb:}', 'help'],
    ['{rcb: }', 'help'],
    ['{cancel}', 'nothing'],
    ['<cancel>', 'nothing'],
    ['{why}', 'nothing'],
    ['{help}', 'nothing'],
    ['{rt}', 'nothing'],
    ['{mos}', 'nothing'],
    ['{rcb}', 'nothing'],
  ],
  'unknown words after the prefix, and only there': [
    ['{rcb: retset}', '?retset'],
    ['{rcb: merge}', '?merge'],
    ['<rcb: make it so>', '?make it so'],
    ['<rcb:frob>', '?frob'],
    ['{rcb: False}', '?False'],
    ['{rcb: __proto__}', '?__proto__'],
    ['{rcb: constructor}', '?constructor'],
    ['{constructor}', 'nothing'],
    ['{rcb: a}{rcb: b}{rcb: a}', '?a, ?b'],
    ['{rcb: re-test} {rcb: a}', 're-test, ?a'],
    [`{rcb: ${'x'.repeat(100)}}`, `?${'x'.repeat(57)}…`],
    [`{rcb: ${'x'.repeat(300)}}`, 'nothing'],
    [[1, 2, 3, 4, 5, 6, 7].map((count) => `{rcb: w${count}}`).join(' '), '?w1, ?w2, ?w3, ?w4, ?w5'],
    ['{rcb: `x`}', 'nothing'],
  ],
  'text without a command': [
    ['', 'nothing'],
    ['False', 'nothing'],
    ['re-test', 'nothing'],
    ['please re-test', 'nothing'],
    ['(re-test)', 'nothing'],
    ['[re-test]', 'nothing'],
    ['{re-test', 'nothing'],
    ['re-test}', 'nothing'],
    ['{re-test>', 'nothing'],
    ['<re-test}', 'nothing'],
    ['</re-test>', 'nothing'],
    ['{re-tests}', 'nothing'],
    ['{please re-test}', 'nothing'],
    ['{re-test please}', 'nothing'],
    ['<merge on failure>', 'nothing'],
    ['{}', 'nothing'],
    ['<>', 'nothing'],
    ['{ }', 'nothing'],
    ['{-}', 'nothing'],
    ['{re*-*test}', 'nothing'],
    ['my %h = {a => 1}', 'nothing'],
    ['if (x) { cancel }', 'nothing'],
    ['rcb: re-test', 'nothing'],
    ['<b>re-test</b>', 'nothing'],
  ],
  'among other words': [
    ['Looks good, {re-test} please.', 're-test'],
    ['flaky again <re-test>, sorry', 're-test'],
    ['**{re-test}**', 're-test'],
    ['_{merge on success}_', 'merge on success'],
    ['# {re-test}', 're-test'],
    ['{re-test}\n===', 're-test'],
    ['- {re-test}', 're-test'],
    ['1. <re-test>', 're-test'],
    ['- [x] {re-test}', 're-test'],
    ['| a | b |\n|---|---|\n| {re-test} | x |', 're-test'],
    ['({re-test})', 're-test'],
    ['[{re-test}]', 're-test'],
    ['{{re-test}}', 're-test'],
    ['x{re-test}y', 're-test'],
    ['a < b and {re-test} > c', 're-test'],
    ['a\r\n\r\n{re-test}\r\n', 're-test'],
    ['a\r{re-test}', 're-test'],
    ['@rcb {re-test}', 're-test'],
    ['   {re-test}', 're-test'],
    ['text\n    {re-test}', 're-test'],
    ['> said\n\n{re-test}', 're-test'],
    ['<details>\n\n{re-test}\n\n</details>', 're-test'],
    ['<b>{re-test}</b>', 're-test'],
    ['see https://example.org/x {re-test}', 're-test'],
    ['see <https://example.org/x> {re-test}', 're-test'],
    ['[x](y) {re-test}', 're-test'],
    ['`code` {re-test} `code`', 're-test'],
    ['one ` quote {re-test}', 're-test'],
    ['```\ncode\n```\n{re-test}', 're-test'],
    ['<!-- template -->\n{re-test}', 're-test'],
    ['<!-- a --> {re-test} <!-- b -->', 're-test'],
    ['👍 {re-test} 🎉', 're-test'],
    ['~5 minutes {re-test} ~10 minutes', 're-test'],
  ],
  'several in one comment, each once, in order': [
    ['{re-test} {merge on success}', 're-test, merge on success'],
    ['{merge on success}{re-test}', 'merge on success, re-test'],
    ['{re-test} {re-test} <re-test> {rcb: rt}', 're-test'],
    ['{re-test}\n\n- <merge on success>\n- {rcb: why}', 're-test, merge on success, why'],
    ['{re-test} {re-test latest}', 're-test, re-test latest'],
    ['`{re-test}` and {rcb: mos}', 'merge on success'],
  ],
  'code is no command': [
    ['`{re-test}`', 'nothing'],
    ['`<re-test>`', 'nothing'],
    ['``a ` {re-test}``', 'nothing'],
    ['`a\n{re-test}`', 'nothing'],
    ['{`re-test`}', 'nothing'],
    ['```\n{re-test}\n```', 'nothing'],
    ['```raku\n<re-test>\n```', 'nothing'],
    ['~~~\n{re-test}\n~~~', 'nothing'],
    ['````\n```\n{re-test}\n````', 'nothing'],
    ['```\n~~~\n{re-test}\n```', 'nothing'],
    ['```\n{re-test}', 'nothing'],
    ['  ```\n{re-test}\n  ```', 'nothing'],
    ['    {re-test}', 'nothing'],
    ['\t{re-test}', 'nothing'],
    ['text\n\n    {re-test}', 'nothing'],
    ['- a\n\n      {re-test}', 'nothing'],
    ['- ```\n  {re-test}\n  ```', 'nothing'],
    ['1. a\n   ```\n   {re-test}\n   ```', 'nothing'],
    ['<code>{re-test}</code>', 'nothing'],
    ['<pre>\n{re-test}\n</pre>', 'nothing'],
    ['<pre>\n\n{re-test}\n\n</pre>', 'nothing'],
    ['<CODE class="x">{re-test}</CODE>', 'nothing'],
    ['<kbd><re-test></kbd>', 'nothing'],
    ['<script>{re-test}</script>', 'nothing'],
    ['<code>\n\n{re-test}', 'nothing'],
    ['- a\n\n    {re-test}', 're-test'],
    ['- ```\n  x\n{re-test}', 're-test'],
    ['``` {re-test}', 'nothing'],
    ['``` a`b\n{re-test}', 're-test'],
    ['<code>x</code>{re-test}', 're-test'],
  ],
  'quotes are no command': [
    ['> {re-test}', 'nothing'],
    ['>{re-test}', 'nothing'],
    ['   > <re-test>', 'nothing'],
    ['> a\n{re-test}', 'nothing'],
    ['> > a\n> {re-test}', 'nothing'],
    ['- > {re-test}', 'nothing'],
    ['> - {re-test}', 'nothing'],
    ['> ```\n> {re-test}\n> ```', 'nothing'],
    ['> - a\n{re-test}', 'nothing'],
    ['On Monday, somebody wrote:\n> {merge on success}\n\nNo.', 'nothing'],
    ['<blockquote>{re-test}</blockquote>', 'nothing'],
    ['<blockquote>\n\n{re-test}\n\n</blockquote>', 'nothing'],
    ['<blockquote><blockquote>a</blockquote>{re-test}</blockquote>', 'nothing'],
    ['> ```\n{re-test}', 're-test'],
    ['> # a\n{re-test}', 're-test'],
    ['> a\n- {re-test}', 're-test'],
    ['a\n> b\n\n{re-test}', 're-test'],
  ],
  'HTML comments are no command': [
    ['<!-- {re-test} -->', 'nothing'],
    ['<!-- <re-test> -->', 'nothing'],
    ['text <!-- {re-test} --> text', 'nothing'],
    ['<!--\n{re-test}\n-->', 'nothing'],
    ['<!--\n\n{re-test}\n\n-->', 'nothing'],
    ['text <!--\n\n{re-test}\n\n-->', 'nothing'],
    ['<!-- {re-test}', 'nothing'],
    ['<!-- a\n```\n-->\n{re-test}', 're-test'],
    ['text <!-- {re-test}', 're-test'],
    ['<!-- ` -->{re-test}<!-- ` -->', 're-test'],
    ['<!-->{re-test}', 're-test'],
    ['<? {re-test} ?>', 'nothing'],
    ['<![CDATA[{re-test}]]>', 'nothing'],
    ['<!DOCTYPE {re-test}>', 'nothing'],
  ],
  'links are no command': [
    ['[{re-test}](https://example.org)', 'nothing'],
    ['[a](https://example.org/{re-test})', 'nothing'],
    ['[a](<{re-test}>)', 'nothing'],
    ['[a](b "{re-test}")', 'nothing'],
    ["[a](b '{re-test}')", 'nothing'],
    ['[a](b ({re-test}))', 'nothing'],
    ['[a](b(c){re-test})', 'nothing'],
    ['![{re-test}](b.png)', 'nothing'],
    ['[![{re-test}](b.png)](c)', 'nothing'],
    ['[a {re-test} `]` b](c)', 'nothing'],
    ['[{re-test}][1]\n\n[1]: https://example.org', 'nothing'],
    ['[{re-test}][]\n\n[{RE-TEST}]: https://example.org', 'nothing'],
    ['[{re-test}]\n\n[{re-test}]: https://example.org', 'nothing'],
    ['[1]: https://example.org/{re-test}', 'nothing'],
    ['[1]: x "{re-test}"', 'nothing'],
    ['https://example.org/{re-test}', 'nothing'],
    ['www.example.org/{re-test}', 'nothing'],
    ['<https://example.org/{re-test}>', 'nothing'],
    ['<a href="x">{re-test}</a>', 'nothing'],
    ['<img alt="{re-test}">', 'nothing'],
    ["<img alt='<re-test>'>", 'nothing'],
    ['[{re-test}][1]', 're-test'],
    ['[{re-test}](a b)', 're-test'],
    ['[{re-test} [x](y)](z)', 're-test'],
    ['[{re-test}] (x)', 're-test'],
  ],
  'taken back, or only spoken of': [
    ['~~{re-test}~~', 'nothing'],
    ['~{re-test}~', 'nothing'],
    ['<del>{re-test}</del>', 'nothing'],
    ['<s><re-test></s>', 'nothing'],
    ['\\{re-test}', 'nothing'],
    ['\\<re-test>', 'nothing'],
    ['{re-test\\}', 'nothing'],
    ['&lt;re-test&gt;', 'nothing'],
    ['&#123;re-test}', 'nothing'],
    [commandMessages.help, 'nothing'],
    [commandMessages.unknown(['x']), 'nothing'],
  ],
};

for (const [title, rows] of Object.entries(groups)) {
  describe(title, () => {
    for (const [comment, expected] of rows) {
      test(`${JSON.stringify(comment.slice(0, 70))} → ${expected}`, () => {
        assert.equal(said(parseCommands(comment)), expected);
      });
    }
  });
}

test('the table has at least 150 comments, each once', () => {
  const comments = Object.values(groups).flatMap((rows) => rows.map(([comment]) => comment));
  assert.ok(comments.length >= 150, `${comments.length}`);
  assert.equal(new Set(comments).size, comments.length);
});

/** Markdown's marks in any order: what random letters would hardly ever meet. */
const marks = fc.constantFrom(
  ...[
    '`',
    '```',
    '~',
    '~~~',
    '<',
    '>',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '!',
    '\\',
    '\n',
    '\n\n',
    '\r\n',
    '\t',
    '    ',
    ' ',
  ],
  ...['<!--', '-->', '<?', '?>', '<code>', '</code>', '<a b="', '"', "'", '- ', '1. ', '> ', '#', '[a]: ', 'https://'],
  ...['{re-test}', '<merge on success>', '{rcb: x}', 're-test', '&lt;', '\uFFFC', '\0', '💥', '\ud800'],
);
const markdown = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(marks, { maxLength: 60 }).map((all) => all.join('')),
);

test('whatever the text, it is parsed, and the answer is short', () => {
  fc.assert(
    fc.property(markdown, (text) => {
      const { commands, unknown } = parseCommands(text);
      assert.equal(new Set(commands).size, commands.length);
      assert.ok(unknown.length <= 5 && unknown.every((word) => Buffer.byteLength(word) <= 60));
    }),
    { numRuns: 3_000 },
  );
});

test('no text can reach out of a fence, an escaped text, or a quote of all its lines', () => {
  fc.assert(
    fc.property(markdown, (text) => {
      const quoted = text.split(/\r\n|\n|\r/).map((line) => `> ${line}`);
      const fence = `${'`'.repeat(80)}\n${text}\n${'`'.repeat(80)}`;
      for (const harmless of [quoted.join('\n'), fence, escapeMarkdown(text)]) {
        assert.deepEqual(parseCommands(harmless), { commands: [], unknown: [] });
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a command in a paragraph of its own is heard, whatever finished paragraphs stand before it', () => {
  const words = fc.array(fc.constantFrom('a', '`b`', '[c](d)', '<b>', '</b>', '*', '{', '<!-- e -->', '~f~', '&'));
  fc.assert(
    fc.property(fc.array(words), (paragraphs) => {
      const text = [...paragraphs.map((each) => each.join(' ')), '{re-test}'].join('\n\n');
      assert.deepEqual(parseCommands(text).commands, ['re-test']);
    }),
  );
});

/** Each was, or could be, somebody's quadratic parser. */
const units = [
  ...['`', '<', '{', '[', ']', '(', '![', '](', '[a](', '[a](<', '[a](b "', '[a][', '[a]: b\n', '[a]: b\n"', '[^1]: '],
  ...[
    '<!--',
    '<!-- -',
    '<?',
    '<!x',
    '<![CDATA[',
    '<a ',
    '<a b ',
    '<a b="',
    '<a b=\'<a c="',
    '<a b',
    '</a',
    '<code>',
    '</code>',
  ],
  ...[
    '> ',
    '>',
    '- ',
    '1. ',
    '- - - x',
    '  \n- ',
    '\n',
    '\n\n',
    '\t',
    ' ',
    '    ',
    '\\',
    '~',
    '~~a',
    '~a ',
    '*a',
    '_ ',
  ],
  ...[
    '{rcb:',
    '{rcb: ',
    '<rcb:',
    '{re-test',
    '{re-test}',
    `{${' '.repeat(190)}x`,
    'https://',
    'www.',
    'a',
    '| ',
    '&',
    '=',
    '```\n',
    '``x`',
  ],
];
/** Before which a text is harder: open brackets, open containers, a label to look for, an open quote. */
const starts = [
  '',
  '['.repeat(50_000),
  `[x]: y\n\n${'- '.repeat(45)}a\n\n`,
  `[x]: y\n\n${'['.repeat(20_000)}`,
  '<a b="',
];

const MEGABYTE = 1_000_000;

/** Processor time in ms. */
function cost(text: string): number {
  const before = process.cpuUsage();
  parseCommands(text);
  return process.cpuUsage(before).user / 1_000;
}

/** Sixteen times as long for four times the text would be quadratic. What is over in an instant is measured too coarsely
 *  to be compared, and what looks bad once may be the garbage of others. */
function assertLinear(name: string, text: (bytes: number) => string, bytes: number): void {
  const measures: string[] = [];
  for (let time = 0; time < 3; time += 1) {
    const [small, large] = [cost(text(bytes / 4)), cost(text(bytes))];
    if (large < 10 * small + 100) return;
    measures.push(`${small} and ${large} ms`);
  }
  assert.fail(`${name}: ${measures.join(', ')}`);
}

for (const start of starts) {
  test(`four times the text takes four times as long, after ${JSON.stringify(start.slice(0, 12))}`, () => {
    for (const unit of units) {
      const text = (bytes: number) => start + unit.repeat(Math.ceil(bytes / unit.length));
      assertLinear(JSON.stringify(unit), text, start === '' ? MEGABYTE : MEGABYTE / 8);
    }
  });
}

test('runs of all lengths, which pair with none, are no trouble either', () => {
  // Twice the steps are four times the text.
  const ladder = (bytes: number) =>
    Array.from({ length: Math.sqrt(2 * bytes) }, (_, length) => `${'`'.repeat(length + 1)} `).join('');
  assertLinear('a ladder of backquotes', ladder, MEGABYTE);
});

const aComment = (change: Partial<CommentFacts> = {}): CommentFacts => ({
  id: '1',
  number: 7,
  onPullRequest: true,
  action: 'created',
  author: { id: '5', login: 'lizmat', bot: false },
  sender: { id: '5', login: 'lizmat' },
  body: '{re-test}',
  updatedAt: '2026-11-21T12:00:00Z',
  ...change,
});

const comments: [string, Partial<CommentFacts>, string][] = [
  ['its author’s own', {}, 're-test'],
  ['a bot’s', { author: { id: '5', login: 'x', bot: true } }, 'nothing'],
  ['edited by its author', { action: 'edited' }, 'nothing'],
  ['edited by somebody else', { action: 'edited', sender: { id: '6', login: 'owner' } }, 'nothing'],
  ['edited by nobody knows whom', { action: 'edited', sender: undefined }, 'nothing'],
  ['created in another’s name', { sender: { id: '6', login: 'owner' } }, 'nothing'],
  ['deleted', { action: 'deleted' }, 'nothing'],
  ['on an issue', { onPullRequest: false }, 'nothing'],
];
for (const [title, change, expected] of comments) {
  test(`a comment ${title}: ${expected}`, () => assert.equal(said(commandsOf(aComment(change))), expected));
}

test('buttons: a job again, the run again, the failed ones again; a push’s own suite asks for nothing', () => {
  const button = (...[action, of, identifier]: [string, string, string?]) =>
    commandOfButton({ action, of, identifier } as Parameters<typeof commandOfButton>[0], false);
  assert.deepEqual(button('rerequested', 'check_run'), { command: 're-test', whole: false });
  assert.deepEqual(button('rerequested', 'check_suite'), { command: 're-test', whole: true });
  assert.deepEqual(commandOfButton({ action: 'rerequested', of: 'check_run' }, true), {
    command: 're-test',
    whole: true,
  });
  const failed = button('requested_action', 'check_run', retestFailedButton.identifier);
  assert.deepEqual(failed, { command: 're-test failed', whole: true });
  assert.equal(button('requested_action', 'check_run', 'other'), undefined);
  assert.equal(button('requested', 'check_suite'), undefined);
});

test('our button fits into GitHub’s limits', () => {
  assert.ok(retestFailedButton.label.length <= 20 && retestFailedButton.identifier.length <= 20);
  assert.ok(retestFailedButton.description.length <= 40);
});

test('several words for one more test ask for one test: the first', () => {
  assert.deepEqual(oneRetest(['re-test failed', 'merge on success', 're-test', 're-test latest']), [
    're-test failed',
    'merge on success',
  ]);
  assert.deepEqual(oneRetest(['why', 'cancel']), ['why', 'cancel']);
});
