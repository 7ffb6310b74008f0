/** What the service page says. Plain text. */
export const serviceMessages = {
  well: 'all is well',
  wrong: 'something is wrong',
  parked: (rows: number) => `${rows === 1 ? '1 thing was' : `${rows} things were`} given up`,
  seeParked: 'What, and how to try again',

  backendsNote: (builds: number) => `the last 24 hours, of at most the newest ${builds} builds`,
  waited: 'Waited, half · most',
  waitedMeans: (builds: number) =>
    `From asking for a build to the start of its first job: half of ${builds} builds waited no longer than the first, nine of ten no longer than the second`,
  errors: 'Errors',
  errorsMeans: (errors: number, ended: number) => `${errors} of ${ended} attempts were ended by the infrastructure`,
  builds: 'Builds',
  runningAndWaiting: (running: number, waiting: number) =>
    running + waiting === 0
      ? 'none'
      : [running > 0 ? `${running} running` : '', waiting > 0 ? `${waiting} waiting` : ''].filter(Boolean).join(', '),
  answered: 'Last answer',
  next: 'Next look',
  triedAgain: (tries: number) => `tried ${tries} times, and tried again`,
  unknownBackend: 'rcb.yaml names it no more.',

  held: 'Held runs',
  heldNote: 'what may not go on yet, the longest held first',
  noneHeld: 'No run is held.',
  heldNowhere: 'it is not said why',

  rests: 'Rests',
  restsNote: 'somebody outside asked us to wait',
  noRests: 'Nobody has asked us to wait.',
  /** `lane`: as the queue calls it. */
  lane(lane: string): string {
    const [kind, ...rest] = lane.split(':');
    const what = LANES[kind ?? ''];
    return what ? `${what} ${rest.join(':')}` : lane;
  },

  /** Of a poll that is of no repository. */
  poll(poll: string): string {
    const [kind, ...rest] = poll.split(':');
    const what = POLLS[kind ?? ''];
    return what ? [what, ...rest].join(' ') : poll;
  },
  troubled: 'Lists that cannot be read',

  retention: 'Retention',
  neverSwept: 'Nothing was swept yet: the first sweep begins within the hour.',
  sweeping: 'A sweep is under way, since',
  sweptAt: 'The last sweep ended',
  nothingSwept: 'It removed nothing.',
  sweepTrouble: 'What it could not do, and tries again tomorrow:',
} as const;

const LANES: Record<string, string> = {
  write: 'writes to the installation',
  poll: 'lists of the installation',
  start: 'starts on',
  build: 'the build',
  mirror: 'the mirror of',
  sweep: 'leftovers on',
  run: 'the run',
};

const POLLS: Record<string, string> = {
  deliveries: 'hooks that GitHub says it has sent',
  installations: 'installations of the App',
  builds: 'changed builds on',
  leftovers: 'leftovers on',
};
