/** Every sentence that people read on checks and pages, in one place. Plain text unless a name says otherwise. */

export const shortSha = (sha: string): string => sha.slice(0, 10);

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

  supersededWhy: (sha: string) => `a newer commit, ${shortSha(sha)}, took its place`,
  baseChanged: (from: string, to: string) => `its base was changed from ${from} to ${to}`,
  pullRequestClosed: 'the pull request was closed',
  pullRequestMerged: 'the pull request was merged',
  branchDeleted: 'the branch was deleted',
  forkNever: 'Pull requests from forks are not tested here (policy.forks is "never")',
  forkAsk:
    'This pull request comes from a fork, and its author may not write to this repository: ' +
    'a maintainer has to allow the test. (This version has no command for it yet: push the branch to the repository.)',
  noBackend: 'nothing to run: no backend serves this repository and branch',
  noJobs: 'nothing to run: the backend found no test to execute',
  privateRepository: 'private repositories are not served: the status site would show them to everybody',
  foreignInstallation: (account: string) =>
    `${account} is not listed under "owners" in rcb.yaml: its installation is shown, not served`,
  notConfigured: (name: string) => `${name} is not listed under "git" in rcb.yaml (any more)`,
  repositoryGone: 'there is no git repository at its path',
  retrying: (what: string, why: string, at: string) => `${what}: ${why}. It is tried again at ${at}.`,
  givenUp: (what: string, why: string) => `${what}: ${why}. It was given up after several tries.`,
  untoldEnd: 'the build ended, and how this job ended was never told',
  lostAgain: (why: string) => `${why}; a second attempt was lost as well`,

  effects: {
    'inspect.branch': 'Reading the branch',
    'inspect.pull-request': 'Reading the pull request',
    'poll.branches': 'Listing the branches',
    'sources.resolve': 'Finding the commits to test',
    'source.pack': 'Packing the source archive',
    'build.start': 'Starting the build',
    'build.follow': 'Following the build',
    'build.cancel': 'Cancelling the build',
    'build.release': 'Tidying up after the build',
    'check.report': 'Writing the check',
  } as Record<string, string>,

  why: {
    head: (ref: string) => `head of ${ref}`,
    pullRequestHead: (number: number) => `head of pull request #${number}`,
  },
} as const;
