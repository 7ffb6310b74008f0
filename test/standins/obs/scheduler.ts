import {
  isDisabled,
  isLocked,
  type Job,
  jobKey,
  type Package,
  type Project,
  publishes,
  type Target,
  targetsOf,
} from './state.ts';

/** How one job goes. A function of what was committed, so that the story is in the sources. */
export interface JobScript {
  prints?: string[];
  leaves?: Record<string, string>;
  /** `lost`: its worker dies, and it stands as building. Another word: that is its code, for ever. */
  ends: 'passes' | 'fails' | 'unchanged' | 'never' | 'lost' | (string & {});
  details?: string;
  /** Packages that have to be built before: until then it is unresolvable. */
  needs?: string[];
  /** A verdict from before that is shown first, for so many steps, and without `dirty`. */
  stale?: { code: string; details?: string; steps: number };
  /** Instead of the line that names the source. */
  head?: string;
}

export interface JobContext extends Target {
  project: string;
  package: string;
  /** How many jobs of it ended before. */
  builds: number;
  files: Map<string, Buffer>;
}

export interface SchedulerOptions {
  decide(context: JobContext): JobScript;
  /** From one code to the next. */
  stepMs: number;
  /** Unix seconds: the server has a clock of its own. */
  now(): number;
  changed(project: Project): void;
}

