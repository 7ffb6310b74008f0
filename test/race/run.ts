/**
 * The queue's promises under fire (`npm run test:race`): four worker processes whose clocks disagree by hours, on one
 * PostgreSQL; two of them are killed -9 again and again and replaced. Every event takes effect exactly once, one of a
 * subject at a time, in order; every effect at least once, one of a lane at a time, its outcome told exactly once.
 *
 * Nothing depends on a parked event: the rest of its subject goes on. It is started again at the very end, and then
 * takes effect once like the others.
 *
 * RCB_RACE_EVENTS (default 10000) and RCB_RACE_SEED change the race; the number of effects is a fifth of the events'.
 */
import assert from 'node:assert/strict';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { openQueue } from '../../src/queue/prisma.ts';
import type { Queue } from '../../src/queue/queue.ts';
import { announce, insertEffects } from '../../src/queue/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { testDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';
import { judge } from './judge.ts';
import { drawn, effectOf, eventAt, eventKey, fateOf, IS_SILENT, LEASE_MS, SUBJECTS } from './plan.ts';
import { WorkerSlot } from './processes.ts';

const HOUR = 3_600_000;
const FULL = 10_000;
const events = Number(process.env.RCB_RACE_EVENTS ?? FULL);
const seed = process.env.RCB_RACE_SEED ?? '20261121';
const targets = Math.floor(events / 5);
const places = Math.ceil(events / SUBJECTS);
const DRAIN_DEADLINE_MS = 240_000;

if (!process.env.RCB_TEST_DATABASE_URL) {
  console.error('The race needs a PostgreSQL server: npm run test:race starts one.');
  process.exit(2);
}

const testing = await testDatabase();
const { prisma } = testing.database;
let ids = 0;
const newId = () => `race-${String(++ids).padStart(8, '0')}`;
const queue = openQueue(prisma, { newId, storeOn: (client) => client as unknown as Store });
const slots = [HOUR, -HOUR, 0, HOUR / 2].map((skewMs, index) => new WorkerSlot(`w${index + 1}`, testing.url!, skewMs));

try {
  await createTables(prisma);
  await schedule(prisma);
  await wish(0, targets / 2, true);
  const started = performance.now();
  await Promise.all(slots.map((slot) => slot.start()));
  const working = performance.now();
  const feeding = Promise.all([pushAll(queue), wishAgain(), ...slots.slice(2).map((slot) => killAgain(slot))]);
  await Promise.all([feeding, untilDrained(feeding)]);
  const seconds = (performance.now() - working) / 1_000;

  const parked = await startParkedAgain(prisma, queue);
  await untilDrained(Promise.resolve());
  for (const slot of slots) await slot.stop();
  const takeovers = (await Promise.all(slots.flatMap((slot) => slot.takeovers))).filter(({ rows }) => rows > 0);
  await report(seconds, (working - started) / 1_000, takeovers, parked);
} catch (error) {
  for (const slot of slots) console.error(`--- ${slot.name}\n${slot.log.split('\n').slice(-8).join('\n')}`);
  throw error;
} finally {
  for (const slot of slots) await slot.abandon();
  await testing.close();
}

