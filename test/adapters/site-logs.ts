import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Archive } from '../../src/archive/archive.ts';
import { openDiskArchive } from '../../src/archive/disk.ts';
import type { AttemptRow, JobRow, RunDetails } from '../../src/site/reader.ts';
import { ago, aJob, withJob } from './site-fakes.ts';

/** Logs as back-ends bring them, on a real archive, and runs that have them. */

export interface LogWorld {
  archive: Archive;
  write(id: string, text: string | Buffer, isEnded?: boolean): Promise<void>;
  remove(): Promise<void>;
}

export async function logWorld(): Promise<LogWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-site-logs-'));
  const archive = await openDiskArchive({ dir, secrets: [] });
  return {
    archive,
    async write(id, text, isEnded = true) {
      const writer = await archive.openLog(id);
      await writer.append(Buffer.from(text));
      if (isEnded) await writer.end();
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

export const anAttempt = (id: string, change: Partial<AttemptRow> = {}): AttemptRow => ({
  ...aJob().attempts[0]!,
  id,
  ...change,
});

/** A run with one job `job1` of one attempt, whose id, and log's, is `<run>-a`. */
export function runWithLog(id: string, attempt: Partial<AttemptRow> = {}, run: Partial<RunDetails> = {}): RunDetails {
  const made = anAttempt(`${id}-a`, attempt);
  const job: JobRow = aJob({ state: made.state, verdict: made.verdict, attempts: [made] });
  return withJob(job, { id, verdict: made.verdict, ...run });
}

export const RUNNING: Partial<AttemptRow> = {
  state: 'running',
  verdict: undefined,
  finishedAt: undefined,
  startedAt: ago(60),
  log: undefined,
};

const stamp = (second: number): string =>
  new Date(Date.UTC(2026, 10, 21, 10, 0, second)).toISOString().replace('Z', '1234Z');

/** As Azure has it: sections, groups, commands, a compiler's warning, a failed test. `seed` is its noise. */
export function azureLog({ seed = 1, fails = true, units = 40 } = {}): string {
  const sha = (seed * 2_654_435_761).toString(16).padStart(10, '0').slice(0, 10);
  const lines = [
    '##[section]Starting: Build',
    '##[group]Prepare the machine',
    `Agent work directory /agent/${seed}/work/1/s`,
    `HEAD is now at a${sha} Fix the collector`,
    '##[endgroup]',
    '##[command]/usr/bin/make -j4',
    '##[group]Compile',
    ...Array.from({ length: units }, (_, i) => `cc -c -O2 -Ibuild/b${sha} -o src/unit${i}.o src/unit${i}.c`),
    '##[endgroup]',
    '##[warning]src/gc/collect.c:120: unused variable',
    `compiled in ${seed * 3}.${seed}7 s`,
    '##[section]Finishing: Build',
    '##[section]Starting: Test',
    '##[group]t/01-sanity',
    't/01-sanity/01-literals.t ........ ok',
    't/01-sanity/02-op-math.t ......... ok',
    '##[endgroup]',
    '##[group]t/02-rakudo',
    '\u001b[32mok 1 - dispatch\u001b[0m',
    fails ? '\u001b[31mnot ok 2 - the new dispatcher\u001b[0m' : '\u001b[32mok 2 - the new dispatcher\u001b[0m',
    ...(fails ? ["# Failed test 'the new dispatcher'", '# at t/02-rakudo/10-nqp-ops.t line 12'] : []),
    '##[endgroup]',
    ...(fails ? ["##[error]Bash exited with code '1'."] : ['All tests successful.']),
    '##[section]Finishing: Test',
  ];
  return lines.map((line, i) => `${stamp(seed * 7 + Math.floor(i / 3))} ${line}\n`).join('');
}

export function obsLog(): string {
  const lines = [
    'Using BUILD_ROOT=/var/cache/obs/worker/root_1/.mount',
    'init_buildsystem --configdir /usr/lib/build/configs --clean',
    '[1/120] installing filesystem-84.87',
    '[2/120] installing glibc-2.38',
    '-----------------------------------------------------------------',
    '----- building moarvm.spec (user abuild)',
    '-----------------------------------------------------------------',
    'Executing(%build): /bin/sh -e /var/tmp/rpm-tmp.K3s9',
    '+ make -j8',
    'src/gc/collect.c:120:7: error: unknown type name',
    'make: *** [Makefile:1211: src/gc/collect.o] Error 1',
    'error: Bad exit status from /var/tmp/rpm-tmp.K3s9 (%build)',
    'RPM build errors:',
  ];
  return lines.map((line, i) => `[${String(i * 11).padStart(5)}s] ${line}\n`).join('');
}

export const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;

/** What somebody writes who wants to be more than a line. */
export const hostileLog = (): string =>
  [
    HOSTILE,
    `##[group]${HOSTILE}`,
    '\u001b[31m'.repeat(2_000) + HOSTILE,
    '\u001b]0;title\u0007\u001b[2J\u001b[1;1Hgone?\u001b[8mhidden',
    `\u202egnp.exe ${HOSTILE} \u2066turned`,
    `2026-11-21T10:00:00Z ${HOSTILE}`,
    `not ok 1 - ${HOSTILE}`,
    `${'##[group]deep\n'.repeat(50)}${'##[endgroup]\n'.repeat(60)}</details></details></div>`,
    'x'.repeat(10_000_000),
    `NUL \u0000 and bell \u0007, ${HOSTILE}`,
    '##[section]Starting: \u202eevil',
    'the last line',
  ].join('\n');
