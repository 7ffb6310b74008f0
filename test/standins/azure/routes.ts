import type { Subscription } from './hooks.ts';
import type { StandInAzure } from './index.ts';
import { type ArtifactState, type BuildState, isCancelling, ordered, orderIn, reasonsIn, statusesIn } from './state.ts';
import { zipOf } from './zip.ts';

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** A buffer is sent as it is, anything else as JSON; '' is no body. */
  body: unknown;
}

export interface Asked {
  method: string;
  /** Below the organisation. */
  url: URL;
  body: string;
  accept: string;
  host: 'home' | 'artifacts';
}

/** Azure's errors [facts K]. */
export function problem(typeKey: string, message: string, more: object = {}): object {
  const typeName = `Microsoft.TeamFoundation.${typeKey}, Microsoft.TeamFoundation`;
  return { $id: '1', innerException: null, message, typeName, typeKey, errorCode: 0, eventId: 3000, ...more };
}

const found = (body: unknown, headers?: Record<string, string>): Answer => ({ status: 200, body, headers });
const list = (value: unknown[]) => ({ count: value.length, value });
const missing = (typeKey: string, message: string): Answer => ({ status: 404, body: problem(typeKey, message) });
const none: Answer = { status: 204, body: '' };

/** Names of places, as discovery tells them to Microsoft's client (facts, 1). */
const LOCATIONS = [
  ['0cd358e1-9217-4d94-8269-1c1ee6f93dcf', 'Builds', '{project}/_apis/build/Builds/{buildId}', 7],
  [
    '8baac422-4c6e-4de5-8532-db96d92acffa',
    'Timeline',
    '{project}/_apis/build/builds/{buildId}/Timeline/{timelineId}',
    3,
  ],
  ['35a80daf-7f30-45fc-86e8-6b813d9c90df', 'logs', '{project}/_apis/build/builds/{buildId}/logs/{logId}', 2],
  [
    '1db06c96-014e-44e1-ac91-90b2d4b3e984',
    'artifacts',
    '{project}/_apis/build/builds/{buildId}/artifacts/{artifactName}',
    5,
  ],
  ['b8aac6c9-744b-46e1-88fc-3550969f9313', 'stages', '{project}/_apis/build/builds/{buildId}/stages/{stageRefName}', 1],
] as const;

export function answerOf(azure: StandInAzure, asked: Asked): Answer {
  const path = decodeURIComponent(asked.url.pathname).replace(/\/$/, '');
  if (asked.host === 'artifacts') return artifactContent(azure, asked, path);
  if (asked.method === 'OPTIONS') return discovery(path);
  if (/^\/_apis\/ResourceAreas/i.test(path)) return found(list([]));
  if (/^\/_apis\/connectionData$/i.test(path)) return found({ authenticatedUser: { providerDisplayName: 'RCB' } });
  if (/^\/_apis\/hooks\/subscriptions$/i.test(path)) return subscriptions(azure, asked);
  const project = /^\/_apis\/projects\/([^/]+)$/i.exec(path)?.[1];
  if (project) return isOurs(azure, project) ? found({ id: PROJECT_ID, name: azure.project.name }) : noProject(project);
  const inside = /^\/([^/]+)\/_apis\/build(\/.*)$/i.exec(path);
  if (!inside) return missing('NotFoundException', `There is nothing at ${path}`);
  if (!isOurs(azure, inside[1]!)) return noProject(inside[1]!);
  return inBuilds(azure, asked, inside[2]!);
}

/** Passwords are never shown again. */
function subscriptions(azure: StandInAzure, { method, body }: Asked): Answer {
  if (method === 'POST') {
    const given = JSON.parse(body) as Pick<Subscription, 'eventType' | 'resourceVersion'> & {
      consumerInputs: { url: string; basicAuthPassword: string };
    };
    const { url, basicAuthPassword: password } = given.consumerInputs;
    azure.hooks.subscribe({ url, password, eventType: given.eventType, resourceVersion: given.resourceVersion });
  }
  const shown = azure.hooks.subscriptions.map(({ eventType, status, url }, at) => ({
    id: `subscription-${at}`,
    eventType,
    status,
    publisherInputs: { projectId: PROJECT_ID },
    consumerInputs: { url, basicAuthUsername: 'azure', basicAuthPassword: '********' },
  }));
  return found(method === 'POST' ? shown.at(-1) : list(shown));
}

const PROJECT_ID = 'be9b3917-87e6-42a4-a549-2bc06a7a878f';

const isOurs = (azure: StandInAzure, project: string): boolean => project.toLowerCase() === azure.project.name;
const noProject = (name: string) =>
  missing('ProjectDoesNotExistWithNameException', `TF200016: The following project does not exist: ${name}.`);