async function createTables(prisma: PrismaClient): Promise<void> {
  const tables = [
    // No unique key: doubles must be able to happen.
    `race_handled (id text, key text, subject text, worker text, tries int, started_at timestamptz, ended_at timestamptz)`,
    `race_performed (id text, fence int, target text, lane text, worker text, started_at timestamptz,
       ended_at timestamptz, version int)`,
    `race_wish (target text PRIMARY KEY, version int, together boolean)`,
    `race_parked (id text PRIMARY KEY)`,
    `race_opened (at timestamptz)`,
    // When each event was committed at the latest, and when it was claimed.
    `race_told (key text PRIMARY KEY, at timestamptz)`,
    `race_claimed (id text, at timestamptz, begun_at timestamptz)`,
  ];
  for (const table of tables) await prisma.$executeRawUnsafe(`CREATE TABLE ${table}`);
  await prisma.$executeRawUnsafe('CREATE INDEX ON race_performed (id, fence)');
  await prisma.$executeRawUnsafe('CREATE INDEX ON race_performed (target)');
  await prisma.$executeRawUnsafe('CREATE INDEX ON race_claimed (id)');
  await prisma.$executeRawUnsafe('CREATE INDEX ON race_handled (key)');
  // A claim is one statement: what was committed before its now() was there to be seen.
  await prisma.$executeRawUnsafe(`CREATE FUNCTION race_claim() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO race_claimed VALUES (NEW.id, now(), clock_timestamp()); RETURN NULL; END'`);
  await prisma.$executeRawUnsafe(`CREATE TRIGGER race_claim AFTER UPDATE ON event FOR EACH ROW
    WHEN (NEW.state = 'running' AND NEW.fence > OLD.fence) EXECUTE FUNCTION race_claim()`);
  await prisma.$executeRawUnsafe(`CREATE FUNCTION race_end() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO race_handled SELECT NEW.id, NEW.key, NEW.subject, NEW.worker, NEW.tries, max(begun_at), clock_timestamp()
       FROM race_claimed WHERE id = NEW.id; RETURN NULL; END'`);
  await prisma.$executeRawUnsafe(`CREATE TRIGGER race_end AFTER UPDATE ON event FOR EACH ROW
    WHEN (NEW.state = 'done' AND OLD.state = 'running' AND ${IS_SILENT}) EXECUTE FUNCTION race_end()`);
}

/** The last event of each subject is scheduled: there from the start, due later; its subject goes on without it. */
async function schedule(prisma: PrismaClient): Promise<void> {
  const subjects = Array.from({ length: SUBJECTS }, (_, index) => index);
  const keys = subjects.map((subject) => eventKey(subject, places));
  await prisma.$executeRaw`
    INSERT INTO event (id, key, kind, subject, payload, state, due_at, created_at)
    SELECT 'scheduled-' || key, key, 'hook.noted', 'hook:s' || number,
      jsonb_build_object('kind', 'hook.noted', 'hook', 's' || number),
      'pending', now() + (4 + number % 8) * interval '1 second', now()
    FROM unnest(${keys}::text[], ${subjects}::int[]) AS each (key, number)`;
  await noteTold(prisma, keys);
}

async function noteTold(prisma: PrismaClient, keys: string[]): Promise<void> {
  await prisma.$executeRaw`INSERT INTO race_told SELECT key, clock_timestamp() FROM unnest(${keys}::text[]) AS key`;
}

/** The others are told by eight at once, each subject's in order; a third of them twice. */
async function pushAll(queue: Queue): Promise<void> {
  const teller = async (number: number) => {
    const subjects = Array.from({ length: SUBJECTS }, (_, index) => index).filter((index) => index % 8 === number);
    for (let place = 1; place < places; place += 1) {
      const told = subjects.map((subject) => ({ event: eventAt(subject, place), source: 'own' as const }));
      await queue.push(told);
      await noteTold(
        prisma,
        told.map((each) => each.event.key),
      );
      if (place % 3 === 0) await queue.push(told.slice(0, 30));
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, number) => teller(number)));
}

/** A wish, and the effect that brings it about, in one transaction, as a handler does it. */
async function wish(from: number, to: number, together: boolean): Promise<void> {
  const wished = Array.from({ length: Math.floor(to) - Math.floor(from) }, (_, index) => Math.floor(from) + index);
  const names = wished.map((index) => `check:c${index}`);
  await prisma.$transaction(async (client) => {
    await client.$executeRaw`
      INSERT INTO race_wish (target, version, together) SELECT target, 1, ${together} FROM unnest(${names}::text[]) AS target
      ON CONFLICT (target) DO UPDATE SET version = race_wish.version + 1`;
    const effects = wished.map((index) => ({ effect: effectOf(index) }));
    await insertEffects(client, effects, { newId });
    if (together) await insertEffects(client, effects, { newId }); // Wished twice before anybody works: one row.
    await announce(client);
  });
}

