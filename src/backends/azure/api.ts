import type { Readable } from 'node:stream';
import type { z } from 'zod';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { BackendError } from '../backend.ts';
import type { AzureClient, Call } from './client.ts';
import {
  type AzureArtifact,
  type AzureBuild,
  type AzureSubscription,
  artifactShape,
  buildShape,
  definitionShape,
  listOf,
  logShape,
  projectShape,
  subscriptionShape,
  type TimelineRecord,
  timelineShape,
} from './schema.ts';
import { oneLine } from './text.ts';
import { one } from './throttle.ts';

export interface ListQuery {
  buildIds?: number[];
  definitions?: number[];
  statusFilter?: string;
  reasonFilter?: string;
  queryOrder?: 'queueTimeDescending' | 'finishTimeDescending';
  minTime?: Date;
  repositoryId?: string;
  repositoryType?: string;
}

const PAGE = 200;
const MOST_PAGES = 20;
/** Azure compares times with its own clock, and the wire has had times in whole seconds. */
const OVERLAP_MS = 2_000;

/** Azure's verbs that we use, one request each (but for lists), parsed. Undefined: Azure says 404. */
export class AzureApi {
  readonly #client: AzureClient;
  readonly #project: string;
  readonly #version: string;

  /** `version` of the REST interface: 7.1. */
  constructor(client: AzureClient, project: string, version: string) {
    this.#client = client;
    this.#project = `/${encodeURIComponent(project)}`;
    this.#version = version;
  }

  async queue(body: unknown, signal: AbortSignal): Promise<AzureBuild | undefined> {
    const call = this.#call('start the build', '/build/builds', signal);
    return await this.#read({ ...call, method: 'POST', body }, buildShape);
  }

  async build(id: string, signal: AbortSignal): Promise<AzureBuild | undefined> {
    return await this.#read(this.#call(`read build ${id}`, `/build/builds/${id}`, signal), buildShape);
  }

