import { isDatabaseAway, isSerializationFailure } from './errors.ts';

/**
 * Group commit: several who ask at the same time share one statement, one round trip and one commit; what is asked while
 * a statement is on its way goes with the next one. Each is answered after the commit that his part is in, as if he had
 * been alone. Nobody waits for company: the first one goes at once.
 *
 * A part that the database refuses must not take the others with it: a batch that failed is done again, one by one, and
 * who is to blame gets the error. One that met a deadlock, since others lock the same rows in another order, is done again.
 */
export function grouped<Part, Answer>(together: (parts: Part[]) => Promise<Answer[]>): (part: Part) => Promise<Answer> {
  let waiting: Waiting<Part, Answer>[] = [];
  let underWay = 0;

  async function work(): Promise<void> {
    underWay += 1;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST_AT_ONCE);
      waiting = waiting.slice(MOST_AT_ONCE);
      await answer(batch, together);
    }
    underWay -= 1;
  }

  return (part) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    waiting.push({ part, resolve, reject });
    if (underWay < MOST_UNDER_WAY) void work();
    return promise;
  };
}

const MOST_AT_ONCE = 100;
/** While one batch is committed the next one is on its way. */
const MOST_UNDER_WAY = 2;

interface Waiting<Part, Answer> {
  part: Part;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

async function answer<Part, Answer>(
  batch: Waiting<Part, Answer>[],
  together: (parts: Part[]) => Promise<Answer[]>,
  tries = 1,
): Promise<void> {
  try {
    const answers = await together(batch.map(({ part }) => part));
    for (const [index, { resolve }] of batch.entries()) resolve(answers[index]!);
  } catch (error) {
    if (isDatabaseAway(error)) for (const { reject } of batch) reject(error);
    else if (batch.length > 1) for (const each of batch) await answer([each], together);
    else if (isSerializationFailure(error) && tries < MOST_TRIES) await answer(batch, together, tries + 1);
    else batch[0]!.reject(error);
  }
}

/** PostgreSQL finds a deadlock after a second; what the victim had met is committed then. */
const MOST_TRIES = 3;
