import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { markerOf } from '../../src/core/messages-commands.ts';
import type { Forge } from '../../src/forge/forge.ts';
import { ForgeError } from '../../src/forge/forge.ts';
import { never, REPO, type Story, story } from './forge-github-story.ts';

async function openPull(it: Story): Promise<number> {
  const { number } = await it.github.openPullRequest({ repo: REPO, head: 'fix', files: { a: '1' }, author: 'alice' });
  return number;
}

/** So that what happens now is later than what happened then: GitHub counts in seconds. */
function age(it: Story, id: number): void {
  Object.assign(it.github['hub'].state.comments.get(id)!, {
    createdAt: '2026-01-01T00:00:00Z',
    updatedAt: '2026-01-01T00:00:00Z',
  });
}

describe('a comment on GitHub', () => {
  story('is read as it is now, until it is deleted', async (it) => {
    const number = await openPull(it);
    const { id } = await it.github.comment(REPO, number, '{re-test}', { by: 'alice' });
    const read = () => it.forge.readComment(it.repository, String(id), never);
    const seen = await read();
    assert.deepEqual([seen?.body, seen?.author.login, seen?.author.bot], ['{re-test}', 'alice', false]);
    assert.equal(seen?.createdAt, seen?.updatedAt);
    assert.equal(seen?.editedBy, undefined);
    await it.github.deleteComment(id);
    assert.equal(await read(), undefined);
  });

  story('tells who edited it', async (it) => {
    const number = await openPull(it);
    const { id } = await it.github.comment(REPO, number, 'nice', { by: 'alice' });
    const read = () => it.forge.readComment(it.repository, String(id), never);
    age(it, id);
    await it.github.editComment(id, '{merge on success}', { by: 'mallory' });
    const edited = await read();
    assert.equal(edited?.author.login, 'alice');
    assert.deepEqual(edited.editedBy, {
      id: String(it.github.createUser('mallory').id),
      login: 'mallory',
    });
    await it.github.editComment(id, 'nice indeed', { by: 'alice' });
    assert.equal((await read())?.editedBy?.id, (await read())?.author.id);
  });

  story('of which GitHub does not say who edited it was not edited by its author', async (it) => {
    const number = await openPull(it);
    const { id } = await it.github.comment(REPO, number, 'nice', { by: 'alice' });
    age(it, id);
    await it.github.editComment(id, '{merge on success}', { by: 'acme' });
    // An organisation is an actor without a number that people have.
    assert.deepEqual((await it.forge.readComment(it.repository, String(id), never))?.editedBy, {
      id: '0',
      login: 'ghost',
    });
  });

  story('that is touched and not edited has no editor', async (it) => {
    const number = await openPull(it);
    const { id } = await it.github.comment(REPO, number, 'nice', { by: 'alice' });
    age(it, id);
    it.github['hub'].state.comments.get(id)!.updatedAt = '2026-02-01T00:00:00Z';
    assert.equal((await it.forge.readComment(it.repository, String(id), never))?.editedBy, undefined);
  });

  story('whose editor cannot be asked for is not read', async (it) => {
    const number = await openPull(it);
    const { id } = await it.github.comment(REPO, number, 'nice', { by: 'alice' });
    age(it, id);
    await it.github.editComment(id, '{merge on success}', { by: 'mallory' });
    it.fault(502, { match: (_, path) => path === '/graphql' });
    await assert.rejects(it.forge.readComment(it.repository, String(id), never), ForgeError);
  });

  story('of a pull request itself is its description', async (it) => {
    const number = await openPull(it);
    const read = () => it.forge.readDescription(it.repository, number, never);
    assert.deepEqual([(await read())?.body, (await read())?.author.login], ['', 'alice']);
    await it.github.edit(REPO, number, { title: 'Another title', by: 'bob' });
    assert.equal((await read())?.editedBy, undefined, 'its title only');
    await it.github.edit(REPO, number, { body: '{merge on success}', by: 'bob' });
    assert.deepEqual([(await read())?.body, (await read())?.editedBy?.login], ['{merge on success}', 'bob']);
  });
});

