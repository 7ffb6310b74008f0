/** Every sentence that people read on checks and pages, in one place. Plain text unless a name says otherwise. */

export const shortSha = (sha: string): string => sha.slice(0, 10);

const MOST_NAMED = 5;

function named(files: string[], count: number): string {
  const more = count - Math.min(files.length, MOST_NAMED);
  return `${files.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const withStop = (sentence: string): string => (sentence.endsWith('.') ? sentence : `${sentence}.`);

export const messages = {
  checkQueued: 'Queued',
  waiting: (why: string) => `Waiting: ${why}`,
  resolving: 'Finding the commits to test',
  packing: 'Packing the source archives',
  building: (done: number, all: number) => (all === 0 ? 'Builds are queued' : `${done} of ${all} jobs finished`),
  passed: (jobs: number) => (jobs === 1 ? 'The job passed' : `All ${jobs} jobs passed`),
  failed: (failed: number, all: number) => `${failed} of ${all} jobs did not pass`,
  jobPassed: 'Passed',
  jobFailed: (why?: string) => (why ? `Failed: ${why}` : 'Failed'),
  infrastructureError: (why?: string) => `Infrastructure error: ${why ?? 'no reason was given'}`,
  cancelled: (why?: string) => (why ? `Cancelled: ${why}` : 'Cancelled'),
  superseded: (sha: string) => `Superseded by ${shortSha(sha)}`,
  nothingToRun: 'Nothing to run',
  /** `ended`: GitHub's word. */
  withoutDetails: (ended: string) => `${ended.replaceAll('_', ' ')}: not for everybody`,
  /** Markdown. */
  whyWithoutDetails: (page: string) =>
    'This run began while the repository was private, with repositories that still are. What there is to say of it is on ' +
    `[its page](${page}), for those who may read all of them. \`{re-test}\` tests what is public now.`,

  supersededWhy: (sha: string) => `a newer commit, ${shortSha(sha)}, took its place`,
  baseChanged: (from: string, to: string) => `its base was changed from ${from} to ${to}`,
  pullRequestClosed: 'the pull request was closed',
  pullRequestMerged: 'the pull request was merged',
  branchDeleted: 'the branch was deleted',
  forkNever: 'Pull requests from forks are not tested here (policy.forks is "never")',
  forkAsk:
    'This pull request comes from a fork, and its author may not write to this repository: ' +
    'a maintainer has to allow the test of this head, by {re-test} in a comment.',
  cancelledBy: (login: string) => `${login} has asked for it`,
  runState: (state: string, verdict?: string, why?: string) => `${verdict ?? state}${why ? `: ${why}` : ''}`,
  released: (login: string) => `${login} has allowed the test of this head`,
  noBackend: 'nothing to run: no backend serves this repository and branch',
  noPrivateBackend: (backends: string[]) =>
    `nothing to run: the code is private, and ${named(backends, backends.length)}, which would serve this repository and ` +
    'branch, may not see private code (`private: true` of a backend in rcb.yaml)',
  noJobs: 'nothing to run: the backend found no test to execute',
  catchingUp: 'after an absence runs begin one by one: it waits for its turn',
  tooManyBuilding: (building: number) => `it waits for its turn: ${building} runs are being built (limits.building)`,
  uninstalled: 'the App is not installed on it any more',
  notServedAnyMore: (why?: string) => `the repository is not served any more${why ? `: ${why}` : ''}`,
  suspended: (account: string) => `${account} has suspended the App`,
  privateRepository: (nobodyLogsIn: string) =>
    'private repositories are served only where those who may read them can log in on the status site, and nobody can: ' +
    nobodyLogsIn,
  noGitHubApp: 'no GitHub App is configured',
  foreignInstallation: (account: string) =>
    `${account} is not listed under "owners" in rcb.yaml: its installation is shown, not served`,
  notConfigured: (name: string) => `${name} is not listed under "git" in rcb.yaml (any more)`,
  repositoryUnreadable: 'it is gone, or not for us to read',
  conflict: (base: string, sha: string, files: string[], count: number) =>
    `it does not merge with ${base} at ${shortSha(sha)}: ${
      count === 0 ? 'the two have no history in common' : `conflicts in ${named(files, count)}`
    }. Nothing is tested until it does.`,
  partnersMoved: (whys: string[]) => whys.join('; '),
  repositoryWas: (action: string) => `the repository was ${action}`,
  repositoryGone: 'there is no git repository at its path',
  retrying: (what: string, why: string, at: string) => `${what}: ${withStop(why)} It is tried again at ${at}.`,
  givenUp: (what: string, why: string) => `${what}: ${withStop(why)} It was given up after several tries.`,
  notObserved: (hours: number) => `the backend only observes, and no build of this commit was found for ${hours} h`,
  cannotRetry: (backend: string) => `the backend ${backend} cannot run failed jobs again`,
  untoldEnd: 'the build ended, and how this job ended was never told',
  lostAgain: (why: string) => `${why}; a second attempt was lost as well`,

  effects: {
    'inspect.branch': 'Reading the branch',
    'inspect.pull-request': 'Reading the pull request',
    'inspect.partners': 'Looking for pull requests of the same branch name',
    'command.inspect': 'Reading a command',
    'comment.react': 'Reacting to a comment',
    'comment.answer': 'Answering',
    'merge.inspect': 'Reading what merging depends on',
    'merge.call': 'Merging',
    'merge.take-back': 'Taking it out of the merge queue',
    'poll.repository': 'Looking for changes',
    'poll.installations': 'Looking for installations',
    'poll.deliveries': 'Looking for lost hooks',
    'poll.builds': 'Looking for builds that changed',
    'backend.sweep': 'Removing what builds left at a back-end',
    'retention.sweep': 'Removing what is old',
    'sources.resolve': 'Finding the commits to test',
    'source.pack': 'Packing the source archive',
    'build.start': 'Starting the build',
    'build.follow': 'Following the build',
    'build.look': 'Looking at the build',
    'build.retry': 'Running the failed jobs again',
    'build.cancel': 'Cancelling the build',
    'build.release': 'Tidying up after the build',
    'check.report': 'Writing the check',
  } as Record<string, string>,

  why: {
    head: (ref: string) => `head of ${ref}`,
    pullRequestHead: (number: number) => `head of pull request #${number}`,
  },
} as const;
