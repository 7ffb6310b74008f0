import { type Answer, type Asked, bytesAnswer, notFound, ok, refusal, unknownParameter, xmlAnswer } from './http.ts';
import type { Scheduler } from './scheduler.ts';
import { escapeXml, type Job, jobKey, md5, type Project, type Target, targetsOf } from './state.ts';

export interface BuildParts {
  projects: Map<string, Project>;
  scheduler: Scheduler;
  /** Resolves when the project changes, or is gone. */
  change(project: Project): Promise<void>;
  /** False: as a server, or a proxy, that answers long polls at once. */
  longPoll: boolean;
}

const COMMANDS = ['wipe', 'restartbuild', 'killbuild', 'abortbuild', 'rebuild', 'unpublish', 'sendsysrq'];

/** `/build/…`: what comes out. */
export async function build(asked: Asked, parts: BuildParts): Promise<Answer> {
  const [, name, inner, arch, packageName, file] = asked.path;
  const project = parts.projects.get(name ?? '');
  if (!project) return notFound(`Project not found: ${name}`, 'unknown_project');
  if (inner === undefined) return command(asked, project, parts);
  if (inner === '_result') return await result(asked, project, parts);
  const target = { repository: inner, arch: arch ?? '' };
  if (!targetsOf(project.meta).some((each) => each.repository === inner && each.arch === arch)) {
    return notFound(`project '${name}' has no repository '${inner}/${arch}'`, '404');
  }
  if (packageName === '_jobhistory') return jobHistory(asked, project, target);
  const job = project.jobs.get(jobKey(target, packageName ?? ''));
  if (!job) return notFound(`unknown package '${packageName}'`, '404');
  if (file === '_log') return log(asked, job);
  return file === undefined ? binaries(job) : binary(job, file);
}

function command({ method, query }: Asked, project: Project, { scheduler }: BuildParts): Answer {
  const cmd = query.get('cmd') ?? '';
  if (method !== 'POST' || !COMMANDS.includes(cmd))
    return refusal(400, 'illegal_request', `unsupported command ${cmd}`);
  const packages = query.getAll('package');
  const strange = packages.find((each) => !project.packages.has(each));
  if (strange) return notFound(`unknown package: ${strange}`, '404');
  for (const job of project.jobs.values()) {
    if (packages.length > 0 && !packages.includes(job.package)) continue;
    if (query.has('repository') && query.get('repository') !== job.repository) continue;
    if (query.has('arch') && query.get('arch') !== job.arch) continue;
    if (cmd === 'rebuild') scheduler.rebuild(project, job);
    if (cmd === 'restartbuild') scheduler.restart(project, job);
    if (cmd === 'abortbuild' || cmd === 'killbuild') scheduler.abort(project, job);
  }
  return ok();
}

const RESULT_PARAMETERS = [
  'view',
  'package',
  'repository',
  'arch',
  'code',
  'lastbuild',
  'locallink',
  'multibuild',
  'oldstate',
];

async function result(asked: Asked, project: Project, parts: BuildParts): Promise<Answer> {
  const strange = unknownParameter(asked, RESULT_PARAMETERS);
  if (strange) return strange;
  for (;;) {
    if (parts.projects.get(project.name) !== project)
      return notFound(`Project not found: ${project.name}`, 'unknown_project');
    const missing = asked.query.getAll('package').find((each) => !project.packages.has(each));
    if (missing) return notFound(`unknown package: ${missing}`, '404');
    const body = results(project, parts.scheduler, asked.query.getAll('package'));
    const state = body === '' ? '0'.repeat(32) : md5(body);
    if (state !== asked.query.get('oldstate') || !parts.longPoll) {
      return xmlAnswer(`<resultlist state="${state}">${body}</resultlist>`);
    }
    await parts.change(project);
  }
}

function results(project: Project, scheduler: Scheduler, packages: string[]): string {
  const rows = targetsOf(project.meta).map((target) => {
    const code = scheduler.repositoryCode(project, target);
    const dirty = scheduler.dirty.has(project) || scheduler.heldDirty.has(project) ? ' dirty="true"' : '';
    const details = scheduler.brokenRepositories.get(`${project.name} ${target.repository}/${target.arch}`);
    const head = `<result project="${project.name}" repository="${target.repository}" arch="${target.arch}" code="${code}" state="${code}"${dirty}`;
    // A broken repository lists no packages.
    if (details !== undefined) return `${head} details="${escapeXml(details)}"/>`;
    const jobs = [...project.jobs.values()].filter(
      (job) =>
        job.repository === target.repository &&
        job.arch === target.arch &&
        (packages.length === 0 || packages.includes(job.package.split(':')[0]!)),
    );
    return `${head}>${jobs.map(status).join('')}</result>`;
  });
  return rows.join('');
}

const status = ({ package: name, code, details }: Job): string =>
  details === undefined
    ? `<status package="${name}" code="${code}"/>`
    : `<status package="${name}" code="${code}"><details>${escapeXml(details)}</details></status>`;

function jobHistory(asked: Asked, project: Project, target: Target): Answer {
  const strange = unknownParameter(asked, ['package', 'limit', 'code']);
  if (strange) return strange;
  const only = asked.query.get('package');
  const rows = [...project.jobs.values()]
    .filter((job) => job.repository === target.repository && job.arch === target.arch)
    .filter((job) => only === null || job.package === only)
    .flatMap((job) => job.history.map((ended) => ({ job, ended })))
    .sort((one, other) => one.ended.endTime - other.ended.endTime)
    .slice(-Number(asked.query.get('limit') ?? 100))
    .map(
      ({ job, ended }) =>
        `<jobhist package="${job.package}" rev="${ended.rev}" srcmd5="${ended.srcmd5}" versrel="1-${ended.rev}" bcnt="${ended.bcnt}" readytime="${ended.readyTime}" starttime="${ended.startTime}" endtime="${ended.endTime}" code="${ended.code}" uri="http://w1:1" workerid="w1" hostarch="x86_64" reason="new build" verifymd5="${ended.srcmd5}"/>`,
    );
  return xmlAnswer(rows.length === 0 ? '<jobhistlist/>' : `<jobhistlist>${rows.join('')}</jobhistlist>`);
}

function log(asked: Asked, job: Job): Answer {
  const strange = unknownParameter(asked, ['nostream', 'start', 'end', 'last', 'lastsucceeded', 'view', 'handoff']);
  if (strange) return strange;
  if (job.isLost) return refusal(400, '400', 'remote error: connect to 127.0.0.1 5400: Connection refused');
  if (!job.log) return notFound(`package '${job.package}' has no logfile`, '404');
  const size = job.log.length;
  const given = Number(asked.query.get('start') ?? 0);
  const start = given < 0 ? Math.max(0, size + given) : given;
  if (start > size) return refusal(400, '400', 'start out of range');
  const end = asked.query.has('end') ? Number(asked.query.get('end')) : size;
  return bytesAnswer(job.log.subarray(start, end), 'text/plain');
}

function binaries(job: Job): Answer {
  const rows = [...job.binaries].map(
    ([name, { bytes, mtime }]) => `<binary filename="${escapeXml(name)}" size="${bytes.length}" mtime="${mtime}"/>`,
  );
  return xmlAnswer(rows.length === 0 ? '<binarylist/>' : `<binarylist>${rows.join('')}</binarylist>`);
}

function binary(job: Job, file: string): Answer {
  const found = job.binaries.get(file);
  // Range is ignored.
  return found ? bytesAnswer(found.bytes) : notFound(`${file}: No such file`, '404');
}
