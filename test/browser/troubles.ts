import type { Prisma, PrismaClient } from '../../src/generated/prisma/client.ts';

/** Rows of a bad day, as they are in real life: what hooks told and polls repaired, what is parked, what waits. */

export const UNREAD_KEY = 'delivery:72d3162e-cc78-11e3-81ab-4c9367dc0958-2';

const RAKUDO = 'github:1068214';
const NQP = 'github:1066827';
const PATCHY = 'feature/$(echo pwned)/it’s-a-very-long-branch-name-that-somebody-chose-in-the-middle-of-the-night';

export async function addTroubles(prisma: PrismaClient, now: Date): Promise<void> {
  await prisma.event.createMany({ data: eventsOf(now) });
  await prisma.effect.createMany({ data: effectsOf(now) });
  await addPolls(prisma, now);
}

function eventsOf(now: Date): Prisma.EventCreateManyInput[] {
  const at = (seconds: number) => new Date(now.getTime() - seconds * 1000);
  let count = 0;
  const event = (
    age: number,
    rest: Pick<Prisma.EventCreateManyInput, 'key' | 'kind' | 'subject'> & Partial<Prisma.EventCreateManyInput>,
  ): Prisma.EventCreateManyInput => {
    count += 1;
    // After all ids of the seed, in the order of these lines.
    const id = `zz${String(count).padStart(4, '0')}`;
    const stored = at(age);
    return { id, state: 'done', tries: 1, dueAt: stored, createdAt: stored, doneAt: stored, hookAt: stored, ...rest };
  };
  const pull = (age: number, number: number, rest: Partial<Prisma.EventCreateManyInput> = {}) => {
    const subject = `pull-request:${RAKUDO}#${number}`;
    const key = `${subject}:${age}:4f1c9c2b7d0e8a6f5b3a2c1d`;
    const payload = { kind: 'pull-request.hinted', repository: { key: RAKUDO, name: 'rakudo/rakudo' }, number };
    return event(age, { key, kind: 'pull-request.hinted', subject, payload, occurredAt: at(age + 1.4), ...rest });
  };
  const branch = (age: number, ref: string, rest: Partial<Prisma.EventCreateManyInput> = {}) => {
    const subject = `branch:${NQP}:refs/heads/${ref}`;
    const key = `${subject}:${age}:a1b2c3d4e5f60718293a4b5c6d7e8f9001122334`;
    return event(age, { key, kind: 'branch.hinted', subject, ...rest });
  };
  const own = (age: number, what: string) =>
    event(age, {
      key: `delivery:${what}-${age}`,
      kind: 'hook.noted',
      subject: 'hook:check_run',
      payload: { kind: 'hook.noted', hook: 'check_run', what },
      tries: 0,
    });
  return [
    pull(2400, 5601, { pollAt: at(2360) }),
    branch(2100, 'main', { hookAt: null, pollAt: at(2100) }),
    event(1900, {
      key: UNREAD_KEY,
      kind: 'hook.unread',
      subject: 'hook:pull_request',
      state: 'parked',
      tries: 0,
      payload: { kind: 'hook.unread', hook: 'pull_request', why: 'number: expected a number, found "seven"' },
      raw: '{"action":"opened","number":"seven","pull_request":{"title":"<script>alert(1)</script>"}}',
      error: 'number: expected a number, found "seven"',
      doneAt: null,
    }),
    pull(1500, 5603, { hookAt: null, pollAt: at(1500), occurredAt: at(1548) }),
    branch(1200, PATCHY, {
      state: 'parked',
      tries: 12,
      error: 'rakudo/rakudo: the row of its installation is locked by another worker: deadlock detected',
      doneAt: null,
    }),
    pull(900, 5604, { pollAt: at(871) }),
    ...[800, 790, 780, 770].map((age) => own(age, age % 20 === 0 ? 'created' : 'completed')),
    event(600, {
      key: `comment:${RAKUDO}:998878:created:2026-11-21T11:49:58Z`,
      kind: 'comment.told',
      subject: `pull-request:${RAKUDO}#5604`,
      hookAt: null,
      pollAt: at(600),
      occurredAt: at(602),
    }),
    pull(300, 5604, { pollAt: at(280) }),
    ...[200, 190, 180].map((age) => own(age, 'created')),
    branch(12, 'main', { state: 'running', doneAt: null }),
    pull(3, 5601, { state: 'pending', tries: 0, doneAt: null }),
  ];
}

function effectsOf(now: Date): Prisma.EffectCreateManyInput[] {
  const effect = (
    id: string,
    rest: Pick<Prisma.EffectCreateManyInput, 'kind' | 'target' | 'lane'>,
  ): Prisma.EffectCreateManyInput => ({
    id: `zz-${id}`,
    payload: {},
    state: 'pending',
    dueAt: new Date(now.getTime() + 12_000),
    createdAt: new Date(now.getTime() - 60_000),
    ...rest,
  });
  const inTurn = (_: unknown, index: number) =>
    effect(`turn-${index}`, { kind: 'sources.resolve', target: `run:01jd8${index}`, lane: 'catch-up' });
  const held = (_: unknown, index: number) =>
    effect(`held-${index}`, { kind: 'build.start', target: `build:01jd9${index}`, lane: 'start:local' });
  return [...Array.from({ length: 40 }, inTurn), ...Array.from({ length: 3 }, held)];
}

async function addPolls(prisma: PrismaClient, now: Date): Promise<void> {
  const at = (seconds: number) => new Date(now.getTime() - seconds * 1000).toISOString();
  const repository = (key: string, name: string, installation?: string) => ({
    key,
    name,
    installation,
    state: 'watched',
    defaultBranch: 'main',
    updatedAt: now,
  });
  await prisma.installation.create({
    data: { key: 'github:zz', account: 'zavolaj', accountId: '9', state: 'suspended', served: true, updatedAt: now },
  });
  const active = await prisma.installation.findFirstOrThrow({ where: { state: 'active', served: true } });
  await prisma.repository.updateMany({ where: { state: 'watched' }, data: { installation: active.key } });
  await prisma.repository.createMany({
    data: [
      repository('github:zz1', 'zavolaj/a-repository-with-quite-a-long-name-as-they-come', 'github:zz'),
      repository('git:project', 'project'),
    ],
  });
  const trouble = {
    why: 'Reading the branches of Raku/nqp: GitHub answered 502 and said nothing else',
    since: at(840),
  };
  await prisma.cursor.createMany({
    data: [
      { name: `poll:${RAKUDO}`, value: { lookedAt: at(21) }, movedAt: now },
      { name: `poll:${NQP}`, value: { lookedAt: at(900), trouble }, movedAt: now },
      { name: 'poll:git:project', value: { lookedAt: at(4) }, movedAt: now },
      { name: 'deliveries', value: { until: at(65) }, movedAt: now },
    ],
  });
}
