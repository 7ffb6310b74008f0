/** What pages say of facts, polls and waits, in one place. Plain text. */

const runs = (count: number): string =>
  count === 1 ? '1 run waits for its turn' : `${count} runs wait for their turn`;
const builds = (count: number): string => (count === 1 ? '1 build waits' : `${count} builds wait`);

export interface KnownLimits {
  catchUpRunsPerMinute: number;
  building: number;
}

export const ledgerMessages = {
  catchingUp: (waiting: number, limits?: KnownLimits) =>
    limits
      ? `After an absence: ${runs(waiting)}, ${limits.catchUpRunsPerMinute} a minute begin (limits.catchUpRunsPerMinute).`
      : `After an absence: ${runs(waiting)}, they begin one by one.`,
  held: (waiting: number, limits?: KnownLimits) =>
    limits
      ? `${builds(waiting)} to be started: at most ${limits.building} runs are built at a time (limits.building).`
      : `${builds(waiting)} to be started: only so many runs are built at a time (limits.building).`,

  /** Why a watched repository is not looked at. */
  notInstalled: 'The App is not installed on it: it is not looked at.',
  installationIs: (account: string, state: string) =>
    `The installation of ${account} is ${state}: it is not looked at until that changes.`,
  neverLooked: 'never',
  lookedAgain: 'It is looked at again in the next interval.',

  notTried: 'None: nothing follows from it',
  notReadable: 'None: it could not be read',

  leftOut: 'Left out: hooks from which nothing follows (of our own checks, for instance).',
  allShown: 'Hooks from which nothing follows are shown, too.',
  retryEffect: 'Try it again:',
  retryFact: 'Handle it again:',
  replayUnread: 'Read it again, with a newer version of RCB perhaps; what it says becomes a new event:',
  settleUnread: 'Take it off this list; nothing follows from it:',
  replay: 'Feed it again: it becomes a new event, and what follows from it happens once more.',
} as const;
