/** `repository_of` of the database and `repositoryOfSubject` of the core: one of them would show what the other hides. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { branchSubject, pullRequestSubject, repositorySubject } from '../../src/core/event.ts';
import { repositoryOfSubject } from '../../src/core/sight.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let stored: TestDatabase;
before(async () => {
  stored = await testDatabase();
});
after(() => stored.close());

async function byDatabase(subjects: string[]): Promise<(string | undefined)[]> {
  const rows = await stored.database.prisma.$queryRaw<{ repository: string | null }[]>`
    SELECT repository_of(subject) AS repository
    FROM unnest(${subjects}::text[]) WITH ORDINALITY AS each (subject, number) ORDER BY number`;
  return rows.map(({ repository }) => repository ?? undefined);
}

/** All that the two could understand differently, in any order. */
const piece = fc.constantFrom(
  ...['pull-request:', 'branch:', 'repository:', ':refs/', 'refs/heads/main', 'github:7', 'git:/srv/a b.git'],
  ...['#', '#12', '1', '٣', ':', '/', '\n', '\r', '\\', '%', '_', '.+', '$', "'", 'é', '𝒳', ' ', ''],
);
const subject = fc.oneof(
  fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join('')),
  fc.tuple(piece, fc.string({ unit: 'grapheme', maxLength: 12 })).map((pair) => pair.join('')),
);
/** PostgreSQL has no NUL in a text; nothing of that kind is stored. */
const storable = subject.map((text) => text.replaceAll('\0', ''));

test('they agree on whatever is called a subject', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(storable, { minLength: 200, maxLength: 200 }), async (subjects) => {
      const expected = subjects.map(repositoryOfSubject);
      assert.deepEqual(await byDatabase(subjects), expected);
    }),
    { numRuns: 10 },
  );
});

test('and on the subjects that there are', async () => {
  const keys = ['github:7', 'git:/srv/git/a b:refs.git', 'git:/srv/x#7.git', 'git:/srv/:refs/.git'];
  const subjects = keys.flatMap((key) => [
    branchSubject(key, 'refs/heads/a:refs/b'),
    pullRequestSubject(key, 12),
    repositorySubject(key),
  ]);
  const expected = subjects.map(repositoryOfSubject);
  assert.ok(expected.every((key) => key !== undefined));
  assert.deepEqual(await byDatabase([...subjects, 'run:01a', '']), [...expected, undefined, undefined]);
});
