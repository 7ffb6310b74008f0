import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRemembered } from '../../src/site/remembered.ts';

const MINUTE = 60_000;

/** Answers are made by hand: `asked` are the questions that nobody has answered yet. */
function start({ most = 100 } = {}) {
  let at = 1_000_000;
  const asked: { say(answer: string): void; fail(error: Error): void }[] = [];
  const clock = { now: () => new Date(at) };
  const isLasting = (answer: string) => !answer.startsWith('perhaps');
  const remembered = createRemembered<string>({ clock, forMs: MINUTE, most, isLasting });
  const work = () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    asked.push({ say: resolve, fail: reject });
    return promise;
  };
  return {
    asked,
    remembered,
    ask: (whose = 'a', about = 'x') => remembered.ask(whose, about, work),
    pass: (ms: number) => {
      at += ms;
    },
  };
}

test('what was answered holds for a minute from the question on, and not longer', async () => {
  const it = start();
  const first = it.ask();
  it.pass(MINUTE - 1);
  it.asked[0]!.say('yes');
  assert.deepEqual([await first, await it.ask()], ['yes', 'yes']);
  assert.equal(it.asked.length, 1);
  it.pass(1);
  void it.ask();
  assert.equal(it.asked.length, 2);
});

test('whoever asks meanwhile gets the same answer, a failure, too; the next one asks anew', async () => {
  const it = start();
  const all = Promise.allSettled([it.ask(), it.ask(), it.ask()]);
  it.asked[0]!.fail(new Error('away'));
  assert.deepEqual(new Set((await all).map(({ status }) => status)), new Set(['rejected']));
  const perhaps = [it.ask(), it.ask()];
  it.asked[1]!.say('perhaps');
  assert.deepEqual(await Promise.all(perhaps), ['perhaps', 'perhaps']);
  void it.ask();
  assert.equal(it.asked.length, 3);
});

test('others, and other questions, have answers of their own', async () => {
  const it = start();
  const answers = [it.ask('a', 'x'), it.ask('b', 'x'), it.ask('a', 'y')];
  for (const [index, { say }] of it.asked.entries()) say(`yes ${index}`);
  assert.deepEqual(await Promise.all(answers), ['yes 0', 'yes 1', 'yes 2']);
  assert.equal(await it.ask('b', 'x'), 'yes 1');
  assert.equal(await it.ask('a', 'y'), 'yes 2', 'the last one of a');
  void it.ask('a', 'x');
  assert.equal(it.asked.length, 4);
});

test('what is forgotten while it is asked is not remembered, and takes nothing newer with it', async () => {
  const it = start();
  const [former, other] = [it.ask(), it.ask('b')];
  it.remembered.forget('a');
  const newer = it.ask();
  it.asked[0]!.fail(new Error('away'));
  await assert.rejects(former);
  it.asked[2]!.say('newer');
  it.asked[1]!.say('other');
  assert.deepEqual([await newer, await it.ask(), await other], ['newer', 'newer', 'other']);
  it.remembered.forget('a');
  void it.ask();
  assert.equal(it.asked.length, 4);
});

test('of no more than it may hold the oldest go; those that are too old go before', async () => {
  const it = start({ most: 3 });
  const answered = (whose: string) => {
    const answer = it.ask(whose);
    it.asked.at(-1)!.say(whose);
    return answer;
  };
  for (const whose of ['a', 'b', 'c', 'd']) await answered(whose);
  const before = it.asked.length;
  for (const whose of ['b', 'c', 'd']) assert.equal(await it.ask(whose), whose);
  assert.equal(it.asked.length, before);
  await answered('a');
  assert.equal(it.asked.length, before + 1, 'the first of four was forgotten');
});

test('a clock that goes back makes nothing last longer', async () => {
  const it = start();
  const answer = it.ask();
  it.asked[0]!.say('yes');
  await answer;
  it.pass(-1);
  void it.ask();
  assert.equal(it.asked.length, 2);
});
