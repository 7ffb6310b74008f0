import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { readTests, type TestFile, type TestNumbers, type TestResults } from '../../src/core/testlog.ts';

/**
 * What real `prove` (Debian's perl) makes of real test files, in every combination of files and options, is read back.
 * What each file does is known from its script, so that `prove` and the reader are both held to it.
 */

interface Script {
  perl: string;
  expected: Partial<Pick<TestFile, 'failed' | 'todoPassed' | 'exit' | 'signal' | 'isSkipped'>> & {
    isBad?: boolean;
    hasParseErrors?: boolean;
  };
}

const range = (from: number, to = from) => ({ from, to });
const odd = Array.from({ length: 45 }, (_, index) => index * 2 + 1);

const scripts: Record<string, Script> = {
  't/01-basic/pass.t': { perl: 'print "1..2\\nok 1\\nok 2 - fine\\n";', expected: {} },
  't/01-basic/fudged.rakudo.moar': { perl: 'print "1..1\\nok 1\\n";', expected: {} },
  't/01-basic/noise.t': {
    perl: 'print STDERR "caf\\xe9 \\xff\\xc3 \\e[31mred\\e[0m\\n"; print "1..1\\nok 1\\n";',
    expected: {},
  },
  't/01-basic/skip.t': { perl: 'print "1..0 # SKIP no network\\n";', expected: { isSkipped: true } },
  't/02-todo/todo.t': {
    perl: 'print "1..4\\nok 1 # TODO later\\nok 2 # TODO later\\nnot ok 3 # TODO later\\nok 4\\n";',
    expected: { todoPassed: [range(1, 2)] },
  },
  't/03-fail/flapper.t': {
    perl: 'print "1..3\\nok 1\\nnot ok 2 - now and then\\n"; print STDERR "# at t/x.t line 7\\n"; print "ok 3\\n"; exit 1;',
    expected: { isBad: true, failed: [range(2)], exit: 1 },
  },
  't/03-fail/exits-0.t': {
    perl: 'print "1..3\\nok 1\\nnot ok 2\\nnot ok 3\\n";',
    expected: { isBad: true, failed: [range(2, 3)] },
  },
  't/03-fail/wraps.t': {
    perl: 'print "1..90\\n"; print(($_ % 2 ? "not ok " : "ok ") . "$_\\n") for 1..90; exit 45;',
    expected: { isBad: true, failed: odd.map((number) => range(number)), exit: 45 },
  },
  't/04-crash/segv.t': {
    perl: '$| = 1; print "1..2\\nok 1\\n"; kill "SEGV", $$;',
    expected: { isBad: true, signal: 'SEGV', hasParseErrors: true },
  },
  't/04-crash/kill.t': {
    perl: '$| = 1; print "1..1\\nok 1\\n"; kill "KILL", $$;',
    expected: { isBad: true, signal: 'KILL' },
  },
  't/04-crash/short.t': {
    perl: 'print "1..9\\nok 1\\nok 2 # TODO x\\n"; exit 255;',
    expected: { isBad: true, exit: 255, todoPassed: [range(2)], hasParseErrors: true },
  },
  't/05-parse/noplan.t': {
    perl: 'print STDERR "boom\\n"; exit 3;',
    expected: { isBad: true, exit: 3, hasParseErrors: true },
  },
  't/05-parse/order.t': {
    perl: 'print "1..3\\nok 3\\nok 1\\nok 2\\n";',
    expected: { isBad: true, hasParseErrors: true },
  },
  't/05-parse/many.t': {
    perl: 'print "1..2\\n"; print "ok 7\\n" for 1..9; print "pragma +strict\\nwhat is this\\n";',
    expected: { isBad: true, failed: [range(7)], hasParseErrors: true },
  },
};

const sets: Record<string, RegExp> = {
  'what passes': /01-basic/,
  'a TODO that passes': /pass|todo/,
  'one flapper': /pass|todo|flapper/,
  'only a flapper': /flapper/,
  crashes: /01-basic|04-crash/,
  everything: /./,
};

