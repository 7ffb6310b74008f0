import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { messages } from '../../src/core/messages.ts';
import type { ServingPrivates } from '../../src/core/serving.ts';
import type { World } from '../../src/effects/effect.ts';
import { pollInstallations } from '../../src/effects/poll-app.ts';
import type { Repository } from '../../src/store/store.ts';
import { NOW } from '../support/builders.ts';

/** What a poll of the App's installations finds new: lost hooks, and repositories that are served otherwise than before. */
const OFF = { refused: 'RCB_SESSION_KEY is not set' };

interface Known {
  account?: string;
  privates?: ServingPrivates;
  stored: Partial<Repository>[];
  /** Of `acme/tool`; absent: it is not listed. */
  listed?: { name?: string; private?: boolean; archived?: boolean };
}

/** The events, and whether the forge was asked for a list of repositories. */
async function polled({ account = 'acme', privates = 'served', stored, listed }: Known) {
  const installation = { key: 'github:9', account, accountId: '1' };
  let asked = 0;
  const world = {
    forgeApp: {
      listInstallations: async () => [{ ...installation, suspended: false }],
      listRepositories: async () => {
        asked += 1;
        return listed ? [{ key: 'github:1', name: 'acme/tool', private: false, archived: false, ...listed }] : [];
      },
    },
    store: {
      installations: async () => [{ ...installation, state: 'active', served: true }],
      repositories: async () =>
        stored.map((each) => ({ key: 'github:1', name: 'acme/tool', private: false, state: 'watched', ...each })),
      cursor: async () => undefined,
    },
    serving: { owners: ['acme'], git: [], privates },
    now: () => NOW,
  } as unknown as World;
  const { events } = await pollInstallations(world, new AbortController().signal);
  const facts = events.flatMap((event) => (event.kind === 'installation.told' ? [event.installation] : []));
  return {
    asked,
    events: events.length,
    added: facts.flatMap(({ repositoriesAdded }) => repositoriesAdded.map((each) => ({ ...each }))),
    removed: facts.flatMap(({ repositoriesRemoved }) => repositoriesRemoved.map(({ key }) => key)),
  };
}

const hidden = { private: true };
const refused = { ...hidden, state: 'refused', why: messages.privateRepository(OFF.refused) } as const;

describe('a poll of the installations', () => {
  const quiet: [string, Known][] = [
    ['a public one that is watched', { stored: [{}], listed: {} }],
    ['a private one that is watched where people log in', { stored: [hidden], listed: hidden }],
    ['a private one that is refused where nobody can', { privates: OFF, stored: [refused], listed: hidden }],
    ['one that was removed, and is not listed', { stored: [{ state: 'removed' }] }],
    ['one of somebody else, which is refused', { account: 'other', stored: [foreign('other/tool')] }],
  ];
  for (const [title, known] of quiet) {
    test(`tells nothing of ${title}`, async () => assert.equal((await polled(known)).events, 0));
  }

  const told: [string, Known][] = [
    ['logging in was switched on', { stored: [refused], listed: hidden }],
    ['logging in was switched off', { privates: OFF, stored: [hidden], listed: hidden }],
    ['it is refused for another reason now', { privates: { refused: 'another' }, stored: [refused], listed: hidden }],
    ['it became private', { stored: [{}], listed: hidden }],
    ['it became public', { privates: OFF, stored: [refused], listed: {} }],
    ['it has another name', { stored: [{ name: 'acme/old' }], listed: {} }],
    ['it came back', { stored: [{ state: 'removed' }], listed: {} }],
    ['its owner is served now', { stored: [{ state: 'refused', why: 'not served' }], listed: {} }],
  ];
  for (const [title, known] of told) {
    test(`tells of a repository when ${title}`, async () => {
      const { added, removed } = await polled(known);
      assert.deepEqual(added, [{ key: 'github:1', name: 'acme/tool', private: known.listed?.private ?? false }]);
      assert.deepEqual(removed, []);
    });
  }

  test('what is not listed any more, or archived, is gone', async () => {
    assert.deepEqual((await polled({ stored: [{}] })).removed, ['github:1']);
    assert.deepEqual((await polled({ stored: [{}], listed: { archived: true } })).removed, ['github:1']);
  });

  test('an owner who is not served any more is not asked about, and what is watched there is told of', async () => {
    const { asked, added, removed } = await polled({ account: 'other', stored: [{ name: 'other/tool' }] });
    assert.deepEqual([asked, removed], [0, []]);
    assert.deepEqual(added, [{ key: 'github:1', name: 'other/tool', private: false }]);
  });
});

function foreign(name: string): Partial<Repository> {
  return { name, state: 'refused', why: messages.foreignInstallation(name.split('/')[0]!) };
}
