import { z } from 'zod';
import { createRun, ensureSuite, updateRun } from '../actions/checks.ts';
import { emitRun, emitSuite } from '../events.ts';
import { git, resolveCommit } from '../git.ts';
import type { Hub } from '../hub.ts';
import { runJson, suiteJson } from '../shapes/check.ts';
import type { CheckRun, Repository } from '../state.ts';
import { runOf, suiteOf } from './checks-read.ts';
import { type Api, actor, bodyOf, type Ctx, repositoryOf } from './context.ts';
import { ApiError, unprocessable } from './errors.ts';

/** Writing checks, with the limits of the Checks API. */
export function checkRoutes(hub: Hub, api: Api): void {
  const base = '/repos/:owner/:repo';
  api.post(`${base}/check-runs`, (c) => create(hub, c));
  api.patch(`${base}/check-runs/:id{[0-9]+}`, (c) => update(hub, c));
  api.post(`${base}/check-suites`, (c) => createSuite(hub, c));
  api.post(`${base}/check-runs/:id{[0-9]+}/rerequest`, (c) => {
    const repository = repositoryOf(hub, c, 'checks', 'write');
    emitRun(hub, repository, runOf(hub, c, repository), actor(hub, c), 'rerequested');
    return c.json({}, 201);
  });
  api.post(`${base}/check-suites/:id{[0-9]+}/rerequest`, async (c) => {
    const repository = repositoryOf(hub, c, 'checks', 'write');
    await emitSuite(hub, repository, suiteOf(hub, c, repository), actor(hub, c), 'rerequested');
    return c.json({}, 201);
  });
}

const MOST_TEXT = 65_535;

/** Counted in bytes: the stricter reading of GitHub's "characters", which its storage counts in bytes. */
const longText = z.string().refine((text) => Buffer.byteLength(text) <= MOST_TEXT, {
  error: (issue) =>
    `Only ${MOST_TEXT} characters are allowed; ${Buffer.byteLength(String(issue.input))} were supplied.`,
});
const httpUrl = z.string().refine((url) => /^https?:\/\//.test(url), 'Details URL must use http or https scheme');
const time = z.iso.datetime({ offset: true });

const annotation = z.looseObject({
  path: z.string().min(1),
  start_line: z.number().int(),
  end_line: z.number().int(),
  annotation_level: z.enum(['notice', 'warning', 'failure']),
  message: z.string().min(1).max(65_536),
  title: z.string().max(255).optional(),
});

const fields = {
  details_url: httpUrl.optional(),
  external_id: z.string().optional(),
  status: z.enum(['queued', 'in_progress', 'completed']).optional(),
  conclusion: z
    .enum(['action_required', 'cancelled', 'failure', 'neutral', 'success', 'skipped', 'timed_out'])
    .optional(),
  started_at: time.optional(),
  completed_at: time.optional(),
  output: z
    .object({
      title: z.string().optional(),
      summary: longText,
      text: longText.optional(),
      annotations: z.array(annotation).max(50, 'No more than 50 annotations per request').optional(),
      images: z.array(z.object({ alt: z.string(), image_url: z.string(), caption: z.string().optional() })).optional(),
    })
    .optional(),
  actions: z
    .array(
      z.object({
        label: z.string().min(1).max(20),
        description: z.string().min(1).max(40),
        identifier: z.string().min(1).max(20),
      }),
    )
    .max(3, 'Only 3 actions are allowed')
    .optional(),
};

const newRun = z.object({ ...fields, name: z.string().min(1), head_sha: z.string().regex(/^[0-9a-f]{40}$/) });
const runUpdate = z.object({ ...fields, name: z.string().min(1).optional() });

function refuseContradiction(asked: z.infer<typeof runUpdate>): void {
  if (asked.status === 'completed' && !asked.conclusion) {
    throw unprocessable('Invalid request.\n\nMissing required key: conclusion when status is completed.');
  }
  if (asked.conclusion && asked.status && asked.status !== 'completed') {
    throw unprocessable(`Invalid request.\n\nA check run with a conclusion is completed, not ${asked.status}.`);
  }
  if (asked.completed_at && !asked.conclusion) {
    throw unprocessable('Invalid request.\n\ncompleted_at needs a conclusion.');
  }
}

async function create(hub: Hub, c: Ctx): Promise<Response> {
  demandApp(c);
  const repository = repositoryOf(hub, c, 'checks', 'write');
  const asked = await bodyOf(c, newRun);
  refuseContradiction(asked);
  if (asked.output && !asked.output.title) throw unprocessable('Invalid request.\n\nNo title given for output.');
  const sha = await resolveCommit(repository.dir, asked.head_sha);
  if (!sha) throw unprocessable(`No commit found for SHA: ${asked.head_sha}`);
  const branch = await branchAt(repository, sha);
  const run = await createRun(hub, repository, ensureSuite(hub, repository, sha, { branch }), asked);
  c.header('Location', runJson(hub, repository, run).url);
  return c.json(runJson(hub, repository, run), 201);
}

async function branchAt(repository: Repository, sha: string): Promise<string | null> {
  const heads = await git(repository.dir, [
    'for-each-ref',
    '--points-at',
    sha,
    '--format=%(refname:lstrip=2)',
    'refs/heads',
  ]);
  return heads.text.split('\n')[0] || null;
}

async function update(hub: Hub, c: Ctx): Promise<Response> {
  demandApp(c);
  const repository = repositoryOf(hub, c, 'checks', 'write');
  const run = runOf(hub, c, repository);
  refuseOthers(hub, run);
  const asked = await bodyOf(c, runUpdate);
  refuseContradiction(asked);
  if (run.status === 'completed' && asked.status && asked.status !== 'completed') {
    throw unprocessable('Invalid request.\n\nA completed check run cannot be reopened; create a new one.');
  }
  await updateRun(hub, repository, run, asked);
  return c.json(runJson(hub, repository, run));
}

function demandApp(c: Ctx): void {
  if (c.get('caller').kind === 'installation') return;
  throw new ApiError(403, 'You must authenticate via a GitHub App.');
}

function refuseOthers(hub: Hub, run: CheckRun): void {
  if (run.suite.app.id === hub.app.id) return;
  const words = `Invalid app_id \`${hub.app.id}\` - check run can only be modified by the GitHub App that created it.`;
  throw new ApiError(403, words);
}

const suiteRequest = z.object({ head_sha: z.string().regex(/^[0-9a-f]{40}$/) });

async function createSuite(hub: Hub, c: Ctx): Promise<Response> {
  demandApp(c);
  const repository = repositoryOf(hub, c, 'checks', 'write');
  const { head_sha } = await bodyOf(c, suiteRequest);
  const sha = await resolveCommit(repository.dir, head_sha);
  if (!sha) throw unprocessable(`No commit found for SHA: ${head_sha}`);
  const suites = hub.state.suites.size;
  const suite = ensureSuite(hub, repository, sha, { branch: await branchAt(repository, sha) });
  return c.json(await suiteJson(hub, repository, suite), hub.state.suites.size > suites ? 201 : 200);
}
