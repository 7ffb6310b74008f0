import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLineRenderer, harmless } from '../../src/site/ansi.ts';

const ESC = '\u001b';
const rendered = (...lines: string[]): string[] => {
  const render = createLineRenderer();
  return lines.map((line) => render(line).toString());
};

const LINES: [sentence: string, line: string, html: string][] = [
  ['plain text is escaped', `<b>"it's" & more</b>`, '&lt;b&gt;&quot;it&#39;s&quot; &amp; more&lt;/b&gt;'],
  ['a colour becomes a class', `${ESC}[31mred${ESC}[0m plain`, '<span class="ansi-red-fg">red</span> plain'],
  ['a bright colour on a ground', `${ESC}[92;44mx${ESC}[m`, '<span class="ansi-bright-green-fg ansi-blue-bg">x</span>'],
  ['decorations', `${ESC}[1;2;4mx`, '<span class="ansi-bold ansi-dim ansi-underline">x</span>'],
  [
    'a decoration ends alone',
    `${ESC}[1;31ma${ESC}[22mb`,
    '<span class="ansi-red-fg ansi-bold">a</span><span class="ansi-red-fg">b</span>',
  ],
  ['the first sixteen of 256 colours are themselves', `${ESC}[38;5;9mx`, '<span class="ansi-bright-red-fg">x</span>'],
  ['a colour of the cube goes to the nearest', `${ESC}[38;5;203mx`, '<span class="ansi-bright-red-fg">x</span>'],
  ['a dark grey goes to black', `${ESC}[48;5;233mx`, '<span class="ansi-black-bg">x</span>'],
  ['true colour goes to the nearest', `${ESC}[38;2;10;180;20mx`, '<span class="ansi-green-fg">x</span>'],
  ['true colour written with colons', `${ESC}[38:2::10:180:20mx`, '<span class="ansi-green-fg">x</span>'],
  ['a curly underline is an underline', `${ESC}[4:3mx`, '<span class="ansi-underline">x</span>'],
  ['reversed text swaps its colours', `${ESC}[7;31mx`, '<span class="ansi-black-fg ansi-red-bg">x</span>'],
  ['hidden text is shown', `${ESC}[8msecret`, 'secret'],
  ['an unknown code is ignored', `${ESC}[73mx`, 'x'],
  ['cursor movement is removed', `a${ESC}[2K${ESC}[1;5Hb${ESC}[?25l`, 'ab'],
  ['a title is removed', `${ESC}]0;evil title\u0007text`, 'text'],
  ['a terminal link keeps its text only', `${ESC}]8;;javascript:alert(1)${ESC}\\click${ESC}]8;;${ESC}\\`, 'click'],
  ['a character set is removed', `${ESC}(Bx`, 'x'],
  ['an unfinished string does not swallow the line', `${ESC}]0;open`, '0;open'],
  ['an unfinished sequence is shown', `${ESC}[31`, '␛[31'],
  ['a lone escape is shown', `a${ESC}`, 'a␛'],
  ['a progress bar keeps its last state', 'x\r 10 %\r100 %', '100 %'],
  ['a carriage return at the end changes nothing', 'text\r', 'text'],
  ['control characters are shown', 'a\u0000\u0008\u007fb\tc', 'a␀␈␡b\tc'],
  ['marks that reorder text are shown', 'a\u202eb', 'a⟦U+202E⟧b'],
  ['a C1 control is shown', 'a\u009b31mb', 'a⟦U+009B⟧31mb'],
];

for (const [sentence, line, expected] of LINES) {
  test(`ansi: ${sentence}`, () => assert.equal(rendered(line)[0], expected));
}

test('ansi: a colour lasts over lines until it is reset', () => {
  const lines = rendered(`${ESC}[1;31mfirst`, 'second', `third${ESC}[0m end`, 'fourth');
  assert.deepEqual(lines, [
    '<span class="ansi-red-fg ansi-bold">first</span>',
    '<span class="ansi-red-fg ansi-bold">second</span>',
    '<span class="ansi-red-fg ansi-bold">third</span> end',
    'fourth',
  ]);
});

test('ansi: rich colours last over lines too', () => {
  const [, palette] = rendered(`${ESC}[38;5;203;48;5;22mx`, 'y');
  const [, truecolor] = rendered(`${ESC}[38;2;10;180;20mx`, 'y');
  const [, bright] = rendered(`${ESC}[95;103mx`, 'y');
  assert.equal(palette, '<span class="ansi-bright-red-fg ansi-green-bg">y</span>');
  assert.equal(truecolor, '<span class="ansi-green-fg">y</span>');
  assert.equal(bright, '<span class="ansi-bright-magenta-fg ansi-bright-yellow-bg">y</span>');
});

test('ansi: a line of nothing but colour changes costs little', () => {
  const started = process.hrtime.bigint();
  const render = createLineRenderer();
  for (let i = 0; i < 200; i++) render(`${ESC}[1m`.repeat(2000));
  const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
  assert.ok(milliseconds < 2000, `200 hostile lines took ${milliseconds} ms`);
});

/** Text as a hostile log has it: markup, escapes in all states of repair, control characters. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        ESC,
        `${ESC}[`,
        `${ESC}[31m`,
        `${ESC}[38;5;`,
        `${ESC}]0;`,
        '\r',
        '\u0007',
        '<script>',
        '"><img src=x onerror=1>',
        '&lt;',
        "'",
        '\u009b',
        'm',
        ';',
        '38;2;999;1;1m',
      ),
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(''));

test('ansi: no line throws, and none becomes markup of its own', () => {
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 5 }), (lines) => {
      for (const html of rendered(...lines)) {
        const withoutOurs = html.replace(/<span class="(?:ansi-[a-z-]+ ?)+">|<\/span>/g, '');
        assert.doesNotMatch(withoutOurs, /[<>"']/);
        assert.equal(html.match(/<span /g)?.length ?? 0, html.match(/<\/span>/g)?.length ?? 0);
      }
    }),
    { numRuns: 500 },
  );
});

test('ansi: what is left of a line has no control but tab and colour', () => {
  fc.assert(
    fc.property(hostile, (line) => {
      const left = harmless(line).replace(/\u001b\[[\d;]*m/g, '');
      assert.doesNotMatch(left, /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    }),
    { numRuns: 500 },
  );
});
