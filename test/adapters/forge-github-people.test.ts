import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { Author } from '../../src/core/model.ts';
import { ForgeError } from '../../src/forge/forge.ts';
import type { Role } from '../standins/github/state.ts';
import { never, REPO, type Story, story } from './forge-github-story.ts';

function person(it: Story, login: string): Author {
  const { id } = it.github.createUser(login);
  return { id: String(id), login };
}

const permissionOf = (it: Story, user: Author) => it.forge.permissionOf(it.repository, user, never);

describe('permissions on GitHub', () => {
  story('roles are told by four words', async (it) => {
    const roles: [Role, string][] = [
      ['admin', 'admin'],
      ['maintain', 'write'],
      ['write', 'write'],
      ['triage', 'read'],
      ['read', 'read'],
      ['none', 'none'],
    ];
    for (const [role, permission] of roles) {
      const user = person(it, `their-${role}`);
      it.github.setPermission(REPO, user.login, role);
      assert.equal(await permissionOf(it, user), permission, role);
    }
    assert.equal(await permissionOf(it, person(it, 'stranger')), 'read', 'what is public everybody reads');
    assert.equal(await permissionOf(it, { id: '1', login: 'nobody-at-all' }), 'none');
  });

  story('a permission that was taken away is gone at once', async (it) => {
    const user = person(it, 'alice');
    it.github.setPermission(REPO, 'alice', 'write');
    assert.equal(await permissionOf(it, user), 'write');
    it.github.setPermission(REPO, 'alice', 'read');
    assert.equal(await permissionOf(it, user), 'read');
  });

  story('who takes a former login has nothing by it, and who was renamed keeps everything', async (it) => {
    const before = person(it, 'alice');
    it.github.setPermission(REPO, 'alice', 'write');
    await it.github.renameAccount('alice', 'alice-new');
    assert.equal(await permissionOf(it, before), 'write', 'by id');
    const other = person(it, 'alice');
    it.github.setPermission(REPO, 'alice', 'admin');
    assert.equal(await permissionOf(it, before), 'write', 'not that of whoever has the login now');
    assert.equal(await permissionOf(it, other), 'admin');
    assert.equal(await permissionOf(it, { id: '1', login: 'alice' }), 'none', 'an id that nobody has');
  });

  story('where we are not installed nobody may do anything, and nobody is asked', async (it) => {
    const { key, name } = it.repository;
    it.github.setPermission(REPO, 'alice', 'admin');
    const asked = () => it.github.requests.filter(({ path }) => path.includes('/collaborators/')).length;
    assert.equal(await it.forge.permissionOf({ key, name }, person(it, 'alice'), never), 'none');
    assert.equal(asked(), 0);
  });

  story('what GitHub cannot answer is no permission, and no refusal either', async (it) => {
    const user = person(it, 'alice');
    it.fault(502, { match: (_, path) => path.includes('/collaborators/') });
    await assert.rejects(permissionOf(it, user), (error) => error instanceof ForgeError && error.retry);
  });
});

describe('repositories by name', () => {
  story('a former name leads to the repository', async (it) => {
    await it.github.renameRepository(REPO, 'renamed');
    const found = await it.forge.findRepository(REPO, never);
    assert.deepEqual(found, { key: it.repository.key, name: 'acme/renamed' });
  });

  story('what is private is not found', async (it) => {
    await it.github.createRepository('acme/secret', { private: true, files: { a: '1' } });
    assert.equal(await it.forge.findRepository('acme/secret', never), undefined);
  });
});