function discovery(path: string): Answer {
  const shown = (id: string, area: string, resourceName: string, routeTemplate: string, resourceVersion: number) => {
    return {
      id,
      area,
      resourceName,
      routeTemplate,
      resourceVersion,
      minVersion: '2.0',
      maxVersion: '7.2',
      releasedVersion: '7.1',
    };
  };
  if (/\/Location$/i.test(path)) {
    const areas = shown(
      'e81700f7-3be2-46de-8624-2eb35882fcaa',
      'Location',
      'ResourceAreas',
      '_apis/{resource}/{areaId}',
      1,
    );
    return found(list([areas]));
  }
  return found(list(LOCATIONS.map(([id, name, route, version]) => shown(id, 'build', name, route, version))));
}

function inBuilds(azure: StandInAzure, asked: Asked, path: string): Answer {
  const definition = /^\/definitions\/(\d+)$/i.exec(path)?.[1];
  if (definition) {
    const known = azure.project.definitions.find(({ id }) => id === Number(definition));
    return known ? found({ id: known.id, name: known.name, queueStatus: known.queueStatus }) : noDefinition(definition);
  }
  const [, id, rest = ''] = /^\/builds(?:\/(\d+))?(\/.*)?$/i.exec(path) ?? [];
  if (!/^\/builds/i.test(path)) return missing('NotFoundException', `There is nothing at ${path}`);
  if (id === undefined)
    return asked.method === 'POST' ? queue(azure, asked) : listBuilds(azure, asked.url.searchParams);
  const build = azure.builds.find((each) => each.id === Number(id) && !each.isDeleted);
  if (!build) return missing('BuildNotFoundException', `The requested build ${id} could not be found.`);
  if (rest === '') return asked.method === 'PATCH' ? change(azure, build, asked) : found(azure.show(build));
  return ofBuild(azure, build, rest, asked);
}

const noDefinition = (id: unknown) =>
  missing('DefinitionNotFoundException', `The requested definition ${id} could not be found.`);

function queue(azure: StandInAzure, { body }: Asked): Answer {
  const order = JSON.parse(body) as {
    definition?: { id: number };
    sourceBranch?: string;
    templateParameters?: Record<string, string>;
  };
  const definition = azure.project.definitions.find(({ id }) => id === order.definition?.id);
  if (!definition) return noDefinition(order.definition?.id);
  const given = order.templateParameters ?? {};
  const strange = Object.keys(given).find((name) => definition.parameters && !definition.parameters.has(name));
  const why = strange ? `Unexpected parameter '${strange}'` : azure.refuse?.(given);
  if (why) {
    const validation = { ValidationResults: [{ result: 'error', message: why }] };
    const said = `Could not queue the build because there were validation errors or warnings. ${why}`;
    return { status: 400, body: problem('BuildRequestValidationFailedException', said, validation) };
  }
  const { build } = azure.queue({
    definition: definition.id,
    sourceBranch: order.sourceBranch ?? 'refs/heads/main',
    templateParameters: given,
  });
  return found(azure.show(build));
}

function listBuilds(azure: StandInAzure, query: URLSearchParams): Answer {
  const among = (name: string) => query.get(name)?.split(',').map(Number);
  const [ids, definitions] = [among('buildIds'), among('definitions')];
  const [statuses, reasons] = [statusesIn(query.get('statusFilter')), reasonsIn(query.get('reasonFilter'))];
  const order = orderIn(query.get('queryOrder'));
  const since = query.get('minTime') ? Date.parse(query.get('minTime')!) : 0;
  const timeOf = (build: BuildState) =>
    ((order?.startsWith('finish') ? build.finishTime : build.queueTime) ?? 0).valueOf();
  const fitting = azure.builds.filter(
    (build) =>
      !build.isDeleted &&
      (ids?.includes(build.id) ?? true) &&
      (definitions?.includes(build.definition) ?? true) &&
      (statuses?.has(build.status.toLowerCase()) ?? true) &&
      (reasons?.has(build.reason.toLowerCase()) ?? true) &&
      timeOf(build) >= since,
  );
  const from = Number(query.get('continuationToken') ?? 0);
  const size = Math.min(Number(query.get('$top') ?? 1000), azure.mostPerPage);
  const page = ordered(fitting, order).slice(from, from + size);
  const isMore = from + size < fitting.length;
  const headers = isMore ? { 'x-ms-continuationtoken': String(from + size) } : undefined;
  return found(list(page.map((build) => azure.show(build))), headers);
}

function change(azure: StandInAzure, build: BuildState, { url, body }: Asked): Answer {
  const driver = azure.driver(build.id);
  if (url.searchParams.get('retry') === 'true') {
    if (build.status !== 'completed') return conflict(build.id);
    driver.retry();
    return found(azure.show(build));
  }
  if (!isCancelling((JSON.parse(body) as { status?: unknown }).status)) return conflict(build.id);
  if (build.status === 'completed') return conflict(build.id);
  build.status = 'cancelling';
  if (azure.endsCancelling) driver.finishCancelled();
  return found(azure.show(build));
}

const conflict = (id: number): Answer => ({
  status: 409,
  body: problem(
    'BuildStatusInvalidChangeException',
    `TF215106: The status of build ${id} cannot be changed like that.`,
  ),
});

