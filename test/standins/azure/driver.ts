import { randomUUID } from 'node:crypto';
import type { StandInAzure } from './index.ts';
import type { BuildState, RecordState } from './state.ts';
import { type ZipFileEntry, zipOf } from './zip.ts';

/** What agents, and people on Azure's own pages, do to a build. Each step shows at once to whoever asks. */
export class BuildDriver {
  readonly build: BuildState;
  readonly #azure: StandInAzure;
  readonly #jobs = new Map<string, JobDriver>();

  constructor(azure: StandInAzure, build: BuildState) {
    this.#azure = azure;
    this.build = build;
  }

  get id(): string {
    return String(this.build.id);
  }

  start(): this {
    this.build.status = 'inProgress';
    this.build.startTime ??= this.#azure.now();
    this.#azure.hooks.runChanged(this.build);
    return this;
  }

  /** A job in a stage; `__default` is what Azure calls the stage of a YAML without stages. */
  job(name: string, stage = '__default'): JobDriver {
    const known = this.#jobs.get(`${stage}/${name}`);
    if (known) return known;
    const top = this.#ensure('Stage', stage, stage, null);
    const slug = name.toLowerCase().replace(/\W+/g, '_');
    const phase = this.#ensure('Phase', name, `${stage}.${slug}`, top);
    const job = this.#ensure('Job', name, `${stage}.${slug}.__default`, phase);
    const made = new JobDriver(this.#azure, this.build, job, [phase, top]);
    this.#jobs.set(`${stage}/${name}`, made);
    return made;
  }

  /** A gate that a person has to open. */
  checkpoint(stage: string, state: 'inProgress' | 'completed' = 'inProgress'): RecordState {
    const top = this.#ensure('Stage', stage, stage, null);
    const record = this.#ensure('Checkpoint.Approval', 'Checkpoint.Approval', `${stage}.Checkpoint`, top);
    record.state = state;
    return record;
  }

  finish(result: string): this {
    const { build } = this;
    for (const record of build.records) {
      if (!/^(Stage|Phase)$/.test(record.type) || record.state === 'completed') continue;
      Object.assign(record, { state: 'completed', result, finishTime: this.#azure.time() });
    }
    Object.assign(build, { status: 'completed', result, finishTime: this.#azure.now() });
    build.startTime ??= build.finishTime;
    this.#azure.hooks.runChanged(build);
    return this;
  }

  /** As cancelling ends: what ran is cancelled, and with it the build. */
  finishCancelled(): this {
    for (const record of this.build.records) {
      if (record.state === 'completed') continue;
      Object.assign(record, { state: 'completed', result: 'canceled', finishTime: this.#azure.time() });
    }
    return this.finish('canceled');
  }

  /** Completed at once, with no jobs and no logs: what a YAML that does not compile does. */
  breakYaml(message: string): this {
    this.build.validationResults.push({ result: 'error', message });
    return this.finish('failed');
  }

  /** "Rerun failed jobs", on Azure's page or by `?retry=true`: the same build; what failed is there anew. */
  retry(): this {
    const { build } = this;
    const timelineId = randomUUID();
    build.earlier.set(timelineId, structuredClone(build.records));
    for (const record of build.records) {
      if (record.type === 'Task' || record.result === 'succeeded' || record.result === 'skipped') continue;
      const { id: recordId, attempt } = record;
      record.previousAttempts = [...record.previousAttempts, { attempt, timelineId, recordId }];
      Object.assign(record, { attempt: attempt + 1, state: 'pending', result: null, log: null, issues: [] });
      Object.assign(record, { startTime: null, finishTime: null });
      if (record.type !== 'Job') continue;
      build.records = build.records.filter(({ parentId }) => parentId !== recordId);
      const fresh = randomUUID(); // Ids are not kept over attempts, identifiers are.
      record.id = fresh;
    }
    Object.assign(build, { status: 'inProgress', result: null, finishTime: null });
    this.#jobs.clear();
    this.#azure.hooks.runChanged(build);
    return this;
  }

  /** Retention, or a person: logs, artifacts and the build itself are gone. */
  delete(): void {
    this.build.isDeleted = true;
  }

  #ensure(type: string, name: string, identifier: string, parent: RecordState | null): RecordState {
    const known = this.build.records.find((record) => record.type === type && record.identifier === identifier);
    if (known) return known;
    const made = newRecord(type, name, identifier, parent, this.build.records.length + 1);
    this.build.records.push(made);
    return made;
  }
}

export class JobDriver {
  readonly record: RecordState;
  readonly #azure: StandInAzure;
  readonly #build: BuildState;
  readonly #above: RecordState[];
  #step: RecordState | undefined;

  constructor(azure: StandInAzure, build: BuildState, record: RecordState, above: RecordState[]) {
    this.#azure = azure;
    this.#build = build;
    this.record = record;
    this.#above = above;
  }

  start(): this {
    if (this.record.state === 'inProgress') return this;
    for (const record of [this.record, ...this.#above]) {
      record.state = 'inProgress';
      record.startTime ??= this.#azure.time();
    }
    this.record.workerName = 'Azure Pipelines 2';
    return this;
  }

  /** The step before it ends. */
  step(name: string): this {
    this.start();
    this.endStep('succeeded');
    const step = newRecord('Task', name, '', this.record, this.#build.records.length + 1);
    Object.assign(step, { state: 'inProgress', startTime: this.#azure.time() });
    this.#build.records.push(step);
    this.#step = step;
    return this;
  }

  /** Lines as agents write them: each with its time, a mark before the first. */
  print(...lines: string[]): this {
    if (!this.#step) this.step('Test');
    const step = this.#step!;
    step.log ??= this.#azure.newLog(this.#build);
    const log = this.#build.logs.get(step.log.id)!;
    for (const line of lines) log.push(`${this.#azure.time().replace(/Z$/, '4422Z')} ${line}`);
    return this;
  }

  endStep(result: string, message?: string): this {
    if (this.#step) this.#end(this.#step, result, message);
    this.#step = undefined;
    return this;
  }

  finish(result: string, message?: string): this {
    this.start();
    this.endStep(result === 'failed' ? 'failed' : 'succeeded', result === 'failed' ? message : undefined);
    this.#end(this.record, result, message);
    const phase = this.#above[0]!;
    this.#end(phase, result);
    // The job's own log tells the same as its steps' logs.
    const steps = this.#build.records.filter(({ parentId, log }) => parentId === this.record.id && log);
    if (steps.length === 0) return this;
    this.record.log = this.#azure.newLog(this.#build);
    const whole = steps.flatMap(({ log }) => this.#build.logs.get(log!.id)!);
    this.#build.logs.get(this.record.log.id)!.push(...whole);
    return this;
  }

  /** `Container` is served by this host, `PipelineArtifact` by another. */
  publish(
    name: string,
    files: ZipFileEntry[] | Buffer,
    type = 'PipelineArtifact',
    told: { source?: string | null; downloadUrl?: string } = {},
  ): this {
    const zip = Buffer.isBuffer(files) ? files : zipOf(files);
    const id = this.#build.artifacts.length + 1;
    this.#build.artifacts.push({ id, name, source: this.record.id, type, zip, ...told });
    return this;
  }

  #end(record: RecordState, result: string, message?: string): void {
    Object.assign(record, { state: 'completed', result, finishTime: this.#azure.time() });
    record.startTime ??= record.finishTime;
    if (message) record.issues.push({ type: 'error', category: 'General', message });
  }
}

function newRecord(
  type: string,
  name: string,
  identifier: string,
  parent: RecordState | null,
  order: number,
): RecordState {
  return {
    id: randomUUID(),
    parentId: parent?.id ?? null,
    identifier,
    type,
    name,
    order,
    state: 'pending',
    result: null,
    attempt: parent?.attempt ?? 1,
    previousAttempts: [],
    startTime: null,
    finishTime: null,
    issues: [],
    log: null,
  };
}
