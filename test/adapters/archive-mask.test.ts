import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileSecrets, longestHold, maskPart, maskStream } from '../../src/archive/mask.ts';

function masked(secrets: string[], text: string): string {
  return maskPart(compileSecrets(secrets), Buffer.from(text), true).text.toString();
}

async function maskedInParts(secrets: string[], parts: Buffer[]): Promise<string> {
  const source = async function* () {
    yield* parts;
  };
  const out: Buffer[] = [];
  for await (const piece of maskStream(compileSecrets(secrets), source())) out.push(piece);
  return Buffer.concat(out).toString();
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

const cases: [why: string, secrets: string[], text: string, expected: string][] = [
  ['nothing to mask', [], 'secret', 'secret'],
  ['in the middle', ['secret'], 'a secret b', 'a *** b'],
  ['all of it', ['secret'], 'secret', '***'],
  ['several, side by side', ['secret'], 'secretsecret secret', '****** ***'],
  ['too short to be one', ['short', ''], 'short cut', 'short cut'],
  ['almost one', ['secret'], 'secre secrets ecret', 'secre ***s ecret'],
  ['one within another', ['secret', 'my-secret-word'], 'my-secret-word my-secret', '*** my-***'],
  ['overlapping ones', ['abcdefgh', 'efghijkl'], 'abcdefghijkl.', '***.'],
  ['one that overlaps itself', ['aaaaaa'], 'baaaaaaaab', 'b***b'],
  ['UTF-8', ['pässwörd'], 'ist pässwörd.', 'ist ***.'],
  ['base64', ['s3cr3t!'], `x ${base64('s3cr3t!')} y`, 'x *** y'],
  ['URL-encoded', ['p&ss=w?rd'], 'https://u:p%26ss%3Dw%3Frd@host', 'https://u:***@host'],
  [
    'a line of a key',
    ['-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nabc\n-----END KEY-----'],
    '  MIIEowIBAAKCAQEA\r\n',
    '  ***\r\n',
  ],
  [
    'a whole key',
    ['-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n'],
    'a\n-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nb',
    'a\n***b',
  ],
  [
    'the frame of another key',
    ['-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n'],
    '-----BEGIN KEY-----',
    '-----BEGIN KEY-----',
  ],
];

for (const [why, secrets, text, expected] of cases) {
  test(`masking: ${why}`, () => assert.equal(masked(secrets, text), expected));
}

for (const before of ['', 'x', 'xy', 'xyz', 'user:']) {
  test(`a token in base64 behind "${before}" cannot be read back`, () => {
    const encoded = base64(`${before}ghs_0123456789abcdef:x`);
    const left = masked(['ghs_0123456789abcdef'], encoded);
    assert.match(left, /\*\*\*/);
    const readable = left.split('***').map((part) => Buffer.from(part, 'base64').toString('latin1'));
    assert.ok(!readable.some((part) => /0123|cdef/.test(part)), left);
  });
}

test('a secret that is too long to hold back is refused', () => {
  assert.throws(() => compileSecrets(['x'.repeat(65_537)]), RangeError);
});

/** Slow and plain: every byte of every occurrence, overlapping ones together. */
function maskedPlainly(secrets: string[], text: string): string {
  const starts = secrets.flatMap((secret) =>
    Array.from({ length: text.length }, (_, at) => at)
      .filter((at) => text.startsWith(secret, at))
      .map((start) => ({ start, end: start + secret.length })),
  );
  starts.sort((a, b) => a.start - b.start || b.end - a.end);
  let out = '';
  let at = 0;
  for (const { start, end } of starts) {
    if (start >= at) out += `${text.slice(at, start)}***`;
    at = Math.max(at, end);
  }
  return out + text.slice(at);
}

const alphabet = ['abcabc', 'bcabca', 'abcabcabd', 'cabcab#', 'zzzzzzzz'];
const words = fc.array(fc.oneof(fc.constantFrom(...alphabet), fc.constantFrom('a', 'b', 'c', 'd', 'zz', '.')), {
  maxLength: 25,
});

test('masking finds what a plain search finds', () => {
  fc.assert(
    fc.property(words, (list) => {
      const text = list.join('.'); // Kept apart, so that no run is so long that it is cut.
      assert.equal(masked(alphabet, text), maskedPlainly(alphabet, text));
    }),
    { numRuns: 2_000, seed: 1 },
  );
});

test('the result does not depend on the parts, little is held back, and no secret is left', async () => {
  const property = fc.asyncProperty(words, fc.array(fc.nat({ max: 9 })), async (list, sizes) => {
    const raw = Buffer.from(list.join(''));
    const parts: Buffer[] = [];
    let at = 0;
    for (const size of sizes) {
      parts.push(raw.subarray(at, at + size));
      at = Math.min(raw.length, at + size);
    }
    parts.push(raw.subarray(at));
    assert.equal(await maskedInParts(alphabet, parts), masked(alphabet, raw.toString()));
    const patterns = compileSecrets(alphabet);
    const { consumed } = maskPart(patterns, raw, false);
    assert.ok(raw.length - consumed <= longestHold(patterns));
  });
  await fc.assert(property, { numRuns: 2_000, seed: 2 });
});

test('a run of overlapping secrets without end is cut, and not held back for ever', () => {
  const patterns = compileSecrets(['aaaaaa']);
  const { text, consumed } = maskPart(patterns, Buffer.alloc(1_000_000, 'a'), false);
  assert.ok(1_000_000 - consumed <= longestHold(patterns));
  assert.match(text.toString(), /^\*+$/);
});

test('the cost grows with the text, not with its product with the secrets', () => {
  const secrets = Array.from({ length: 200 }, (_, index) => `token-${index}-${'x'.repeat(30)}`);
  const patterns = compileSecrets(secrets);
  const hostile = Buffer.from('token-1'.repeat(600_000));
  const started = process.cpuUsage();
  assert.ok(maskPart(patterns, hostile, true).text.equals(hostile));
  const { user } = process.cpuUsage(started);
  assert.ok(user < 5_000_000, `${user} µs for ${hostile.length} bytes`);
});