const options: string[][] = [
  [],
  ['-j3'],
  ['-v'],
  ['-v', '-j3'],
  ['--timer'],
  ['--timer', '-j2', '-v'],
  ['-f'],
  ['-o'],
  ['-p'],
  ['-q'],
  ['-Q'],
  ['-Q', '-p', '-j2'],
  ['--merge'],
  ['--merge', '-v'],
  ['--directives'],
  ['--norc', '--shuffle', '-j2'],
];

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rcb-prove-'));
  for (const [name, { perl }] of Object.entries(scripts)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), `${perl}\n`);
  }
});
after(() => rm(folder, { recursive: true }));

/** Both outputs in one, as a backend has it. With `terminal`, on one of `script`: with colours, returns and progress. */
async function run(command: string[], { terminal = false } = {}): Promise<Buffer> {
  const [program, ...rest] = terminal ? ['script', '-qec', command.join(' '), '/dev/null'] : command;
  const shell = ['-c', 'exec "$@" 2>&1', 'sh', program!, ...rest];
  const child = spawn('sh', shell, {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  const output = await buffer(child.stdout);
  assert.doesNotMatch(output.toString(), /not found/, 'prove (Debian: perl) and script (bsdutils) must be installed');
  return output;
}

function read(log: Uint8Array, chunk = 65_536): TestResults {
  const reader = readTests();
  for (let at = 0; at < log.length; at += chunk) reader.bytes(log.subarray(at, at + chunk));
  return reader.end();
}

/** What is compared. Words of parse errors are `prove`'s, whether there are any is the script's. */
const essence = ({ outcome, failed, todoPassed, exit, signal, parseErrors, isSkipped }: TestFile) => ({
  isBad: outcome === 'failed',
  failed,
  todoPassed,
  exit,
  signal,
  hasParseErrors: parseErrors.length > 0,
  isSkipped: isSkipped ?? false,
});

function expectedOf(names: string[], isListed: boolean): Map<string, unknown> {
  const wanted = names.map((name): [string, ReturnType<typeof essence>] => {
    const { isBad = false, hasParseErrors = false, isSkipped = false, ...rest } = scripts[name]!.expected;
    const told = { failed: [], todoPassed: [], exit: undefined, signal: undefined, ...rest };
    return [name.replace('.rakudo.moar', '.t'), { isBad, hasParseErrors, isSkipped, ...told }];
  });
  // With -Q, only the summary names files.
  return new Map(wanted.filter(([, { isBad, todoPassed }]) => isListed || isBad || todoPassed.length > 0).sort());
}

const found = (results: TestResults): Map<string, unknown> =>
  new Map(results.files.map((file): [string, unknown] => [file.name, essence(file)]).sort());

const dresses: [string, (line: string) => string][] = [
  ['Azure', (line) => `2026-01-31T15:56:28.0241422Z ${line}`],
  ['OBS', (line) => `[  123s] ${line}`],
  ['Windows', (line) => `${line}\r`],
];
const dressed = (log: Buffer, dress: (line: string) => string): Buffer =>
  Buffer.from(
    log.toString('latin1').replace(/([^\n]*)\n/g, (_, line: string) => `${dress(line)}\n`),
    'latin1',
  );

/** The summary has its numbers sorted; one that failed twice counts once. */
function sorted(ranges: TestNumbers[]): number[] {
  const all = ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));
  return [...new Set(all)].sort((a, b) => a - b);
}

const NO_LIST = new Set(['-Q']);

for (const [title, pattern] of Object.entries(sets)) {
  for (const [terminal, all] of [
    [false, options],
    [true, [[], ['-j3'], ['-v'], ['-f', '-j2'], ['--timer']]],
  ] as const) {
    for (const flags of all) {
      test(`prove ${flags.join(' ')}${terminal ? ' on a terminal' : ''}: ${title}`, async () => {
        const names = Object.keys(scripts).filter((name) => pattern.test(name));
        const log = await run(['prove', '--norc', ...flags, ...names], { terminal });
        const expected = expectedOf(names, !flags.some((flag) => NO_LIST.has(flag)));
        const results = read(log);
        assert.deepEqual(found(results), expected, log.toString());
        assert.deepEqual([results.unreadable, results.otherFailures], [[], []], log.toString());
        assert.deepEqual(read(log, 7), results);
        for (const [name, dress] of dresses) assert.deepEqual(read(dressed(log, dress)), results, name);
      });
    }
  }
}

