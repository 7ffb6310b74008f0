/** What people read on checks and pages about builds at an Open Build Service. */
export const obsMessages = {
  failed: 'the build failed',
  killed: 'the job was stopped at OBS, by somebody else than RCB',
  noJob: (code: string, details?: string) => (details ? `${code}: ${details}` : `OBS says "${code}" and no more`),
  repositoryBroken: (details?: string) => `the repository is broken${details ? `: ${details}` : ''}`,
  otherSources: 'the sources at OBS are not the ones that RCB committed: somebody changed them',
  live: (code: string, details?: string) => (details ? `${code}: ${details}` : code),
  buildOverdue: (code: string, limit: string) => `the build was not over after ${limit}; OBS said "${code}" last`,
  jobOverdue: (code: string, limit: string) => `the job was not over after ${limit}; OBS said "${code}" last`,
  strangeEnd: (code: string) => `OBS says that the job ended as "${code}", a word that RCB does not know`,
  gone: (place: string) => `${place} is not at OBS (any more)`,
  released: (place: string) => `${place} was deleted when RCB had archived it`,
  hookMethod: 'POST is expected, with what OBS publishes on its message bus.',
  hookWithoutSecret: 'OBS_HOOK_SECRET is not set: hooks of OBS are not taken.',
  hookTooLarge: (bytes: number) => `Larger than ${bytes} bytes, slower than ten seconds, or broken off.`,
  hookRefused: 'A hook of OBS was refused',
  hookNotStored: 'It could not be stored. Please send it again.',
} as const;
