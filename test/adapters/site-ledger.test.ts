import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { lagSeconds } from '../../src/site/api.ts';
import { shellWord } from '../../src/site/links.ts';
import { createMetrics } from '../../src/site/metrics.ts';
import type { EffectRow, FactTotals, Polls, QueueCounts, Reader, Waiting } from '../../src/site/reader.ts';
import { aFact, ago, memoryReader, siteOf } from './site-fakes.ts';

/** What the ledger, the list of runs and the service page say of facts, polls and waits. */

const noted = aFact({ id: '03', key: 'delivery:n', kind: 'hook.noted', subject: 'hook:check_run', tries: 0 });
const moved = aFact({ id: '02', key: 'branch:github:1:refs/heads/main:4:a1', kind: 'branch.hinted' });
const repaired = aFact({ id: '01', key: 'pull-request:github:1#7:2:ab', hookAt: undefined, pollAt: ago(540) });

const readerWith = (change: Partial<Reader>, facts = [noted, moved, repaired]): Reader => ({
  ...memoryReader([], facts),
  ...change,
});

describe('hooks from which nothing follows', () => {
  const keysOf = (page: string) => [...page.matchAll(/class="key" title="([^"]+)"/g)].map((match) => match[1]);

  test('they are left out, shown when asked for, and never hidden from who names them', async () => {
    const world = siteOf(readerWith({}));
    const first = await world.text('/ledger');
    assert.deepEqual(keysOf(first), [moved.key, repaired.key]);
    assert.match(first, /Left out: .*<a href="\/ledger\?noted=shown">Show all<\/a>/);
    const all = await world.text('/ledger?noted=shown');
    assert.deepEqual(keysOf(all), [noted.key, moved.key, repaired.key]);
    assert.match(all, /<a href="\/ledger\?noted=hidden">Leave them out<\/a>/);
    assert.match(all, /<input type="hidden" name="noted" value="shown">/, 'the form keeps the choice');
    assert.deepEqual(keysOf(await world.text('/ledger?kind=hook.noted')), [noted.key]);
    assert.deepEqual(keysOf(await world.text('/ledger?subject=hook:check_run')), [noted.key]);
  });

  test('the JSON has every fact, unless asked to leave them out', async () => {
    const world = siteOf(readerWith({}));
    const keys = async (path: string) => {
      const { facts } = (await (await world.get(path)).json()) as { facts: { key: string }[] };
      return facts.map(({ key }) => key);
    };
    assert.deepEqual(await keys('/api/ledger'), [noted.key, moved.key, repaired.key]);
    assert.deepEqual(await keys('/api/ledger?noted=hidden'), [moved.key, repaired.key]);
    assert.deepEqual(await keys('/api/ledger?told=poll'), [repaired.key]);
  });
});

describe('when a fact happened, and when it was told', () => {
  test('the lag is from the fact to whoever told it first, and never negative', () => {
    assert.equal(lagSeconds(aFact({ occurredAt: ago(60), hookAt: ago(10), pollAt: ago(30) })), 30);
    assert.equal(lagSeconds(aFact({ occurredAt: ago(60), hookAt: ago(61.5) })), 0);
    assert.equal(lagSeconds(aFact({ occurredAt: undefined })), undefined);
    assert.equal(lagSeconds(aFact({ hookAt: undefined })), undefined);
  });

  test('a row shows each time with its own word, and what a poll repaired', async () => {
    const page = await siteOf(readerWith({}, [repaired])).text('/ledger');
    const cell = (label: string) => new RegExp(`data-label="${label}"><div>(.*?)</div></td>`).exec(page)![1]!;
    assert.match(cell('Occurred'), />11:49:58</);
    assert.match(cell('Hook'), /–/);
    assert.match(cell('Poll'), /title="2026-11-21 11:51:00 UTC"><span class="keep">11:51:00</);
    assert.match(cell('Lag'), /62\.0 s.*repaired/);
  });

  test('a time of another day names the day', async () => {
    const old = aFact({ occurredAt: new Date('2026-11-19T23:59:58Z') });
    assert.match(await siteOf(readerWith({}, [old])).text('/ledger'), /Nov 19,<\/span> <span class="keep">23:59:58</);
  });

  test('the page of a fact says how often it was really tried', async () => {
    const unread = aFact({ id: '04', key: 'delivery:u', kind: 'hook.unread', state: 'parked', tries: 0 });
    const world = siteOf(readerWith({}, [noted, moved, unread]));
    const tries = async (key: string) =>
      /<dt>Tries<\/dt><dd>(.*?)<\/dd>/.exec(await world.text(`/ledger/fact?key=${encodeURIComponent(key)}`))![1];
    assert.equal(await tries(noted.key), 'None: nothing follows from it');
    assert.equal(await tries(unread.key), 'None: it could not be read');
    assert.equal(await tries(moved.key), '1');
  });

  test('a hook that was not understood shows what came, beside what we made of it', async () => {
    const payload = { kind: 'hook.unread', hook: 'push', why: 'ref: expected a string' };
    const unread = aFact({ key: 'delivery:u', kind: 'hook.unread', state: 'parked', raw: '{"ref":7}', payload });
    const page = await siteOf(readerWith({}, [unread])).text('/ledger/fact?key=delivery:u');
    assert.match(page, /As it came.*\{&quot;ref&quot;:7\}.*Payload.*expected a string/s);
  });
});