/** One address, and `Accept` decides what it answers. */
function ofBuild(azure: StandInAzure, build: BuildState, rest: string, { url, accept, method, body }: Asked): Answer {
  const log = /^\/logs\/(\d+)$/i.exec(rest)?.[1];
  if (log) return oneLog(build, Number(log), url.searchParams, accept);
  if (/^\/logs$/i.test(rest)) return allLogs(build, accept);
  const [isTimeline, timelineId] = /^\/timeline(?:\/([^/]+))?$/i.exec(rest) ?? [];
  if (isTimeline) {
    const records = timelineId ? build.earlier.get(timelineId) : build.records;
    if (!records) return missing('TimelineNotFoundException', `There is no timeline ${timelineId}`);
    if (build.records.length === 0) return none;
    return found({
      id: timelineId ?? build.timelineId,
      changeId: 1,
      records: azure.numbers ? inNumbers(records) : records,
    });
  }
  if (/^\/artifacts$/i.test(rest)) return artifacts(azure, build, url.searchParams.get('artifactName'), accept);
  const stage = /^\/stages\/([^/]+)$/i.exec(rest)?.[1];
  if (stage && method === 'PATCH') {
    const { state } = JSON.parse(body) as { state: unknown };
    if (state === 1 || state === 'retry') azure.driver(build.id).retry();
    return none;
  }
  return missing('NotFoundException', `There is nothing at ${rest}`);
}

function inNumbers(records: BuildState['records']): unknown[] {
  const states: Record<string, number> = { pending: 0, inProgress: 1, completed: 2 };
  const results: Record<string, number> = {
    succeeded: 0,
    succeededWithIssues: 1,
    failed: 2,
    canceled: 3,
    skipped: 4,
    abandoned: 5,
  };
  return records.map((record) => ({
    ...record,
    state: states[record.state],
    result: record.result === null ? null : results[record.result],
  }));
}

function oneLog(build: BuildState, id: number, query: URLSearchParams, accept: string): Answer {
  const lines = build.logs.get(id);
  if (!lines) return missing('BuildLogNotFoundException', `There is no log ${id}`);
  const start = Math.max(1, Number(query.get('startLine') ?? 1));
  const part = lines.slice(start - 1, query.get('endLine') ? Number(query.get('endLine')) : undefined);
  if (accept.includes('application/json')) return found(list(part));
  const mark = start === 1 && part.length > 0 ? '\uFEFF' : '';
  return found(Buffer.from(mark + part.join('\r\n')), { 'content-type': 'text/plain; charset=utf-8' });
}

function allLogs(build: BuildState, accept: string): Answer {
  if (accept.includes('application/zip')) {
    const files = [...build.logs].map(([id, lines]) => ({ name: `${id}.txt`, contents: lines.join('\n') }));
    return found(zipOf(files), { 'content-type': 'application/zip' });
  }
  return found(list([...build.logs].map(([id, lines]) => ({ id, type: 'Container', lineCount: lines.length }))));
}

function artifacts(azure: StandInAzure, build: BuildState, name: string | null, accept: string): Answer {
  const shown = (artifact: ArtifactState) => showArtifact(azure, build, artifact);
  if (name === null) return found(list(build.artifacts.map(shown)));
  const artifact = build.artifacts.find((each) => each.name === name);
  if (!artifact) return missing('ArtifactNotFoundException', `Artifact ${name} was not found for build ${build.id}.`);
  if (!accept.includes('application/zip')) return found(shown(artifact));
  return found(artifact.zip, { 'content-type': 'application/zip' });
}

function showArtifact(
  azure: StandInAzure,
  build: BuildState,
  { id, name, source, type, zip, downloadUrl }: ArtifactState,
) {
  const home = `${azure.url}/${azure.project.name}/_apis/build/builds/${build.id}/artifacts`;
  const isElsewhere = type === 'PipelineArtifact';
  const truth = isElsewhere
    ? `${azure.artifactsUrl}/A0b1c2d3/raku/_apis/artifact/${build.id}/${id}/content?format=zip`
    : `${home}?artifactName=${encodeURIComponent(name)}&api-version=7.1&%24format=zip`;
  const properties = isElsewhere
    ? { RootId: 'B1', artifactsize: String(zip.length), HashType: '1' }
    : { localpath: '/w' };
  const resource = {
    type,
    data: isElsewhere ? '0'.repeat(66) : `#/${id}/${name}`,
    properties,
    downloadUrl: downloadUrl ?? truth,
  };
  return { id, name, source, resource };
}

function artifactContent(azure: StandInAzure, { url }: Asked, path: string): Answer {
  const [, buildId, id] = /\/_apis\/artifact\/(\d+)\/(\d+)\/content$/.exec(path) ?? [];
  const build = azure.builds.find((each) => each.id === Number(buildId) && !each.isDeleted);
  const artifact = build?.artifacts.find((each) => each.id === Number(id));
  if (!artifact || url.searchParams.get('format') !== 'zip')
    return missing('ArtifactNotFoundException', 'no such artifact');
  return found(artifact.zip, { 'content-type': 'application/zip' });
}
