import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../support/until.ts';
import { formOf, formsOf, type Page, Visitor } from '../../support/visitor.ts';
import { REPO, script, startWorld, type World } from '../../support/world.ts';

/** People log in on the site and press a run's buttons; what came of it stands on its page. */
describe('buttons', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      validate: true,
      yaml: [
        'limits: { writeSpacing: 0, catchUpRunsPerMinute: 600 }',
        'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60 }]',
      ].join('\n'),
    });
    world.github.setPermission(REPO, 'maintainer', 'write');
    world.github.setPermission(REPO, 'colleague', 'write');
    world.github.setPermission(REPO, 'reader', 'read');
  });
  after(() => world.stop());

  const open = (head: string, more: Partial<Parameters<World['github']['openPullRequest']>[0]> = {}) =>
    world.github.openPullRequest({ repo: REPO, head, files: { [head]: '1' }, ...more });
  const runsOf = (sha: string) => world.runs(`?sha=${sha}`);

  async function logIn(login: string, back = '/'): Promise<{ visitor: Visitor; page: Page }> {
    const visitor = new Visitor(world.rcb.publicUrl);
    world.github.signIn(login);
    const page = await visitor.open(`/login?return=${encodeURIComponent(back)}`);
    return { visitor, page };
  }
  /** The page, once it says so. */
  async function says(visitor: Visitor, path: string, words: RegExp): Promise<Page> {
    let page = await visitor.open(path);
    await until(async () => {
      page = await visitor.open(path);
      return words.test(page.text);
    }).catch((error) => {
      throw new Error(`${path} does not say ${words}: ${page.text}`, { cause: error });
    });
    return page;
  }

  test('who is not logged in sees buttons that lead to GitHub and back to the run', async () => {
    const pull = await open('back');
    const run = await world.run(pull.headSha);
    const visitor = new Visitor(world.rcb.publicUrl);
    const page = await visitor.open(`/runs/${run.id}`);
    assert.deepEqual(formsOf(page), []);
    const link = /<a class="button" href="([^"]+)"[^>]*>Re-test<\/a>/.exec(page.text);
    assert.ok(link, 'a link in the shape of a button');
    world.github.signIn('maintainer');
    const after = await visitor.open(link[1]!.replaceAll('&amp;', '&'));
    assert.equal(after.url.pathname, `/runs/${run.id}`);
    assert.match(after.text, /maintainer/);
    assert.deepEqual(
      formsOf(after).map(({ button }) => button),
      ['Log out', 'Re-test'],
    );
  });

  test('Re-test makes a new run by the trigger button, and the page links to it; two clicks are one run', async () => {
    const pull = await open('again');
    const first = await world.run(pull.headSha);
    const path = `/runs/${first.id}`;
    const { visitor, page } = await logIn('maintainer', path);
    const form = formOf(page, 'Re-test');
    const [pressed] = await Promise.all([visitor.submit(page, form), visitor.submit(page, form)]);
    assert.equal(pressed.status, 200);
    assert.equal(pressed.url.pathname, path);
    assert.match(pressed.text, /pressed Re-test/);
    const answered = await says(visitor, path, /pressed Re-test: done\./);
    assert.equal(answered.text.match(/pressed Re-test: done/g)!.length, 1);
    const newest = /<a href="\/runs\/([^"]+)">The new run<\/a>/.exec(answered.text);
    await until(async () => (await runsOf(pull.headSha)).length === 2);
    const second = await world.run(pull.headSha);
    assert.deepEqual([second.id, second.trigger, second.verdict], [newest?.[1], 'button', 'passed']);
    await world.quiet();
    assert.equal((await runsOf(pull.headSha)).length, 2);
    assert.equal(await world.database.database.prisma.press.count({ where: { runId: first.id } }), 1);
  });

  test('who may only read is told so on the page, and nothing is tested', async () => {
    const pull = await open('reads');
    const run = await world.run(pull.headSha);
    const { visitor, page } = await logIn('reader', `/runs/${run.id}`);
    await visitor.submit(page, formOf(page, 'Re-test'));
    const answered = await says(visitor, `/runs/${run.id}`, /pressed Re-test: not done\./);
    assert.match(answered.text, /needs write permission/);
    await world.quiet();
    assert.equal((await runsOf(pull.headSha)).length, 1);
  });

  test('permission is asked at each press: who has lost it meanwhile is refused', async () => {
    const pull = await open('lost');
    const run = await world.run(pull.headSha);
    world.github.setPermission(REPO, 'former', 'write');
    const { visitor, page } = await logIn('former', `/runs/${run.id}`);
    world.github.setPermission(REPO, 'former', 'read');
    await visitor.submit(page, formOf(page, 'Re-test'));
    await says(visitor, `/runs/${run.id}`, /pressed Re-test: not done\./);
  });

  test('Cancel stops the tests, and the page says by whom', async () => {
    const pull = await open('stops', { files: { 'ci/run': script('sleep 300') } });
    const run = await world.run(pull.headSha, 'building');
    const { visitor, page } = await logIn('maintainer', `/runs/${run.id}`);
    assert.deepEqual(
      formsOf(page).map(({ button }) => button),
      ['Log out', 'Cancel'],
    );
    await visitor.submit(page, formOf(page, 'Cancel'));
    const ended = await world.run(pull.headSha);
    assert.equal(ended.verdict, 'cancelled');
    const answered = await says(visitor, `/runs/${run.id}`, /pressed Cancel: done\./);
    assert.match(answered.text, /maintainer/);
  });

  test('Re-test failed tests again what failed', async () => {
    const pull = await open('red', { files: { 'ci/run': script('exit 1') } });
    const run = await world.run(pull.headSha);
    assert.equal(run.verdict, 'failed');
    const { visitor, page } = await logIn('maintainer', `/runs/${run.id}`);
    await visitor.submit(page, formOf(page, 'Re-test failed'));
    const answered = await says(visitor, `/runs/${run.id}`, /pressed Re-test failed: done\./);
    assert.match(answered.text, /cannot run single jobs again/, 'a local build is one job, run as a whole');
    await until(async () => (await runsOf(pull.headSha)).length === 2);
    assert.equal((await world.run(pull.headSha)).trigger, 'button');
  });

  test('a maintainer lets a stranger’s fork be tested by a button', async () => {
    const fork = await world.github.fork(REPO, 'stranger');
    const pull = await open('from-afar', { headRepo: fork, author: 'stranger' });
    const run = await world.run(pull.headSha, 'waiting');
    const { visitor, page } = await logIn('maintainer', `/runs/${run.id}`);
    await visitor.submit(page, formOf(page, 'Allow and test'));
    assert.notEqual((await world.run(pull.headSha)).state, 'waiting');
  });

  test('on the page of an older run there is no button, and a press of one shown before is refused', async () => {
    const pull = await open('older');
    const first = await world.run(pull.headSha);
    const { visitor, page } = await logIn('maintainer', `/runs/${first.id}`);
    const colleague = await logIn('colleague', `/runs/${first.id}`);
    await visitor.submit(page, formOf(page, 'Re-test'));
    await until(async () => (await runsOf(pull.headSha)).length === 2);
    await world.run(pull.headSha);
    await colleague.visitor.submit(colleague.page, formOf(colleague.page, 'Re-test'));
    const answered = await says(visitor, `/runs/${first.id}`, /pressed Re-test: not done\./);
    assert.match(answered.text, /There is a newer run of this change/);
    assert.equal((await runsOf(pull.headSha)).length, 2);
    assert.deepEqual(
      formsOf(await visitor.open(`/runs/${first.id}`)).map(({ button }) => button),
      ['Log out'],
    );
  });

  test('while GitHub is away the page says that it is not known yet whether this is allowed', async () => {
    const pull = await open('away');
    const run = await world.run(pull.headSha);
    const { visitor, page } = await logIn('maintainer', `/runs/${run.id}`);
    world.github.faults.api({ match: (_, path) => path.includes('/permission'), answer: 503 });
    try {
      await visitor.submit(page, formOf(page, 'Re-test'));
      await says(visitor, `/runs/${run.id}`, /could not be found out whether this is allowed/);
    } finally {
      world.github.faults.clear();
    }
    await until(async () => (await runsOf(pull.headSha)).length === 2);
  });

  test('who takes back at GitHub what he agreed to is logged out here at the next press', async () => {
    const pull = await open('takes-back');
    const run = await world.run(pull.headSha);
    const { visitor, page } = await logIn('maintainer', `/runs/${run.id}`);
    world.github.revokeLogins('maintainer');
    world.github.signIn(undefined);
    const after = await visitor.submit(page, formOf(page, 'Re-test'));
    assert.equal(after.url.origin, world.github.origin, 'asked at GitHub who he is');
    assert.deepEqual(formsOf(await visitor.open(`/runs/${run.id}`)), []);
    await world.quiet();
    assert.equal((await runsOf(pull.headSha)).length, 1);
  });

  test('Log out ends the session here, and the token at GitHub', async () => {
    const { visitor, page } = await logIn('leaver');
    assert.equal(world.github.logins('leaver'), 1);
    const copy = new Visitor(world.rcb.publicUrl);
    copy.cookies.set(new URL(copy.site).host, new Map(visitor.cookies.get(new URL(visitor.site).host)));
    assert.match((await copy.open('/runs')).text, /leaver/);
    await visitor.submit(page, formOf(page, 'Log out'));
    assert.equal(world.github.logins('leaver'), 0);
    assert.doesNotMatch((await copy.open('/runs')).text, /leaver/, 'the cookie is of no use any more');
  });

  test('all that the bot asked of GitHub is as GitHub publishes it', () => {
    assert.deepEqual(world.github.invalidRequests, []);
  });
});