describe('totals', () => {
  const totals: FactTotals = {
    hookOnly: 12,
    pollOnly: 3,
    both: 1200,
    noted: 4000,
    lagByHook: { p50: 1.24, p99: 4, facts: 1100 },
    lagByPollOnly: { p50: 48, p99: 130, facts: 3 },
  };

  test('they are of the chosen time, and each is asked for once', async () => {
    const asked: Date[] = [];
    const reader = readerWith({
      factTotals: async (since) => {
        asked.push(since);
        return totals;
      },
    });
    const world = siteOf(reader);
    const page = await world.text('/ledger?over=hour&state=done');
    assert.deepEqual(asked, [ago(3600)]);
    assert.match(page, /<strong aria-current="true">last hour<\/strong>/);
    assert.match(page, /href="\/ledger\?state=done&amp;over=30-days"/);
    const shown = [...page.matchAll(/<dt>([^<]+)<\/dt><dd>(.*?)<\/dd>/gs)];
    const text = (html: string) => html.replace(/<[^>]+>/g, '').trim();
    assert.deepEqual(
      shown.map(([, name, value]) => [name, text(value!)]),
      [
        ['By hook and poll', '1,200'],
        ['By hook only', '12'],
        ['By poll only: repaired', '3'],
        ['Nothing follows', '4,000'],
        ['Lag by hook', 'p50 1.2 s · p99 4.0 s'],
        ['Lag by poll only', 'p50 48.0 s · p99 2 min'],
      ],
    );
    await world.text('/ledger?before=02');
    assert.equal(asked.length, 1, 'older pages do not count again');
    assert.equal((await world.get('/ledger?over=week')).status, 400);
  });

  test('the JSON of the totals has exactly its promised shape', async () => {
    const world = siteOf(readerWith({ factTotals: async () => ({ ...totals, lagByPollOnly: undefined }) }));
    assert.deepEqual(await (await world.get('/api/ledger/totals')).json(), {
      over: 'day',
      since: ago(86_400).toISOString(),
      hook: 12,
      poll: 3,
      both: 1200,
      noted: 4000,
      lag: { hook: { p50: 1.24, p99: 4, facts: 1100 } },
    });
  });

  test('the metrics have them, too', async () => {
    const measures = await memoryReader([]).measures();
    const metrics = createMetrics({
      measures: async () => ({
        ...measures,
        facts: totals,
        waiting: { catchUp: 40, held: 2 },
        lookAges: [{ repository: 'rakudo/rakudo', seconds: 31.5 }],
        pollsInTrouble: 1,
      }),
      budgets: () => [],
      archiveUsage: async () => ({ blobs: 0, logs: 0 }),
    });
    const lines = (await metrics()).split('\n');
    for (const line of [
      'rcb_facts_told{by="poll"} 3',
      'rcb_facts_told{by="both"} 1200',
      'rcb_fact_lag_seconds{source="poll",quantile="0.99"} 130',
      'rcb_catch_up_waiting_runs 40',
      'rcb_builds_held 2',
      'rcb_poll_age_seconds{repository="rakudo/rakudo"} 31.5',
      'rcb_polls_in_trouble 1',
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });
});

describe('what is parked', () => {
  const effect: EffectRow = {
    id: '01jd8effect',
    kind: 'check.report',
    target: 'check:1',
    lane: 'write:github:71',
    state: 'parked',
    tries: 12,
    error: 'GitHub answered 403',
    dueAt: ago(60),
    createdAt: ago(600),
  };
  const commandsOf = (page: string) =>
    [...page.matchAll(/<code class="command"[^>]*>(.*?)<\/code>/g)].map((match) =>
      match[1]!.replaceAll('&#39;', "'").replaceAll('&amp;', '&'),
    );

  test('each says how to start it again', async () => {
    const comment = aFact({ id: '02', key: 'comment:github:1:9:created:2026', kind: 'comment.told', state: 'parked' });
    const unread = aFact({ id: '01', key: 'delivery:u', kind: 'hook.unread', state: 'parked', tries: 0 });
    const counts: QueueCounts = { events: { parked: 31 }, effects: { parked: 1 } };
    const reader = readerWith(
      { listEffects: async (state) => (state === 'parked' ? [effect] : []), counts: async () => counts },
      [comment, unread],
    );
    const page = await siteOf(reader).text('/ledger');
    assert.deepEqual(commandsOf(page), [
      'npx rcb retry comment:github:1:9:created:2026',
      'npx rcb replay delivery:u',
      'npx rcb retry delivery:u',
      'npx rcb retry 01jd8effect',
    ]);
    assert.match(page, /The newest 3 of 32:/);
    assert.match(page, /12 tries, /);
  });

  test('a fact from outside can be fed again from its page; what follows from nothing cannot', async () => {
    const world = siteOf(
      readerWith({}, [
        { ...moved, payload: { kind: 'branch.hinted' } },
        { ...noted, payload: {} },
      ]),
    );
    const of = async (key: string) => commandsOf(await world.text(`/ledger/fact?key=${encodeURIComponent(key)}`));
    assert.deepEqual(await of(moved.key), [`npx rcb replay ${moved.key}`]);
    assert.deepEqual(await of(noted.key), []);
  });

  test('whatever a branch is called, its command stays one word of a shell', () => {
    const names = [
      'branch:github:1:refs/heads/main:0:a1',
      'pull-request:github:1#7:0:ab',
      'branch:github:1:refs/heads/$(touch$IFS)x:0:a1',
      "branch:github:1:refs/heads/it's;ls&:0:a1",
      'branch:github:1:refs/heads/`id`:0:a1',
      'branch:github:1:refs/heads/wei\u00dfe\u00a0B\u00e4ume!*?:0:a1',
      '~root',
      '-x',
    ];
    for (const name of names) {
      assert.equal(execFileSync('sh', ['-c', `printf %s ${shellWord(name)}`], { encoding: 'utf8' }), name);
    }
    assert.equal(shellWord(names[0]!), names[0], 'and what is harmless stays as it is');
  });
});

describe('what waits because much has to be done', () => {
  const waiting: Waiting = { catchUp: 40, held: 1 };

  for (const path of ['/', '/service']) {
    test(`${path} says so`, async () => {
      const limits = { catchUpRunsPerMinute: 5, building: 20 };
      const page = await siteOf(readerWith({ waiting: async () => waiting }), { limits }).text(path);
      assert.match(page, /After an absence: 40 runs wait for their turn, 5 a minute begin/);
      assert.match(page, /1 build waits to be started: at most 20 runs are built at a time \(limits\.building\)/);
      assert.doesNotMatch(await siteOf(readerWith({}), { limits }).text(path), /After an absence|to be started/);
    });
  }

  test('without the limits it is said all the same; older pages are silent', async () => {
    const world = siteOf(readerWith({ waiting: async () => ({ catchUp: 1, held: 0 }) }));
    assert.match(await world.text('/runs'), /After an absence: 1 run waits for its turn, they begin one by one/);
    assert.doesNotMatch(await world.text('/runs?before=02'), /After an absence/);
  });

  test('the ledger says how many effects there are beside the ones that it shows', async () => {
    const counts: QueueCounts = { events: {}, effects: { pending: 3000, running: 12 } };
    assert.match(
      await siteOf(readerWith({ counts: async () => counts })).text('/ledger'),
      /the next 0 of 3,012 that are wanted/,
    );
  });
});

describe('polls', () => {
  const installation = { account: 'rakudo', state: 'active', served: true };
  const polls: Polls = {
    repositories: [
      { key: 'github:1', name: 'rakudo/rakudo', installation, lookedAt: ago(20) },
      { key: 'github:2', name: 'Raku/nqp', installation: { ...installation, account: 'Raku', state: 'suspended' } },
      {
        key: 'github:3',
        name: 'MoarVM/MoarVM',
        installation,
        lookedAt: ago(900),
        trouble: { why: 'GitHub answered 502 to <b>"list branches"</b>', since: ago(840) },
      },
      { key: 'github:4', name: 'rakudo/left', lookedAt: ago(90_000) },
      { key: 'git:project', name: 'project' },
    ],
    deliveriesUntil: ago(120),
  };

  test('each watched repository says when it was looked at, and in words why not; trouble comes first', async () => {
    const page = await siteOf(readerWith({ polls: async () => polls })).text('/service');
    const table = /<caption class="hidden">Polls<\/caption>.*?<\/table>/s.exec(page)![0];
    const rows = [...table.matchAll(/<tr><td.*?<\/tr>/gs)].map(([row]) =>
      row.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' '),
    );
    assert.deepEqual(
      rows.map((row) => row.trim()),
      [
        'trouble MoarVM/MoarVM 15 minutes ago GitHub answered 502 to &lt;b&gt;&quot;list branches&quot;&lt;/b&gt; since 14 minutes ago . It is looked at again in the next interval.',
        'not polled Raku/nqp never The installation of Raku is suspended: it is not looked at until that changes.',
        'not polled rakudo/left 1 day ago The App is not installed on it: it is not looked at.',
        'ok rakudo/rakudo 20 seconds ago –',
        'new project never –',
      ],
    );
    assert.match(page, /Hooks that GitHub says it has sent: settled up to .*2 minutes ago/);
  });

  test('an installation shows its state with a sign and a word', async () => {
    const installations = ['active', 'suspended', 'deleted'].map((state) => ({
      key: `github:${state}`,
      account: `is-${state}`,
      state,
      served: true,
    }));
    const page = await siteOf(readerWith({ installations: async () => installations })).text('/service');
    assert.match(page, /is-active.*?tone-good.*?<span>active<\/span>/s);
    assert.match(page, /is-suspended.*?tone-bad.*?<span>suspended<\/span>/s);
    assert.match(page, /is-deleted.*?tone-quiet.*?<span>deleted<\/span>/s);
  });
});