/** The second half of the targets: three wishes each, while the workers are at it. */
async function wishAgain(): Promise<void> {
  const middle = Math.floor(targets / 2);
  const wisher = async (number: number) => {
    for (let from = middle + number * 10; from < targets; from += 40) {
      for (let round = 0; round < 3; round += 1) await wish(from, Math.min(from + 10, targets), false);
    }
  };
  await Promise.all(Array.from({ length: 4 }, (_, number) => wisher(number)));
}

async function killAgain(slot: WorkerSlot): Promise<void> {
  const kills = events < FULL ? 2 : 4;
  for (let kill = 0; kill < kills; kill += 1) {
    await pause(400 + drawn(`${seed} ${slot.name} ${kill}`) * 2_600);
    await slot.kill(prisma);
  }
}

/** The seeded moments of the kills. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function untilDrained(feeding: Promise<unknown>): Promise<void> {
  await feeding;
  const open = { state: { in: ['pending', 'running'] } };
  await until(
    async () => (await prisma.event.count({ where: open })) + (await prisma.effect.count({ where: open })) === 0,
    DRAIN_DEADLINE_MS,
  );
}

/** Everything else is done by now, so nothing waited for them. */
async function startParkedAgain(prisma: PrismaClient, queue: Queue): Promise<number> {
  const parked = await prisma.event.findMany({ where: { state: 'parked' }, select: { id: true, key: true } });
  assert.ok(
    parked.every(({ key }) => fateOf(key) === 'parked'),
    'only those are parked that shall be',
  );
  await prisma.$executeRaw`INSERT INTO race_parked SELECT id FROM event WHERE state = 'parked'`;
  await prisma.$executeRaw`INSERT INTO race_opened VALUES (now())`;
  for (const { id } of parked) assert.ok(await queue.restart(id));
  return parked.length;
}

async function report(
  seconds: number,
  startSeconds: number,
  takeovers: { rows: number; ms: number }[],
  parked: number,
): Promise<void> {
  const told = places * SUBJECTS;
  const offences = await judge(prisma, { events: told, targets });
  const effects = await prisma.effect.count();
  const slowest = Math.max(0, ...takeovers.map(({ ms }) => ms));
  const inherited = takeovers.reduce((sum, { rows }) => sum + rows, 0);
  const rows = told + 2 * effects;
  console.log(
    [
      `4 processes (clocks +60, -60, 0, +30 min; started in ${startSeconds.toFixed(1)} s)`,
      `${told} events of ${SUBJECTS} subjects, ${effects} effects of ${targets} targets, as many outcomes`,
      `${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s`,
      `${takeovers.length} kills in mid-work, ${inherited} rows taken over, the slowest after ${Math.round(slowest)} ms (lease ${LEASE_MS} ms)`,
      `${parked} parked, which nothing waited for`,
    ].join('; '),
  );
  if (told < FULL) console.log(`A reduced race: RCB_RACE_EVENTS=${events} instead of ${FULL}.`);
  console.log(
    `${told} events, ${offences['events lost']} lost, ${offences['events doubled']} doubled, ${offences['events out of order']} out of order`,
  );
  const none = Object.fromEntries(Object.keys(offences).map((name) => [name, 0]));
  assert.deepEqual({ ...offences }, none);
  assert.ok(parked > 0, 'some were parked');
  assert.ok(takeovers.length >= 2, `${takeovers.length} kills hit a worker at work`);
  assert.ok(slowest < 2 * LEASE_MS, `a lease of ${LEASE_MS} ms was taken over only after ${Math.round(slowest)} ms`);
}
