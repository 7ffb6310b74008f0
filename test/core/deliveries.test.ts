import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Delivery, deliveryNews } from '../../src/core/deliveries.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1_000);
let ids = 0;
const sent = (guid: string, seconds: number, more: Partial<Delivery> = {}): Delivery => ({
  id: `attempt-${++ids}`,
  guid,
  deliveredAt: ago(seconds),
  ok: true,
  name: 'push',
  ...more,
});
const click = { name: 'check_run', action: 'rerequested' };
const failed = { ok: false };

/** In short: what is read, what is sent again, and how long ago everything is settled. */
function news(listed: Delivery[], known: string[] = []): string {
  const { read, resend, until } = deliveryNews(listed, new Set(known), NOW);
  const names = (some: Delivery[]) => some.map(({ guid }) => guid).join(' ') || '-';
  const settled = (NOW.getTime() - Date.parse(until)) / 1_000;
  return `read ${names(read)}; resend ${names(resend)}; settled ${settled}`;
}

const table: [string, string, string][] = [
  ['nothing was sent', news([]), 'read -; resend -; settled 0'],
  ['all is known', news([sent('b', 10), sent('a', 60)], ['a', 'b']), 'read -; resend -; settled 0'],
  [
    'a push that was answered and is not in the ledger is found again by polling',
    news([sent('a', 60)]),
    'read -; resend -; settled 0',
  ],
  ['a push that failed is sent again', news([sent('a', 60, failed)]), 'read -; resend a; settled 60'],
  ['what failed a moment ago may not be told fully', news([sent('a', 5, failed)]), 'read -; resend -; settled 5'],
  [
    'a failed one holds the cursor back',
    news([sent('b', 5), sent('a', 60, failed)], ['b']),
    'read -; resend a; settled 60',
  ],
  [
    'the second attempt came through',
    news([sent('a', 5, { redelivery: true } as Partial<Delivery>), sent('a', 60, failed)], ['a']),
    'read -; resend -; settled 0',
  ],
  [
    'after three attempts it is left',
    news([sent('a', 60, failed), sent('a', 120, failed), sent('a', 180, failed)]),
    'read -; resend -; settled 0',
  ],
  [
    'a click on Re-run that failed is read and sent again',
    news([sent('a', 60, { ...click, ...failed })]),
    'read a; resend a; settled 60',
  ],
  [
    'a click that was answered and is not in the ledger is read',
    news([sent('a', 60, click)]),
    'read a; resend -; settled 0',
  ],
  ['a click that is known', news([sent('a', 60, click)], ['a']), 'read -; resend -; settled 0'],
  [
    'a check that was created is no click',
    news([sent('a', 60, { name: 'check_run', action: 'created' })]),
    'read -; resend -; settled 0',
  ],
];
for (const [title, found, expected] of table) test(title, () => assert.equal(found, expected));

test('a round has limits, oldest first, and the cursor stays before what it left', () => {
  const many = Array.from({ length: 60 }, (_, index) => sent(`g${index}`, 100 + index, { ...click, ...failed }));
  const { read, resend, until } = deliveryNews(many, new Set(), NOW);
  assert.deepEqual([read.length, resend.length], [50, 20]);
  assert.equal(read[0]!.guid, 'g59');
  assert.equal(until, ago(159).toISOString());
});
