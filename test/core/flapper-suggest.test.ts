import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { flapRate, type KnownFlapper } from '../../src/core/flapper.ts';
import {
  ENOUGH_FLAPS,
  type FileRecord,
  RECENT_DAYS,
  remarksOn,
  suggestAdditions,
} from '../../src/core/flapper-suggest.ts';
import { additionsYaml, percent, remarkText, weeksText } from '../../src/core/messages-flapper-page.ts';
import { later, NOW } from '../support/builders.ts';

const DAY = 86_400;
const TODAY = '2026-11-21';

const aRecord = (change: Partial<FileRecord> & { flapped?: number; runs?: number; last?: Date } = {}): FileRecord => {
  const { flapped = ENOUGH_FLAPS, runs = 100, last = later(-DAY), ...rest } = change;
  const tally = {
    runs,
    failed: flapped,
    flapped,
    firstFailedAt: later(-30 * DAY),
    lastFailedAt: last,
    lastFlappedAt: last,
    atLeast: flapRate(flapped, runs).low,
  };
  return { name: 't/a.t', platform: 'Lin_MVM', tally, ...rest };
};

const names = (records: FileRecord[], known: KnownFlapper[] = []) =>
  suggestAdditions(records, known, TODAY).map(({ name }) => name);

test('what flapped often enough, lately, and is not listed, is suggested', () => {
  assert.deepEqual(suggestAdditions([aRecord()], [], TODAY), [
    {
      name: 't/a.t',
      platforms: ['Lin_MVM'],
      flaps: 3,
      runs: 100,
      firstFailed: '2026-10-22',
      lastFlapped: '2026-11-20',
    },
  ]);
});

test('too seldom, too long ago, never, or by a mangled name: not suggested', () => {
  assert.deepEqual(names([aRecord({ flapped: ENOUGH_FLAPS - 1 })]), []);
  assert.deepEqual(names([aRecord({ last: later(-(RECENT_DAYS + 1) * DAY) })]), []);
  assert.deepEqual(names([aRecord({ last: later(-RECENT_DAYS * DAY) })]), ['t/a.t']);
  assert.deepEqual(names([aRecord({ name: '02-rakudo_99-misc_t' })]), []);
});

test('what is listed on this platform is not suggested, on another one it is', () => {
  assert.deepEqual(names([aRecord()], [{ name: 't/*.t' }]), []);
  assert.deepEqual(names([aRecord()], [{ name: 't/a.t', platforms: ['Win*'] }]), ['t/a.t']);
  assert.deepEqual(names([aRecord()], [{ name: 't/a.t', until: '2026-11-20' }]), ['t/a.t']);
});

test('flaps of a file count over platforms, and many platforms are everywhere', () => {
  const on = (platform: string, flapped: number) => aRecord({ platform, flapped });
  const two = suggestAdditions([on('Lin', 2), on('Mac', 1)], [], TODAY);
  assert.deepEqual([two[0]?.flaps, two[0]?.runs, two[0]?.platforms], [3, 200, ['Lin', 'Mac']]);
  const three = suggestAdditions([on('Lin', 1), on('Mac', 1), on('Win', 1)], [], TODAY);
  assert.deepEqual([three[0]?.flaps, three[0]?.platforms], [3, undefined]);
});

test('what a private record tells is suggested for its repository, and not added to what everybody may see', () => {
  const told = (repository: string | undefined, flapped: number) => aRecord({ repository, flapped });
  const suggested = suggestAdditions([told(undefined, 3), told('acme/secret', 4), told('acme/other', 2)], [], TODAY);
  assert.deepEqual(
    suggested.map(({ repository, flaps, runs }) => [repository, flaps, runs]),
    [
      ['acme/secret', 4, 100],
      [undefined, 3, 100],
    ],
  );
  assert.deepEqual(
    (parse(additionsYaml(suggested)) as KnownFlapper[]).map(({ repository }) => repository),
    ['acme/secret', undefined],
  );
});

test('the most certain come first, and there are not too many', () => {
  const many = Array.from({ length: 40 }, (_, at) => aRecord({ name: `t/${at}.t`, flapped: 3 + at }));
  assert.deepEqual([names(many).length, names(many)[0]], [20, 't/39.t']);
});

test('the patch is YAML of the list, whatever a log called its file or job', () => {
  const hostile = 't/"]\n- name: "**"\u2028#.t';
  const given = suggestAdditions([aRecord(), aRecord({ name: hostile, platform: "a: [b] '" })], [], TODAY);
  const read = parse(additionsYaml(given)) as KnownFlapper[];
  assert.deepEqual(read, [
    { name: hostile, platforms: ["a: [b] '"], since: '2026-10-22' },
    { name: 't/a.t', platforms: ['Lin_MVM'], since: '2026-10-22' },
  ]);
});

test('remarks: gone when its jobs run without it, quiet for long, over; nothing without a record', () => {
  const known: KnownFlapper[] = [
    { name: 't/gone.t' },
    { name: 't/never-seen.t' },
    { name: 't/lively.t' },
    { name: 't/old.t', until: '2026-01-01' },
    { name: 't/quiet.t' },
  ];
  const record = {
    running: ['t/lively.t', 't/quiet.t'],
    gone: ['t/gone.t'],
    lastFlapped: new Map([
      ['t/lively.t', '2026-11-20'],
      ['t/quiet.t', '2026-01-02'],
    ]),
  };
  const told = remarksOn(known, { ...record, recordedSince: '2026-01-01' }, TODAY);
  assert.deepEqual(
    told.map(({ because, entry }) => [entry.name, because]),
    [
      ['t/gone.t', 'gone'],
      ['t/never-seen.t', 'quiet'],
      ['t/old.t', 'over'],
      ['t/quiet.t', 'quiet'],
    ],
  );
  assert.match(remarkText(told[3]!), /t\/quiet\.t .* has not flapped since 2026-01-02/);
  assert.match(remarkText(told[1]!), /has not flapped in 324 days/);
  assert.deepEqual(
    remarksOn(known, { ...record, recordedSince: '2026-11-01' }, TODAY).map(({ entry }) => entry.name),
    ['t/gone.t', 't/old.t'],
    'a young record says nothing about quiet ones',
  );
  assert.deepEqual(remarksOn(known, record, TODAY), []);
});

test('a glob is gone only when none of its files runs', () => {
  const record = { running: ['t/b.t'], gone: ['t/a.t'], lastFlapped: new Map(), recordedSince: '2026-11-01' };
  assert.deepEqual(remarksOn([{ name: 't/*.t' }], record, TODAY), []);
  assert.equal(remarksOn([{ name: 't/*.t' }], { ...record, running: [] }, TODAY)[0]?.because, 'gone');
});

test('shares are words', () => {
  const cases: [number, string][] = [
    [0, '0 %'],
    [0.0004, '< 0.1 %'],
    [0.008, '0.8 %'],
    [0.0999, '10 %'],
    [0.5, '50 %'],
    [1, '100 %'],
  ];
  for (const [share, words] of cases) assert.equal(percent(share), words);
  assert.equal(weeksText([{ passed: 1, failed: 0, flapped: 0 }]), '1 run, 0 failed, 0 of them flaps');
  assert.equal(NOW.toISOString().slice(0, 10), TODAY);
});
