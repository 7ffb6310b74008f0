import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Claim } from './queue.ts';
import type { ClaimedRow } from './rows.ts';

/**
 * The two claim statements. Both look at the *heads*, the first due row of each subject or lane, in two steps:
 *
 * - *near*: the heads among the rows that have been due longest. Whatever the queue holds, this reads `NEAR` rows, and
 *   it is nearly always enough.
 * - *far*, only when all of those belong to a few subjects that are held up: one probe of an index per subject with
 *   pending rows, so that a subject with thousands of them does not hide the others.
 *
 * Both only collect candidates from one snapshot. What has changed since is seen by the conditions on `e`, which are
 * looked at again on the newest version of a row once it is locked; and two claims that want one subject are told apart
 * by the partial unique index on running rows. `now()` is the start of the statement, by the database's clock, and
 * unlike `clock_timestamp()` it can be looked up in an index.
 *
 * `e.state || ''` is `e.state`, and no index can be used for it: candidates are found by their ids. Without it, and
 * before the table's first ANALYZE, PostgreSQL looks at every pending row instead, which is ten times as slow.
 */
const NEAR = 200;

/** The head of each subject that is due, and whatever was running when its lease ended. A row whose lease ended is
 *  claimed even when an older one of its subject has appeared (a late commit, a parked row that was started again):
 *  until it has ended no other of its subject can be claimed. Such a row comes first, however many others are due. */
export const claimEventRows = (prisma: PrismaClient, { worker, most, leaseMs }: Claim): Promise<ClaimedRow[]> =>
  prisma.$queryRaw<ClaimedRow[]>`
    WITH RECURSIVE near AS MATERIALIZED (
      SELECT id, subject, due_at, seq, retry_at FROM event
      WHERE state = 'pending' AND due_at <= now() ORDER BY due_at, seq LIMIT ${NEAR}
    ), near_free AS MATERIALIZED (
      SELECT head.id
      FROM (SELECT DISTINCT ON (subject) id, subject, retry_at FROM near ORDER BY subject, due_at, seq) AS head
      WHERE (head.retry_at IS NULL OR head.retry_at <= now())
        AND NOT EXISTS (SELECT 1 FROM event o WHERE o.subject = head.subject AND o.state = 'running')
    ), far AS (
      (SELECT id, subject FROM event
       WHERE state = 'pending'
         AND (SELECT count(*) FROM near) = ${NEAR} AND (SELECT count(*) FROM near_free) < ${most}
       ORDER BY subject, due_at, seq LIMIT 1)
      UNION ALL
      SELECT next.id, next.subject FROM far CROSS JOIN LATERAL (
        SELECT id, subject FROM event WHERE state = 'pending' AND subject > far.subject
        ORDER BY subject, due_at, seq LIMIT 1) AS next
    ), candidate AS (
      SELECT id FROM near_free
      UNION ALL SELECT far.id FROM far
        WHERE NOT EXISTS (SELECT 1 FROM event o WHERE o.subject = far.subject AND o.state = 'running')
      UNION ALL SELECT id FROM event WHERE state = 'running' AND lease_until < now()
    )
    UPDATE event SET state = 'running', tries = tries + 1, fence = fence + 1, worker = ${worker},
      lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    WHERE id IN (
      SELECT e.id FROM event e
      WHERE e.id = ANY(ARRAY(SELECT id FROM candidate))
        AND ((e.state || '' = 'pending' AND e.due_at <= now() AND (e.retry_at IS NULL OR e.retry_at <= now()))
             OR (e.state || '' = 'running' AND e.lease_until < now()))
      ORDER BY e.state = 'pending', e.due_at, e.seq LIMIT ${most} FOR UPDATE SKIP LOCKED)
    RETURNING id, key, subject AS "order", payload, tries, fence`;

/** The next of each lane that is free and may be used. A lane's row that waits for its retry lets the others pass. */
export const claimEffectRows = (prisma: PrismaClient, { worker, most, leaseMs }: Claim): Promise<ClaimedRow[]> =>
  prisma.$queryRaw<ClaimedRow[]>`
    WITH RECURSIVE busy AS MATERIALIZED (
      SELECT lane FROM effect WHERE state = 'running'
      UNION ALL SELECT name FROM lane WHERE not_before_at > now()
    ), near AS MATERIALIZED (
      SELECT id, lane, due_at FROM effect
      WHERE state = 'pending' AND due_at <= now() ORDER BY due_at, id LIMIT ${NEAR}
    ), near_free AS MATERIALIZED (
      SELECT head.id FROM (SELECT DISTINCT ON (lane) id, lane FROM near ORDER BY lane, due_at, id) AS head
      WHERE NOT EXISTS (SELECT 1 FROM busy WHERE busy.lane = head.lane)
    ), far AS (
      (SELECT id, lane FROM effect
       WHERE state = 'pending'
         AND (SELECT count(*) FROM near) = ${NEAR} AND (SELECT count(*) FROM near_free) < ${most}
       ORDER BY lane, due_at, id LIMIT 1)
      UNION ALL
      SELECT next.id, next.lane FROM far CROSS JOIN LATERAL (
        SELECT id, lane FROM effect WHERE state = 'pending' AND lane > far.lane
        ORDER BY lane, due_at, id LIMIT 1) AS next
    ), candidate AS (
      SELECT id FROM near_free
      UNION ALL SELECT far.id FROM far WHERE NOT EXISTS (SELECT 1 FROM busy WHERE busy.lane = far.lane)
      UNION ALL SELECT id FROM effect WHERE state = 'running' AND lease_until < now()
    )
    UPDATE effect SET state = 'running', tries = tries + 1, fence = fence + 1, worker = ${worker},
      lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    WHERE id IN (
      SELECT e.id FROM effect e
      WHERE e.id = ANY(ARRAY(SELECT id FROM candidate))
        AND ((e.state || '' = 'pending' AND e.due_at <= now()) OR (e.state || '' = 'running' AND e.lease_until < now()))
        AND NOT EXISTS (SELECT 1 FROM lane l WHERE l.name = e.lane AND l.not_before_at > now())
      ORDER BY e.state = 'pending', e.due_at, e.id LIMIT ${most} FOR UPDATE SKIP LOCKED)
    RETURNING id, target AS key, lane AS "order", payload, tries, fence`;