const ENDS: Record<string, string> = { passes: 'succeeded', fails: 'failed', unchanged: 'unchanged' };
const WITHOUT_JOB = ['unresolvable', 'broken', 'excluded', 'disabled', 'locked'];

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Projects on their way to a new look. */
  readonly dirty = new Set<Project>();
  /** Said to be so by hand. */
  readonly heldDirty = new Set<Project>();
  /** By `project repository/arch`: a repository that is broken as a whole. */
  readonly brokenRepositories = new Map<string, string>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** After a step: whatever is in the project and has no job of its source gets one. */
  look(project: Project, isDirty = true): void {
    if (isDirty) this.dirty.add(project);
    this.#later(() => {
      this.dirty.delete(project);
      const targets = targetsOf(project.meta);
      for (const target of targets) for (const each of project.packages.values()) this.#consider(project, each, target);
      for (const [key, job] of project.jobs) {
        if (!targets.some((target) => key === jobKey(target, job.package))) project.jobs.delete(key);
      }
      this.#options.changed(project);
    });
  }

  rebuild(project: Project, job: Job): void {
    job.round += 1;
    job.isOver = false;
    this.#begin(project, project.packages.get(job.package)!, job);
  }

  /** What a worker has, dead or alive, is begun anew. */
  restart(project: Project, job: Job): void {
    if (['building', 'dispatching', 'finished'].includes(job.code)) this.rebuild(project, job);
  }

  /** Only what a worker has is ended: what is scheduled stays. */
  abort(project: Project, job: Job): void {
    if (!['building', 'dispatching', 'finished'].includes(job.code)) return;
    job.round += 1;
    job.log = Buffer.concat([job.log ?? Buffer.alloc(0), Buffer.from('[   99s] Killed Job\n')]);
    this.#end(project, job, 'failed');
  }

  repositoryCode(project: Project, target: Target): string {
    if (this.brokenRepositories.has(`${project.name} ${target.repository}/${target.arch}`)) return 'broken';
    const jobs = [...project.jobs.values()].filter(
      (job) => job.repository === target.repository && job.arch === target.arch,
    );
    if (jobs.length === 0) return 'unknown';
    if (jobs.some(({ isOver }) => !isOver)) return 'building';
    return publishes(project.meta) ? 'published' : 'unpublished';
  }

  #consider(project: Project, each: Package, target: Target): void {
    if (this.repositoryCode(project, target) === 'broken') return;
    const key = jobKey(target, each.name);
    const known = project.jobs.get(key);
    const job = known ?? newJob(each, target);
    project.jobs.set(key, job);
    const [code, details] = whyNot(project, each);
    if (code !== undefined) {
      this.#withoutJob(job, code, details);
      return;
    }
    const newest = job.history.at(-1);
    const isNew = newest?.srcmd5 !== each.srcmd5;
    if (job.code === 'disabled' && newest && !isNew) {
      // Enabled again: what was built of these sources counts still.
      Object.assign(job, { code: newest.code === 'failed' ? 'failed' : 'succeeded', details: undefined });
      return;
    }
    if (job.isOver && (isNew || WITHOUT_JOB.includes(job.code))) this.#begin(project, each, job);
  }

  #withoutJob(job: Job, code: string, details?: string): void {
    if (['building', 'dispatching'].includes(job.code)) return;
    job.round += 1;
    Object.assign(job, { code, details, isOver: true });
  }

  #begin(project: Project, each: Package, job: Job): void {
    const script = this.#scriptOf(project, each, job);
    const missing = (script.needs ?? []).filter(
      (name) => project.jobs.get(jobKey(job, name))?.history.at(-1)?.code !== 'succeeded',
    );
    const lacks = missing.length > 0 && `nothing provides ${missing.join(', ')}`;
    if (lacks || WITHOUT_JOB.includes(script.ends)) {
      this.#withoutJob(job, lacks ? 'unresolvable' : script.ends, lacks || script.details);
      return;
    }
    job.round += 1;
    job.isOver = false;
    const { stale } = script;
    if (stale) {
      Object.assign(job, { code: stale.code, details: stale.details, isOver: true });
      this.#later(() => {
        job.isOver = false;
        this.#say(project, job, 'scheduled');
        this.#step(project, job, () => this.#run(project, each, job, script));
      }, stale.steps);
      return;
    }
    this.#say(project, job, 'scheduled', 'waiting for a worker');
    this.#step(project, job, () => this.#run(project, each, job, script));
  }

  #run(project: Project, each: Package, job: Job, script: JobScript): void {
    const { now } = this.#options;
    this.#say(project, job, 'dispatching');
    this.#step(project, job, () => {
      job.startTime = now();
      const owner = `Building ok for project '${project.name}' repository '${job.repository}' arch '${job.arch}' srcmd5 '${each.srcmd5}'`;
      const lines = [`w1 started "build ${each.name}" (${job.round})`, script.head ?? owner];
      job.log = Buffer.from([...lines, ...(script.prints ?? [])].map((line) => `${line}\n`).join(''));
      job.binaries = new Map();
      this.#say(project, job, 'building', 'building on w1');
      job.isLost = script.ends === 'lost';
      if (['never', 'lost'].includes(script.ends)) return;
      const word = ENDS[script.ends];
      if (word === undefined) {
        this.#say(project, job, script.ends, script.details);
        return;
      }
      this.#step(project, job, () => {
        this.#say(project, job, 'finished', word === 'failed' ? 'failed' : 'succeeded');
        for (const [name, text] of Object.entries(script.leaves ?? {})) {
          job.binaries.set(name, { bytes: Buffer.from(text), mtime: now() });
        }
        this.#step(project, job, () => this.#end(project, job, word));
      });
    });
  }

  #end(project: Project, job: Job, code: string): void {
    const each = project.packages.get(job.package);
    const { srcmd5 = '', rev = 0 } = each ?? {};
    const bcnt = job.history.filter((ended) => ended.srcmd5 === srcmd5).length + 1;
    const endTime = this.#options.now();
    const times = { readyTime: job.startTime, startTime: job.startTime, endTime };
    job.history.push({ srcmd5, rev, bcnt, ...times, code });
    job.isOver = true;
    this.#say(project, job, code === 'failed' ? 'failed' : 'succeeded');
    this.look(project, false);
  }

  #scriptOf(project: Project, each: Package, job: Job): JobScript {
    return this.#options.decide({
      project: project.name,
      package: each.name,
      repository: job.repository,
      arch: job.arch,
      builds: job.history.length,
      files: new Map([...each.files].map(([name, { bytes }]) => [name, bytes])),
    });
  }

  #say(project: Project, job: Job, code: string, details?: string): void {
    Object.assign(job, { code, details });
    this.#options.changed(project);
  }

  #step(project: Project, job: Job, act: () => void): void {
    const { round } = job;
    this.#later(() => {
      if (job.round === round && project.jobs.get(jobKey(job, job.package)) === job) act();
    });
  }

  #later(act: () => void, steps = 1): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, this.#options.stepMs * steps);
    this.#timers.add(timer);
  }
}

function whyNot(project: Project, each: Package): [code?: string, details?: string] {
  if (isDisabled(project.meta) || isDisabled(each.meta)) return ['disabled'];
  if (isLocked(each.meta)) return ['locked'];
  return each.srcmd5 === undefined || each.files.size === 0 ? ['broken', 'no source uploaded'] : [];
}

const newJob = (each: Package, target: Target): Job => ({
  ...target,
  package: each.name,
  code: 'unknown',
  binaries: new Map(),
  history: [],
  round: 0,
  startTime: 0,
  isOver: true,
});
