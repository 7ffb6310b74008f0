import { BackendError } from '../backend.ts';
import { type ObsClient, xmlBody } from './client.ts';
import { ifThere } from './commit.ts';
import { type Mark, parseMark, type StartedMark } from './mark.ts';
import { changedMeta, newPackage, newProject, type RepositoryMeta } from './meta.ts';
import { suffixOf } from './names.ts';
import { descriptionOf, parseDirectory, parseMeta, targetsOf } from './schema.ts';
import type { XmlElement } from './xml.ts';

/**
 * Where a build is at OBS: a project of its own, or packages of its own in a project that stands. Both are made in the
 * order that lets OBS build nothing before everything is there, so that no verdict about half of it can exist.
 */
export interface Place {
  readonly project: string;
  /** At the end of each package's name. */
  readonly suffix: string;
  /** Of the packages of the build, for answers that are about more than it; undefined where the project is its own. */
  filter(mark: StartedMark): string[] | undefined;
  /** What is written down there; undefined: nothing is there, or it is not ours. */
  read(signal: AbortSignal): Promise<Mark | undefined>;
  /** Make what the packages lie in, without anything to build. */
  prepare(mark: Mark, serverNames: string[], signal: AbortSignal): Promise<void>;
  /** From here on OBS builds. Answers what was written. */
  start(mark: StartedMark, signal: AbortSignal): Promise<Mark>;
  /** The pairs of repository and architecture that are built on. */
  targets(signal: AbortSignal): Promise<[string, string][]>;
  /** Write down; `enabled: false` also takes everything away from the scheduler, undefined leaves that as it is. */
  write(mark: StartedMark, enabled: boolean | undefined, signal: AbortSignal): Promise<void>;
  remove(signal: AbortSignal): Promise<void>;
}

export interface PlaceParts {
  client: ObsClient;
  project: string;
  suffix: string;
  user: string;
  repositories: RepositoryMeta[];
  config?: string;
}

export const serverNames = (mark: StartedMark, suffix: string): string[] =>
  Object.keys(mark.started.packages).map((name) => `${name}${suffix}`);

/** A project per run: deleting it is the whole cleaning up. */
export class ProjectPlace implements Place {
  readonly project: string;
  readonly suffix = '';
  readonly #parts: PlaceParts;

  constructor(parts: PlaceParts) {
    this.project = parts.project;
    this.#parts = parts;
  }

  filter(): undefined {
    return undefined;
  }

  async read(signal: AbortSignal): Promise<Mark | undefined> {
    const meta = await this.#meta(signal);
    return meta && parseMark(descriptionOf(meta));
  }

  async prepare(mark: Mark, packages: string[], signal: AbortSignal): Promise<void> {
    const { client, user, config } = this.#parts;
    const path = ['source', this.project];
    const meta = await this.#meta(signal);
    if (!meta) await this.#put(newProject(this.project, user, mark), signal);
    else if (!parseMark(descriptionOf(meta))) throw strange(this.project);
    if (config !== undefined) {
      const there = await ifThere(client.text({ path: [...path, '_config'], signal }));
      if (there !== config) {
        await client.text({ method: 'PUT', path: [...path, '_config'], body: xmlBody(config), signal });
      }
    }
    for (const name of packages) {
      await ensurePackage(client, this.project, name, newPackage(this.project, name, { enabled: true }), signal);
    }
  }

  async start(mark: StartedMark, signal: AbortSignal): Promise<Mark> {
    const meta = await this.#meta(signal);
    if (!meta) throw new BackendError('unreachable', `the project ${this.project} went away while it was made`);
    const there = parseMark(descriptionOf(meta));
    if (there?.started) return there;
    await this.#put(changedMeta(meta, { mark, repositories: this.#parts.repositories }), signal);
    return mark;
  }

  async targets(): Promise<[string, string][]> {
    return this.#parts.repositories.flatMap(({ name, architectures }) =>
      architectures.map((arch): [string, string] => [name, arch]),
    );
  }

  async write(mark: StartedMark, enabled: boolean | undefined, signal: AbortSignal): Promise<void> {
    const meta = await this.#meta(signal);
    if (meta) await this.#put(changedMeta(meta, { mark, enabled }), signal);
  }

  async remove(signal: AbortSignal): Promise<void> {
    const { client } = this.#parts;
    await ifThere(client.text({ method: 'DELETE', path: ['source', this.project], signal }));
  }

  async #meta(signal: AbortSignal): Promise<XmlElement | undefined> {
    const text = await ifThere(this.#parts.client.text({ path: ['source', this.project, '_meta'], signal }));
    return text === undefined ? undefined : parseMeta(text, 'project');
  }

  async #put(text: string, signal: AbortSignal): Promise<void> {
    const path = ['source', this.project, '_meta'];
    await this.#parts.client.text({ method: 'PUT', path, body: xmlBody(text), signal });
  }
}

