/** What the stack page, badges, feeds and previews of links say, in one place. Plain text. */

export const runsMessages = {
  stack: {
    intro: (repositories: readonly string[]) =>
      `Each test of a commit on a default branch of ${repositories.join(', ')}: which commits were tested together, and how it went.`,
    noStacks: 'Repositories that are tested together are named under stack: in rcb.yaml.',
    noRuns: 'No commit of a default branch was tested yet: push to one of them.',
    notThere: (name: string) => `There is no stack ${name}.`,
    notTested: 'was not part of it',
  },

  badge: {
    passed: 'passing',
    failed: 'failing',
    error: 'error',
    running: 'running',
    unknown: 'unknown',
    title: (repository: string, branch: string | undefined, state: string) =>
      `RCB: ${repository}${branch === undefined ? '' : ` ${branch}`} is ${state}`,
  },

  feed: {
    title: (repository: string | undefined) => `Failures on ${repository ?? 'all default branches'} · RCB`,
    entry: (repository: string, verdict: string, title: string) => `${repository}: ${verdict}: ${title}`,
  },

  /** What a chat shows below a link to a run. */
  preview: (state: string, where: string, sha: string, jobs: Record<string, number>) => {
    const counts = Object.entries(jobs).map(([word, count]) => `${count} ${word}`);
    return `${state} · ${where} at ${sha.slice(0, 10)}${counts.length > 0 ? ` · ${counts.join(', ')}` : ''}`;
  },
} as const;
