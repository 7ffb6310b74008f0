import { emitterEventNames } from '@octokit/webhooks';
import { z } from 'zod';
import type { Event, InstallationFacts, PullRequestFacts } from '../../core/event.ts';
import type { RepositoryRef } from '../../core/model.ts';
import {
  account,
  accountName,
  authorOf,
  commentBody,
  fullName,
  githubKey,
  id,
  ref,
  sayIssues,
  sha,
  storable,
  text,
  title,
  user,
} from './fields.ts';

/**
 * GitHub's webhook payloads, parsed into typed events: only the fields that we read, bounded, with ids as text
 * (source: docs.github.com "Webhook events and payloads", octokit/openapi-webhooks).
 */
export type ParsedHook =
  | { event: Event; occurredAt?: Date }
  /** Understood, and of no use to us. */
  | { noted: string }
  /** Not understood: for a person. */
  | { unread: string };

const repository = z.object({
  id,
  full_name: fullName,
  private: z.boolean(),
  default_branch: text(1_024).optional(),
});
const installation = z.object({ id }).optional();

const push = z.object({ ref, after: sha, deleted: z.boolean().optional(), repository, installation });
const pullRequest = z.object({
  action: text(100),
  number: z.number().int().positive(),
  pull_request: z.object({
    title,
    state: z.enum(['open', 'closed']),
    merged: z.boolean().nullish(),
    draft: z.boolean().nullish(),
    updated_at: text(40).optional(),
    head: z.object({ sha }),
    base: z.object({ ref }),
  }),
  repository,
  installation,
});
const issueComment = z.object({
  action: text(100),
  issue: z.object({ number: z.number().int().positive(), pull_request: z.object({}).nullish() }),
  comment: z.object({
    id,
    body: commentBody.nullish(),
    user: user.nullable(),
    updated_at: text(40),
  }),
  repository,
  installation,
  sender: user,
});
const checkRun = z.object({
  action: text(100),
  check_run: z.object({ id, external_id: text(500).nullish(), head_sha: sha }),
  requested_action: z.object({ identifier: text(100) }).nullish(),
  repository,
  installation,
  sender: user,
});
const checkSuite = z.object({
  action: text(100),
  check_suite: z.object({ id, head_sha: sha }),
  repository,
  installation,
  sender: user,
});
const installed = z.array(z.object({ id, full_name: text(400), private: z.boolean() })).max(10_000);
const installationHook = z.object({
  action: text(100),
  installation: z.object({ id, account: account.nullable() }),
  repositories: installed.optional(),
  repositories_added: installed.optional(),
  repositories_removed: z
    .array(z.object({ id, full_name: text(400) }))
    .max(10_000)
    .optional(),
});
const installationTarget = z.object({
  action: text(100),
  account,
  installation: z.object({ id }).optional(),
});
const repositoryHook = z.object({ action: text(100), repository, installation });

/** The actions that move a pull request; others (labels, reviews asked) do not concern us. */
const MOVES = new Set([
  'opened',
  'synchronize',
  'reopened',
  'closed',
  'edited',
  'converted_to_draft',
  'ready_for_review',
]);

/** Every hook that GitHub publishes, without the actions. */
const PUBLISHED = new Set<string>(emitterEventNames.map((name) => name.split('.')[0]!));

type Parser = (payload: unknown) => ParsedHook;

/** Per hook one line. */
const parsers: Record<string, Parser> = {
  push: (payload) => onPush(push.parse(payload)),
  pull_request: (payload) => onPullRequest(pullRequest.parse(payload)),
  issue_comment: (payload) => onIssueComment(issueComment.parse(payload)),
  check_run: (payload) => onCheckRun(checkRun.parse(payload)),
  check_suite: (payload) => onCheckSuite(checkSuite.parse(payload)),
  installation: (payload) => onInstallation(installationHook.parse(payload)),
  installation_repositories: (payload) => onInstallation(installationHook.parse(payload)),
  installation_target: (payload) => onInstallationTarget(installationTarget.parse(payload)),
  repository: (payload) => onRepository(repositoryHook.parse(payload)),
  ping: () => ({ noted: 'GitHub tried whether we answer' }),
};

/** Never throws: what does not parse is a value that says why. `name`: the X-GitHub-Event header. */
export function parseHook(name: string, body: string): ParsedHook {
  const parser = Object.hasOwn(parsers, name) ? parsers[name] : undefined;
  if (!parser) {
    return PUBLISHED.has(name)
      ? { noted: `${name}: RCB has no use for it` }
      : { unread: `RCB does not know the hook "${name.slice(0, 100)}"` };
  }
  try {
    return parser(JSON.parse(body));
  } catch (error) {
    return { unread: whyUnread(name, error) };
  }
}

function whyUnread(name: string, error: unknown): string {
  if (error instanceof z.ZodError) {
    return `the payload of "${name}" is not as GitHub publishes it: ${sayIssues(error, 'payload')}`;
  }
  return `the payload of "${name}" is not JSON: ${storable((error as Error).message.slice(0, 200))}`;
}