  /** Page by page: Azure hides running builds behind finished ones unless it is told an order (facts, 5). */
  async *builds(query: ListQuery, signal: AbortSignal): AsyncGenerator<AzureBuild> {
    const told = new Set<number>();
    let continuationToken: string | undefined;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const call = this.#call('list builds', '/build/builds', signal, {
        ...query,
        buildIds: query.buildIds?.join(','),
        definitions: query.definitions?.join(','),
        minTime: query.minTime && new Date(query.minTime.getTime() - OVERLAP_MS).toISOString(),
        $top: PAGE,
        continuationToken,
      });
      const { status, value, headers } = await this.#client.json(call);
      if (status === 404) throw new BackendError('misconfigured', words.notThere('list builds'));
      const fresh = parsed(call, listOf(buildShape), value).value.filter(({ id }) => !told.has(id));
      for (const build of fresh) told.add(build.id);
      yield* fresh;
      continuationToken = one(headers['x-ms-continuationtoken']);
      // First pages have been seen to come again and again.
      if (!continuationToken || fresh.length === 0) return;
    }
  }

  /** Before a build starts there is none, and Azure says 204 or 404. */
  async timeline(id: string, timelineId: string | undefined, signal: AbortSignal): Promise<TimelineRecord[]> {
    const path = `/build/builds/${id}/timeline${timelineId ? `/${encodeURIComponent(timelineId)}` : ''}`;
    const read = await this.#read(this.#call(`read the timeline of build ${id}`, path, signal), timelineShape);
    return read?.records ?? [];
  }

  /** Lines by log. */
  async lineCounts(id: string, signal: AbortSignal): Promise<Map<number, number>> {
    const call = this.#call(`list the logs of build ${id}`, `/build/builds/${id}/logs`, signal);
    const read = await this.#read(call, listOf(logShape));
    return new Map((read?.value ?? []).map(({ id, lineCount }) => [id, lineCount ?? 0]));
  }

  /** From line `startLine` on, the first being 1. */
  async log(id: string, logId: number, startLine: number, signal: AbortSignal): Promise<Readable> {
    const query = { startLine: startLine > 1 ? startLine : undefined };
    const call = this.#call(`read log ${logId} of build ${id}`, `/build/builds/${id}/logs/${logId}`, signal, query);
    return (await this.#client.stream({ ...call, accept: 'text/plain' }, ['text/plain'])).body;
  }

  async artifacts(id: string, signal: AbortSignal): Promise<AzureArtifact[]> {
    const call = this.#call(`list the artifacts of build ${id}`, `/build/builds/${id}/artifacts`, signal);
    return (await this.#read(call, listOf(artifactShape)))?.value ?? [];
  }

  async artifactZip(id: string, { name, resource }: AzureArtifact, signal: AbortSignal): Promise<Readable> {
    const call = this.#call(
      `read the artifact "${oneLine(name)}" of build ${id}`,
      `/build/builds/${id}/artifacts`,
      signal,
      {
        artifactName: name,
      },
    );
    const at = resource?.downloadUrl ? { ...call, url: resource.downloadUrl, query: {} } : call;
    const types = ['application/zip', 'application/octet-stream', 'application/x-zip-compressed'];
    return (await this.#client.stream({ ...at, accept: 'application/zip' }, types)).body;
  }

  async cancel(id: string, signal: AbortSignal): Promise<void> {
    const call = this.#call(`cancel build ${id}`, `/build/builds/${id}`, signal);
    await this.#client.json({ ...call, method: 'PATCH', body: { status: 'cancelling' } });
  }

  /** Failed and cancelled jobs run again, in the same build. */
  async retry(id: string, signal: AbortSignal): Promise<AzureBuild | undefined> {
    const call = this.#call(`retry build ${id}`, `/build/builds/${id}`, signal, { retry: 'true' });
    return await this.#read({ ...call, method: 'PATCH', body: {} }, buildShape);
  }

  /** Which of it is not there, when Azure says 404? An error for people, or undefined when all of it is. */
  async whatIsMissing(pipeline: number, project: string, signal: AbortSignal): Promise<BackendError | undefined> {
    // Cannot be a 404: it throws what there is to say about credentials.
    await this.#client.json({ url: '/_apis/connectionData', what: 'ask who we are', signal });
    const what = 'read the project';
    const at = await this.#client.json({ url: `/_apis/projects${this.#project}`, query: this.#query, what, signal });
    if (at.status === 404) return new BackendError('misconfigured', words.noProject(project));
    const definition = await this.definition(pipeline, signal);
    return definition ? undefined : new BackendError('misconfigured', words.noPipeline(pipeline, project));
  }

  async definition(id: number, signal: AbortSignal): Promise<z.infer<typeof definitionShape> | undefined> {
    return await this.#read(this.#call('read the pipeline', `/build/definitions/${id}`, signal), definitionShape);
  }

  async projectId(project: string, signal: AbortSignal): Promise<string> {
    const call = { url: `/_apis/projects${this.#project}`, query: this.#query, what: 'read the project', signal };
    const read = await this.#read(call, projectShape);
    if (!read) throw new BackendError('misconfigured', words.noProject(project));
    return read.id;
  }

  async subscriptions(signal: AbortSignal): Promise<AzureSubscription[]> {
    const call = { url: '/_apis/hooks/subscriptions', query: this.#query, what: 'list the service hooks', signal };
    return (await this.#read(call, listOf(subscriptionShape)))?.value ?? [];
  }

  async subscribe(body: unknown, signal: AbortSignal): Promise<void> {
    const call = { url: '/_apis/hooks/subscriptions', query: this.#query, what: 'create a service hook', signal };
    const { status } = await this.#client.json({ ...call, method: 'POST', body });
    if (status === 404) throw new BackendError('refused', words.notThere('create a service hook'));
  }

  get #query() {
    return { 'api-version': this.#version };
  }

  #call(what: string, path: string, signal: AbortSignal, query: Call['query'] = {}): Call {
    return { url: `${this.#project}/_apis${path}`, query: { ...query, ...this.#query }, what, signal };
  }

  async #read<T>(call: Call, shape: z.ZodType<T>): Promise<T | undefined> {
    const { status, value } = await this.#client.json(call);
    return status === 404 || value === undefined ? undefined : parsed(call, shape, value);
  }
}

function parsed<T>(call: Call, shape: z.ZodType<T>, value: unknown): T {
  const read = shape.safeParse(value);
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0]!;
  throw new BackendError('unparsable', words.unreadable(call.what, oneLine(`${path.join('.')}: ${message}`)));
}
