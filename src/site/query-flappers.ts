import { z } from 'zod';
import { absentWhenEmpty, key, oneOf, positive } from './query.ts';

/** What the address bar may say on the pages of flappers. */

/** Of a page's last row: the value by which it was sorted, and the numbers of file and job. */
const place = z
  .string()
  .regex(/^\d[\d.e+-]{0,30}_\d{1,9}_\d{1,9}$/, 'before must be what an earlier page gave as next')
  .refine((text) => isValue(Number(text.split('_')[0])), 'before must be what an earlier page gave as next');

/** A rate, or a time in milliseconds that a date can have. */
const isValue = (value: number): boolean => Number.isFinite(value) && value <= 8.64e15;

export const flappersQuery = z.object({
  file: absentWhenEmpty(key('file')),
  platform: absentWhenEmpty(key('platform')),
  show: absentWhenEmpty(oneOf('show', ['failed'])),
  sort: absentWhenEmpty(oneOf('sort', ['rate', 'last'])),
  before: absentWhenEmpty(place),
  limit: absentWhenEmpty(positive('limit', 200)),
});

export const flapperFileQuery = z.object({ name: key('name').min(1, 'name must be the path of a test file') });

export type FlappersQuery = z.infer<typeof flappersQuery>;
