import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grouped } from '../../src/database/group.ts';

/** A statement that ends when the test says so. */
function statements() {
  const batches: { parts: number[]; end(error?: Error): void }[] = [];
  const together = (parts: number[]) =>
    new Promise<string[]>((resolve, reject) => {
      const end = (error?: Error) => (error ? reject(error) : resolve(parts.map((part) => `done ${part}`)));
      batches.push({ parts: [...parts], end });
    });
  return { batches, ask: grouped(together) };
}

test('the first goes at once, and those who come meanwhile share the next statement', async () => {
  const { batches, ask } = statements();
  const answers = [1, 2, 3, 4].map((part) => ask(part));
  assert.deepEqual(
    batches.map(({ parts }) => parts),
    [[1], [2]],
  );
  batches[0]!.end();
  assert.equal(await answers[0], 'done 1');
  await new Promise(setImmediate);
  assert.deepEqual(batches[2]?.parts, [3, 4]);
  batches[1]!.end();
  batches[2]!.end();
  assert.deepEqual(await Promise.all(answers), ['done 1', 'done 2', 'done 3', 'done 4']);
});

test('nobody is answered before the statement that his part is in has ended', async () => {
  const { batches, ask } = statements();
  let answered = false;
  const answer = ask(1).then(() => {
    answered = true;
  });
  await Promise.resolve();
  assert.equal(answered, false);
  batches[0]!.end();
  await answer;
});

test('a part that is refused is refused alone', async () => {
  const tried: number[][] = [];
  const ask = grouped(async (parts: number[]) => {
    tried.push([...parts]);
    // Lets the others come while the first ones are under way.
    await new Promise(setImmediate);
    if (parts.includes(4)) throw new Error('no fours');
    return parts;
  });
  const answers = await Promise.allSettled([1, 2, 3, 4, 5].map((part) => ask(part)));
  assert.deepEqual(
    answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : (answer.reason as Error).message)),
    [1, 2, 3, 'no fours', 5],
  );
  assert.deepEqual(tried, [[1], [2], [3, 4, 5], [3], [4], [5]]);
});

test('a database that is away refuses the whole batch, and is not asked again for each', async () => {
  let asked = 0;
  const ask = grouped(async (parts: number[]) => {
    asked += 1;
    await new Promise(setImmediate);
    if (parts.length > 1) throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
    return parts;
  });
  const answers = await Promise.allSettled([1, 2, 3, 4].map((part) => ask(part)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
  assert.equal(asked, 3);
});

test('one that met a deadlock is done again, a few times', async () => {
  const deadlock = Object.assign(new Error('deadlock detected'), { code: '40P01' });
  let tries = 0;
  const meets = (times: number) => {
    tries = 0;
    return grouped(async (parts: number[]) => {
      tries += 1;
      if (tries <= times) throw deadlock;
      return parts;
    });
  };
  assert.equal(await meets(2)(1), 1);
  await assert.rejects(meets(1_000)(1), deadlock);
  assert.equal(tries, 3);
});