const repositoryRef = (payload: {
  repository: z.infer<typeof repository>;
  installation?: { id: string };
}): RepositoryRef => ({
  key: githubKey(payload.repository.id),
  name: payload.repository.full_name,
  installation: payload.installation && githubKey(payload.installation.id),
});

function onPush(payload: z.infer<typeof push>): ParsedHook {
  if (!payload.ref.startsWith('refs/heads/')) return { noted: `push of ${payload.ref}` };
  // A deletion is told as forty zeros (GitHub, "push").
  const gone = payload.deleted === true || /^0+$/.test(payload.after);
  const head = gone ? null : payload.after;
  return { event: { kind: 'branch.hinted', repository: repositoryRef(payload), ref: payload.ref, sha: head } };
}

function onPullRequest(payload: z.infer<typeof pullRequest>): ParsedHook {
  const { action, number, pull_request: pull } = payload;
  if (!MOVES.has(action)) return { noted: `pull_request.${action}` };
  const told: PullRequestFacts = {
    headSha: pull.head.sha,
    baseRef: pull.base.ref,
    title: pull.title,
    state: pull.merged ? 'merged' : pull.state,
    draft: pull.draft ?? false,
  };
  return {
    event: { kind: 'pull-request.hinted', repository: repositoryRef(payload), number, action, told },
    occurredAt: when(pull.updated_at),
  };
}

function onIssueComment(payload: z.infer<typeof issueComment>): ParsedHook {
  const { action, issue, comment, sender } = payload;
  if (!issue.pull_request) return { noted: 'a comment on an issue' };
  if (action !== 'created' && action !== 'edited' && action !== 'deleted') return { noted: `issue_comment.${action}` };
  return {
    event: {
      kind: 'comment.told',
      repository: repositoryRef(payload),
      comment: {
        id: comment.id,
        number: issue.number,
        onPullRequest: true,
        action,
        author: authorOf(comment.user),
        sender: { id: sender.id, login: sender.login },
        body: comment.body ?? '',
        updatedAt: comment.updated_at,
      },
    },
    occurredAt: when(comment.updated_at),
  };
}

function onCheckRun(payload: z.infer<typeof checkRun>): ParsedHook {
  const { action, check_run: run, sender } = payload;
  if (action !== 'rerequested' && action !== 'requested_action') return { noted: `check_run.${action}` };
  return {
    event: {
      kind: 'check.rerequested',
      repository: repositoryRef(payload),
      request: {
        action,
        of: 'check_run',
        id: run.id,
        externalId: run.external_id ?? undefined,
        headSha: run.head_sha,
        identifier: payload.requested_action?.identifier,
        sender: { id: sender.id, login: sender.login },
      },
    },
  };
}

function onCheckSuite(payload: z.infer<typeof checkSuite>): ParsedHook {
  const { action, check_suite: suite, sender } = payload;
  if (action !== 'rerequested') return { noted: `check_suite.${action}` };
  return {
    event: {
      kind: 'check.rerequested',
      repository: repositoryRef(payload),
      request: {
        action,
        of: 'check_suite',
        id: suite.id,
        headSha: suite.head_sha,
        sender: { id: sender.id, login: sender.login },
      },
    },
  };
}

function onInstallation(payload: z.infer<typeof installationHook>): ParsedHook {
  const { action, installation: told } = payload;
  const added = payload.repositories_added ?? (action === 'created' ? payload.repositories : undefined) ?? [];
  const removed = payload.repositories_removed ?? (action === 'deleted' ? payload.repositories : undefined) ?? [];
  const installation: InstallationFacts = {
    key: githubKey(told.id),
    account: accountName(told.account),
    accountId: told.account?.id ?? '',
    action,
    repositoriesAdded: added.map((each) => ({ key: githubKey(each.id), name: each.full_name, private: each.private })),
    repositoriesRemoved: removed.map((each) => ({ key: githubKey(each.id), name: each.full_name })),
  };
  return { event: { kind: 'installation.told', installation } };
}

function onInstallationTarget(payload: z.infer<typeof installationTarget>): ParsedHook {
  const { action, account: renamed } = payload;
  if (!payload.installation) return { noted: `installation_target.${action}` };
  const installation: InstallationFacts = {
    key: githubKey(payload.installation.id),
    account: accountName(renamed),
    accountId: renamed.id,
    action,
    repositoriesAdded: [],
    repositoriesRemoved: [],
  };
  return { event: { kind: 'installation.told', installation } };
}

function onRepository(payload: z.infer<typeof repositoryHook>): ParsedHook {
  const { action, repository: told } = payload;
  return {
    event: {
      kind: 'repository.told',
      repository: repositoryRef(payload),
      change: { action, defaultBranch: told.default_branch ?? '', private: told.private },
    },
  };
}

function when(text: string | undefined): Date | undefined {
  const at = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : new Date(at);
}
