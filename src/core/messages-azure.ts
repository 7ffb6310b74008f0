/** What people read about builds on Azure Pipelines. Plain text. */
export const azureMessages = {
  backend: (name: string, said: string) => `backend '${name}': ${said}`,

  signIn:
    'Azure refused the credentials (it answered with its sign-in page). The token has expired, was revoked, or is not of ' +
    'this organisation: put a new one into AZURE_DEVOPS_TOKEN. What waits goes on by itself then.',
  forbidden: (what: string, said: string) =>
    `Azure does not allow it to ${what}: ${said}. The token needs the scope "Build (read & execute)", its owner the right ` +
    'to queue builds of this pipeline.',
  noProject: (project: string) =>
    `Azure knows no project "${project}" in this organisation, or the token may not see it: correct "project" in rcb.yaml`,
  noPipeline: (pipeline: number, project: string) =>
    `the project "${project}" has no pipeline ${pipeline}: correct "pipeline" in rcb.yaml`,
  notThere: (what: string) => `could not ${what}: Azure says it is not there, though project and pipeline are`,
  unreachable: (what: string, why: string) =>
    `could not ${what}: Azure could not be reached (${why}). It is tried again.`,
  answered: (what: string, status: number, said: string) => `could not ${what}: Azure answered ${status} (${said})`,
  slow: (seconds: number) => `no answer within ${seconds} s`,
  resting: (seconds: number) => `Azure asks for fewer requests: nothing is asked for ${seconds} s`,
  redirected: (what: string, host: string) => `could not ${what}: Azure sends us to ${host}, which is not followed`,
  stranger: (what: string, host: string) =>
    `could not ${what}: ${host} wants credentials, and is not among "credentialHosts" of rcb.yaml`,
  notThat: (what: string, type: string) => `could not ${what}: Azure sent "${type}" instead; nothing of it was kept`,
  tooLarge: (what: string, mib: number) => `could not ${what}: the answer is larger than ${mib} MiB`,
  unreadable: (what: string, why: string) => `could not ${what}: Azure's answer is not understood (${why})`,
  doubtful: (why: string) =>
    `whether Azure started the build is not known (${why}). It is looked for before it is started again.`,
  noToken: (why: string) => `Microsoft Entra gave no token (${why})`,

  untrusted:
    'changes from outside are sent only to pipelines that rcb.yaml marks "secrets: none", because Azure cannot tell them ' +
    'from trusted ones',
  observesOnly: 'it only observes (mode: observe), so it starts and repeats nothing',
  strangeName: (repository: string) => `${repository} gives no name that a pipeline's parameter could have`,
  sameName: (prefix: string) => `two repositories of this run would be the pipeline's parameter "${prefix}"`,
  noUrl: (repository: string) => `there is no address from which an agent could download the sources of ${repository}`,
  invalid: (said: string) => `Azure refused the pipeline or its parameters: ${said}`,

  gone: 'Azure has no such build (any more): it was deleted, by its retention or by a person',
  unknownWord: (of: string, word: string) =>
    `Azure says "${word}" of the ${of}, which this version does not understand`,
  noCompile: (said: string) => `the pipeline's YAML does not compile: ${said}`,
  untold: 'the build ended, and Azure never told how this job did',
  agentLost: 'the agent was lost',
  cancelled: 'cancelled on Azure',
  withIssues: (said?: string) => (said ? `with issues: ${said}` : 'with issues'),
  failedStep: (step: string, said?: string) => (said ? `${step}: ${said}` : `step "${step}" failed`),
  noStepFailed: 'none of its steps failed: Azure or its agent ended it',
  skipped: 'skipped, as the pipeline says',
  skippedAfter: 'skipped: what it depends on did not pass',
  buildFailed: (said?: string) => said ?? 'Azure calls the build failed, and no job tells why',
  waitsForApproval: 'it waits for an approval or a check on Azure',

  noSuchJob: (job: string, attempt: number) => `the build has no job "${job}", attempt ${attempt}`,
  noSuchArtifact: (name: string) => `the job left no artifact "${name}"`,
  logCut: (mib: number) => `[RCB: the log is longer than ${mib} MiB; the rest was not kept]`,
  logGone: '[RCB: Azure does not have this part of the log any more]',
  notKept: 'What this job published and RCB did not keep:',
  kinds: (type: string) => `its kind "${type}" cannot be downloaded`,
  badUrl: 'its download address is not one',
  tooMany: (files: number) => `only ${files} files are kept`,
  tooMuch: (mib: number) => `only ${mib} MiB are kept`,
  badName: 'its name is not a relative path',
  symlink: 'it is a symbolic link or a special file',
  locked: 'it is encrypted or compressed in an unknown way',
  twice: 'another file has the same name',
  damaged: (why: string) => `it is damaged: ${why}`,
  badZip: (why: string) => `its zip cannot be read: ${why}`,

  hookNeedsTls: 'the address for the hooks has to begin with https://, as they carry a password. Set RCB_PUBLIC_URL.',
  hookMethod: "Azure's service hooks tell their events here, by POST",
  hookRefused:
    'Refused a service hook: its password is not AZURE_HOOK_PASSWORD. Azure loses events until it is; see "rcb azure hook".',
  hookNotStored: 'it could not be stored now',
  hookTooLarge: 'larger than 2 MB, slower than 10 s, or broken off',
  hookStates: {
    enabled: 'works',
    onprobation:
      'on probation: an answer of ours was not 2xx, and new events are lost until a repeated one gets through',
    disabledbyuser: 'switched off by a person',
    disabledbysystem: 'switched off by Azure: too many deliveries failed. Delete it on Azure, and install it again',
    disabledbyinactiveidentity: 'switched off by Azure: who made it has left. Delete it on Azure, and install it again',
  } as Record<string, string>,
  hookMissing: 'not there',

  pipeline: (name: string, id: number, project: string) => `pipeline ${name} (${id}) of ${project}`,
  disabled: (state: string) => `the pipeline is ${state} on Azure`,
} as const;