describe('a reaction on GitHub', () => {
  const react = (it: Story, target: Parameters<Forge['ensureReaction']>[1], ...[content, replaces]: Reactions) =>
    it.forge.ensureReaction(it.repository, target, { content, ...(replaces ? { replaces } : {}) }, never);
  type Reactions = [content: 'eyes' | 'rocket' | 'confused', replaces?: 'eyes' | 'rocket' | 'confused'];

  story('is there once, and makes way for the next', async (it) => {
    const number = await openPull(it);
    const { id } = await it.github.comment(REPO, number, '{re-test}', { by: 'alice' });
    await it.github.react(id, 'eyes', 'bob');
    const target = { kind: 'comment', id: String(id) } as const;
    const reactions = () => it.github.comments(REPO, number)[0]!.reactedBy;
    const [theirs, ours] = [
      { login: 'bob', content: 'eyes' },
      { login: it.github.botLogin, content: 'eyes' },
    ];
    assert.equal(await react(it, target, 'eyes'), true);
    assert.equal(await react(it, target, 'eyes'), true);
    assert.deepEqual(reactions(), [theirs, ours]);
    assert.equal(await react(it, target, 'rocket', 'eyes'), true);
    assert.equal(await react(it, target, 'rocket', 'eyes'), true);
    assert.deepEqual(reactions(), [theirs, { ...ours, content: 'rocket' }]);
    await it.github.deleteComment(id);
    assert.equal(await react(it, target, 'rocket'), false);
  });

  story('whose answer is lost is not there twice', async (it) => {
    const number = await openPull(it);
    const target = { kind: 'pull-request', number } as const;
    await react(it, target, 'eyes');
    it.fault('lost', { match: (method, path) => method === 'DELETE' && path.includes('/reactions/') });
    await assert.rejects(react(it, target, 'confused', 'eyes'), ForgeError);
    assert.equal(await react(it, target, 'confused', 'eyes'), true);
    assert.deepEqual(it.github.pull(REPO, number).reactedBy, [{ login: it.github.botLogin, content: 'confused' }]);
  });
});

describe('an answer on GitHub', () => {
  const say = (it: Story, number: number, key: string, text: string) =>
    it.forge.ensureComment(it.repository, number, { key, text }, never);
  const said = (it: Story, number: number) => it.github.comments(REPO, number).map(({ body }) => body);

  story('is given once, and brought up to date', async (it) => {
    const number = await openPull(it);
    const id = await say(it, number, 'comment:1:help', 'These are the commands');
    const writes = () => it.github.requests.filter(({ method }) => method === 'POST' || method === 'PATCH').length;
    const before = writes();
    assert.equal(await say(it, number, 'comment:1:help', 'These are the commands'), id);
    assert.equal(writes(), before, 'nothing is written when nothing is new');
    assert.equal(await say(it, number, 'comment:1:help', 'There are more now'), id);
    await say(it, number, 'comment:1', 'another key');
    assert.deepEqual(said(it, number), [
      `There are more now\n\n${markerOf('comment:1:help')}`,
      `another key\n\n${markerOf('comment:1')}`,
    ]);
  });

  story('whose own answer is lost is found again', async (it) => {
    const number = await openPull(it);
    it.fault('lost', { match: (method, path) => method === 'POST' && path.endsWith('/comments') });
    await assert.rejects(say(it, number, 'k', 'once'), (error) => error instanceof ForgeError && error.retry);
    const [comment] = it.github.comments(REPO, number);
    assert.equal(await say(it, number, 'k', 'once'), String(comment!.id));
    assert.equal(said(it, number).length, 1);
  });

  story('is not mistaken for what others wrote with our marker', async (it) => {
    const number = await openPull(it);
    const copied = `I did not do it\n\n${markerOf('k')}`;
    await it.github.comment(REPO, number, copied, { by: 'mallory' });
    it.github.createUser('other[bot]', 'Bot');
    await it.github.comment(REPO, number, copied, { by: 'other[bot]' });
    const id = await say(it, number, 'k', 'I did');
    assert.deepEqual(
      it.github.comments(REPO, number).map(({ user }) => user.login),
      ['mallory', 'other[bot]', it.github.botLogin],
    );
    assert.deepEqual(said(it, number).slice(0, 2), [copied, copied]);
    const { state, app } = it.github['hub'];
    const ours = state.comments.get(Number(id))!;
    ours.viaApp = undefined;
    assert.equal(await say(it, number, 'k', 'I did'), id, 'older servers do not say by which App');
    Object.assign(ours, { viaApp: app, author: { ...ours.author, login: 'former-name[bot]' } });
    assert.equal(await say(it, number, 'k', 'I did'), id, 'the App had another name then');
  });

  story('is not mistaken for what a person wrote through our App', async (it) => {
    const number = await openPull(it);
    const theirs = await it.github.comment(REPO, number, markerOf('k'), { by: 'mallory' });
    const { state, app } = it.github['hub'];
    state.comments.get(theirs.id)!.viaApp = app;
    assert.notEqual(await say(it, number, 'k', 'I did'), String(theirs.id));
    assert.equal(said(it, number)[0], markerOf('k'));
  });

  story('is found among many, and cut when it is too long', async (it) => {
    const number = await openPull(it);
    for (let index = 0; index < 101; index += 1) await it.github.comment(REPO, number, `talk ${index}`);
    const long = 'ü'.repeat(60_000);
    const id = await say(it, number, 'k', long);
    assert.equal(await say(it, number, 'k', long), id);
    const body = said(it, number).at(-1)!;
    assert.ok(body.length > 30_000 && body.endsWith(markerOf('k')), String(body.length));
  });
});
