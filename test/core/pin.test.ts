import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { pinAnswer } from '../../src/core/match-pins.ts';
import { PIN_BYTES, type Pin, readings, readPin } from '../../src/core/pin.ts';

/** Pins that were committed to rakudo and nqp: repository, date, the file's text as Perl quotes it. */
const committed = readFileSync(new URL('../fixtures/revisions.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('\t') as [string, string, string])
  .map(([repository, date, quoted]) => ({ repository, date, text: quoted.replace(/^'(.*)'$/, '$1') }));

for (const { repository, date, text } of committed) {
  test(`a pin of ${repository} of ${date}: ${text}`, () => {
    const sha = /-g(\w+)$/.exec(text)?.[1];
    const pin = sha ? { kind: 'describe', text, sha } : { kind: 'tag', text };
    assert.deepEqual(readPin(text), pin);
    assert.deepEqual(readPin(Buffer.from(`${text}\n`)), pin);
    assert.deepEqual(readPin(` \t${text} \r\n\n`), pin);
  });
}

test('the committed pins are of both kinds, and none is malformed', () => {
  const kinds = (repository: string) =>
    Object.entries(
      Object.groupBy(
        committed.filter((line) => line.repository === repository),
        ({ text }) => readPin(text).kind,
      ),
    ).map(([kind, lines]) => `${lines?.length} ${kind}`);
  assert.deepEqual(kinds('nqp'), ['2 tag', '18 describe']);
  assert.deepEqual(kinds('moar'), ['11 describe', '2 tag']);
});

const FULL = 'd4d8fa314'.padEnd(40, '0');
const wellFormed: [string, string, Pin][] = [
  ['a whole sha', FULL, { kind: 'sha', text: FULL, sha: FULL }],
  ['a whole SHA-256', 'a'.repeat(64), { kind: 'sha', text: 'a'.repeat(64), sha: 'a'.repeat(64) }],
  ['an abbreviated sha', 'd4d8fa3', { kind: 'sha', text: 'd4d8fa3', sha: 'd4d8fa3' }],
  ['an abbreviated sha without a digit', 'deadbee', { kind: 'sha', text: 'deadbee', sha: 'deadbee' }],
  ['what may be a date', '20261121', { kind: 'sha', text: '20261121', sha: '20261121' }],
  ['a year', '2026', { kind: 'tag', text: '2026' }],
  ['a tag with a dash', 'v1.2.3-rc1', { kind: 'tag', text: 'v1.2.3-rc1' }],
  ['a tag with a slash', 'release/2026.08', { kind: 'tag', text: 'release/2026.08' }],
  ['a tag like the beginning of a describe', '2026.08-3', { kind: 'tag', text: '2026.08-3' }],
  ['a describe of a tag with dashes', 'v1-2-3-gabcdef0', { kind: 'describe', text: 'v1-2-3-gabcdef0', sha: 'abcdef0' }],
  ['a describe with a whole sha', `2026.07-9-g${FULL}`, { kind: 'describe', text: `2026.07-9-g${FULL}`, sha: FULL }],
  ['a byte order mark', '\uFEFF2026.08\r\n', { kind: 'tag', text: '2026.08' }],
];
for (const [title, text, pin] of wellFormed) test(`well-formed: ${title}`, () => assert.deepEqual(readPin(text), pin));

const conflict = '<<<<<<< HEAD\n2026.07-9-gd4d8fa314\n=======\n2026.08\n>>>>>>> main\n';
const malformed: [string, string | Uint8Array, RegExp][] = [
  ['nothing', '', /^it is empty$/],
  ['white space', ' \r\n\t\n', /^it is empty$/],
  ['the markers of a conflict', conflict, /markers of a merge conflict/],
  ['one marker left', '2026.08\n>>>>>>> main', /markers of a merge conflict/],
  ['two lines', '2026.07\n2026.08\n', /^it has 2 lines/],
  ['two lines of an old Mac', '2026.07\r2026.08', /^it has 2 lines/],
  ['a template that was never filled in', 'YYYY.MM', /has no digit/],
  ['a branch', 'main', /has no digit/],
  ['HEAD', 'HEAD', /has no digit/],
  ['parrot-…', 'parrot-…', /has no digit/],
  ['a name that is not ASCII', 'parrot-2.9…', /neither a tag nor a commit/],
  ['an invisible character', '2026\u200b.08', /neither a tag nor a commit/],
  ['words', 'see 2026.08', /has spaces/],
  ['a working tree', '2026.07-9-gd4d8fa314-dirty', /not committed/],
  ['a describe whose sha is too short', '2026.07-9-gd4d8fa', /no commit of 7 to 40 hex digits/],
  ['a describe whose sha is too long', `2026.07-9-g${'a'.repeat(41)}`, /no commit of 7 to 40 hex digits/],
  ['a describe without a sha', '2026.07-9-g', /no commit of 7 to 40 hex digits/],
  ['a describe in capitals', '2026.07-9-gD4D8FA314', /no commit of 7 to 40 hex digits/],
  ['an option of git', '--upload-pack=x1', /neither a tag nor a commit/],
  ['a range', '2026.07..2026.08', /neither a tag nor a commit/],
  ['an ancestor', '2026.08~1', /neither a tag nor a commit/],
  ['a path out', '../../2026', /neither a tag nor a commit/],
  ['a NUL', '2026\0.08', /not text/],
  ['bytes that are not UTF-8', Uint8Array.of(0x32, 0xff, 0xfe), /not text/],
  ['UTF-16', Buffer.from('2026.08', 'utf16le'), /not text/],
  ['an image', Buffer.from('\x89PNG\r\n\x1a\n\0\0', 'latin1'), /not text/],
  ['escape sequences', '\u001b[31m2026.08', /not text/],
  ['a name without an end', '1'.repeat(PIN_BYTES), /neither a tag nor a commit/],
  ['a byte too many', `2026.08${' '.repeat(PIN_BYTES - 6)}`, /longer than 1000 bytes/],
  ['a huge file', Buffer.alloc(50_000_000, '2'), /longer than 1000 bytes/],
];
for (const [title, content, why] of malformed) {
  test(`malformed: ${title}`, () => {
    const pin = readPin(content);
    assert.equal(pin.kind, 'malformed');
    assert.match(pin.kind === 'malformed' ? pin.why : '', why);
  });
}

test('a file of just the most bytes is read', () => {
  assert.equal(readPin(`2026.08${' '.repeat(PIN_BYTES - 7)}`).kind, 'tag');
});

test('a malformed file is shown, short and without control characters', () => {
  assert.equal(readPin('a\nb\u001b[31m\u202e\n').text, 'a\nb');
  assert.equal(readPin(conflict).text, conflict.trim());
  assert.ok(Buffer.byteLength(readPin('ß\n'.repeat(10_000)).text) <= 300);
});

test('what may be a date is looked up as a tag first, a whole sha never', () => {
  const kinds = (text: string) =>
    readings(readPin(text) as Exclude<Pin, { kind: 'malformed' }>).map(({ kind }) => kind);
  assert.deepEqual(kinds('20261121'), ['tag', 'sha']);
  assert.deepEqual(kinds(FULL), ['sha']);
  assert.deepEqual(kinds('2026.08'), ['tag']);
  assert.deepEqual(kinds('2026.07-9-gd4d8fa314'), ['describe']);
});

test('what was found in the place of the file is an answer, too', () => {
  assert.deepEqual(pinAnswer({ kind: 'file', bytes: Buffer.from('2026.08\n') }), { kind: 'tag', text: '2026.08' });
  assert.deepEqual(pinAnswer({ kind: 'missing' }), { kind: 'missing' });
  assert.equal(pinAnswer({ kind: 'too-large', size: 9_000 }).kind, 'malformed');
  assert.deepEqual(pinAnswer({ kind: 'symlink' }), {
    kind: 'missing',
    why: 'there is a symlink of that name, not a file',
  });
});

// Properties.

const soup = fc.oneof(
  fc.uint8Array({ maxLength: 3_000 }),
  fc.string({ unit: 'binary', maxLength: 2_000 }),
  fc
    .array(fc.constantFrom('2026.08', '-9-g', 'd4d8fa314', '\n', ' ', '<<<<<<<', '\0', 'é', '-', '..', '\u2028'))
    .map((parts) => parts.join('')),
);

test('whatever the bytes: an answer, small, and JSON', () => {
  fc.assert(
    fc.property(soup, (content) => {
      const pin = readPin(content);
      assert.deepEqual(JSON.parse(JSON.stringify(pin)), pin);
      assert.ok(Buffer.byteLength(pin.text) <= 500);
      assert.ok(!/[\0-\x08\x0b-\x1f]/.test(pin.text), 'no control characters');
      if (pin.kind === 'malformed') return;
      assert.match(pin.text, /^[!-~]+$/);
      assert.ok(!pin.text.startsWith('-'));
      if (pin.sha !== undefined) assert.match(pin.sha, /^[0-9a-f]{7,64}$/);
      assert.equal(pin.sha === undefined, pin.kind === 'tag');
    }),
  );
});

const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 7, maxLength: 40 });
const tag = fc.constantFrom('2026.07', '2015.09.1', 'v1.2-rc.3', 'parrot-2.9', 'lib/1.0');
const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r\n'), maxLength: 5 });

test('every describe is the commit in it, whatever the tag and the white space', () => {
  fc.assert(
    fc.property(tag, fc.nat(), hex, space, space, (name, count, sha, before, after) => {
      const text = `${name}-${count}-g${sha}`;
      assert.deepEqual(readPin(before + text + after), { kind: 'describe', text, sha });
    }),
  );
});

test('bytes and text of the same file are the same pin', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
      assert.deepEqual(readPin(text), readPin(Buffer.from(text)));
    }),
  );
});