/**
 * Packages in one project, for users who may not create any: each build's carry its suffix, and are disabled until all
 * of them are complete. The first one keeps the mark.
 */
export class StandingPlace implements Place {
  readonly project: string;
  readonly suffix: string;
  readonly #parts: PlaceParts;
  readonly #leader: string;

  /** `leader`: the first package's name in the template. */
  constructor(parts: PlaceParts, leader: string) {
    this.project = parts.project;
    this.suffix = parts.suffix;
    this.#parts = parts;
    this.#leader = `${leader}${parts.suffix}`;
  }

  filter(mark: StartedMark): string[] {
    return serverNames(mark, this.suffix);
  }

  async read(signal: AbortSignal): Promise<Mark | undefined> {
    const meta = await this.#meta(this.#leader, signal);
    return meta && parseMark(descriptionOf(meta));
  }

  async prepare(mark: Mark, packages: string[], signal: AbortSignal): Promise<void> {
    const leader = await this.#meta(this.#leader, signal);
    if (leader && !parseMark(descriptionOf(leader))) throw strange(`${this.project}/${this.#leader}`);
    for (const name of new Set([this.#leader, ...packages])) {
      const options = { mark: name === this.#leader ? mark : undefined, enabled: false };
      await ensurePackage(this.#parts.client, this.project, name, newPackage(this.project, name, options), signal);
    }
  }

  async start(mark: StartedMark, signal: AbortSignal): Promise<Mark> {
    const there = await this.read(signal);
    if (there?.started) return there;
    await this.write(mark, true, signal);
    return mark;
  }

  async targets(signal: AbortSignal): Promise<[string, string][]> {
    const path = ['source', this.project, '_meta'];
    const text = await ifThere(this.#parts.client.text({ path, signal }));
    const targets = text === undefined ? [] : targetsOf(parseMeta(text, 'project'));
    if (targets.length > 0) return targets;
    const why = text === undefined ? 'is not there' : 'builds for no repository';
    throw new BackendError('misconfigured', `the project ${this.project} ${why}: with mode "standing" it has to`);
  }

  /** The leader's is the last: while it does not say so, the build has not begun. */
  async write(mark: StartedMark, enabled: boolean | undefined, signal: AbortSignal): Promise<void> {
    const isFlagged = enabled !== undefined;
    const followers = isFlagged ? serverNames(mark, this.suffix).filter((name) => name !== this.#leader) : [];
    // Stopping is written down first: what is stopped looks like a failure to whoever has not read it.
    for (const name of enabled ? [...followers, this.#leader] : [this.#leader, ...followers]) {
      const meta = await this.#meta(name, signal);
      if (!meta) continue;
      const change = { enabled, mark: name === this.#leader ? mark : undefined };
      const path = ['source', this.project, name, '_meta'];
      await this.#parts.client.text({ method: 'PUT', path, body: xmlBody(changedMeta(meta, change)), signal });
    }
  }

  async remove(signal: AbortSignal): Promise<void> {
    const { client } = this.#parts;
    const listed = await ifThere(client.text({ path: ['source', this.project], signal }));
    const names = listed === undefined ? [] : parseDirectory(listed).entries.map(({ name }) => name);
    const own = names.filter((name) => suffixOf(name) === this.suffix && name !== this.#leader);
    // The mark goes last: until then whoever finds it knows what the others are.
    for (const name of [...own, this.#leader]) {
      await ifThere(client.text({ method: 'DELETE', path: ['source', this.project, name], signal }));
    }
  }

  async #meta(name: string, signal: AbortSignal): Promise<XmlElement | undefined> {
    const text = await ifThere(this.#parts.client.text({ path: ['source', this.project, name, '_meta'], signal }));
    return text === undefined ? undefined : parseMeta(text, 'package');
  }
}

const strange = (name: string): BackendError =>
  new BackendError('refused', `${name} is there already, and RCB did not make it: it is left alone`);

async function ensurePackage(
  client: ObsClient,
  project: string,
  name: string,
  meta: string,
  signal: AbortSignal,
): Promise<void> {
  const path = ['source', project, name, '_meta'];
  if ((await ifThere(client.text({ path, signal }))) !== undefined) return;
  await client.text({ method: 'PUT', path, body: xmlBody(meta), signal });
}