test('lines lead to the place: each failed file is named there, or right before its first failure', async () => {
  const names = Object.keys(scripts);
  for (const flags of [[], ['-v'], ['-j3']]) {
    const log = (await run(['prove', '--norc', ...flags, ...names])).toString('latin1').split('\n');
    for (const file of read(Buffer.from(log.join('\n'), 'latin1')).files) {
      if (file.outcome === 'passed') continue;
      const at = log[file.line! - 1]!;
      assert.match(at, /^(?:not ok|Dubious|Failed \d|No subtests|All \d)/, `${file.name}: ${at}`);
      const summary = log[file.summaryLine! - 1]!;
      assert.ok(summary.startsWith(file.name) && summary.includes('(Wstat: '), summary);
    }
  }
});

test('TAP streams are judged as prove judges them', async () => {
  const number = fc.constantFrom('', '', '', ' 1', ' 2', ' 3');
  const test = fc
    .tuple(
      fc.constantFrom('ok', 'ok', 'ok', 'not ok'),
      number,
      fc.constantFrom('', '', ' - x', ' # TODO y', ' # skip z', ' - \\# TODO'),
    )
    .map((parts) => parts.join(''));
  const other = fc.constantFrom('# remark', 'words', '    not ok 1', '1..2', '1..3', 'okay', 'TAP version 13');
  const body = fc.array(fc.oneof({ weight: 6, arbitrary: test }, { weight: 1, arbitrary: other }), { maxLength: 5 });
  const plan = fc.constantFrom('', '1..0 # SKIP x', '1..1', '1..2', '1..3', '1..4');
  const stream = fc.tuple(plan, body).map(([first, lines]) => [first, ...lines].filter(Boolean).join('\n'));
  const streams = fc.sample(stream, { numRuns: 400, seed: 7 });
  const names = await Promise.all(
    streams.map(async (text, index) => {
      await writeFile(join(folder, `${index}.tap`), `${text}\n`);
      return `${index}.tap`;
    }),
  );
  const results = read(await run(['prove', '--norc', '--exec', 'cat', ...names]));
  assert.deepEqual(results.unreadable, []);
  const judged = new Map(results.files.map((file) => [file.name, file]));
  for (const [index, text] of streams.entries()) {
    const reader = readTests({ tap: names[index]! });
    reader.bytes(Buffer.from(`${text}\n`));
    const own = reader.end().files[0]!;
    const theirs = judged.get(names[index]!)!;
    assert.deepEqual(
      [own.outcome, sorted(own.failed), sorted(own.todoPassed)],
      [theirs.outcome, sorted(theirs.failed), sorted(theirs.todoPassed)],
      `${text}\n${own.parseErrors}\n${theirs.parseErrors}`,
    );
  }
});

test('1 GB of log takes one pass and little memory', () => {
  const lines = Array.from(
    { length: 10_000 },
    (_, index) =>
      `2026-01-31T15:56:28.0241422Z cc -O2 -c src/core/file-${index}.c -o src/core/file-${index}.o -Wall -Wextra`,
  );
  const chunk = Buffer.from(`${lines.join('\n')}\n2026-01-31T15:56:28.0241422Z t/a.t .. ok\n`);
  const reader = readTests();
  const idle = process.memoryUsage().rss;
  let most = 0;
  for (let size = 0; size < 1_000_000_000; size += chunk.length) {
    reader.bytes(chunk);
    most = Math.max(most, process.memoryUsage().rss);
  }
  assert.deepEqual(
    reader.end().files.map(({ name }) => name),
    ['t/a.t'],
  );
  assert.ok(most - idle < 150_000_000, `${most - idle} bytes more`);
});
