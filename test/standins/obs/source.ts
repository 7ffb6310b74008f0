import { type Answer, type Asked, bytesAnswer, notFound, ok, refusal, unknownParameter, xmlAnswer } from './http.ts';
import type { Scheduler } from './scheduler.ts';
import { escapeXml, md5, nameIn, type Package, type Project, srcmd5Of } from './state.ts';

export interface SourceParts {
  projects: Map<string, Project>;
  scheduler: Scheduler;
  /** As newer servers do: commits are validated by sha256, and say so when it is not there. */
  wantsSha256: boolean;
  gone(project: Project): void;
}

/** `/source/…`: what people put in. */
export function source(asked: Asked, parts: SourceParts): Answer {
  const [, name, inner, file] = asked.path;
  if (name === undefined) return listing([...parts.projects.keys()]);
  if (inner === '_meta') return projectMeta(asked, name, parts);
  const project = parts.projects.get(name);
  if (!project) return notFound(`Project not found: ${name}`, 'unknown_project');
  if (inner === undefined) return wholeProject(asked, project, parts);
  if (inner === '_config') return projectConfig(asked, project);
  if (file === '_meta') return packageMeta(asked, project, inner, parts);
  const each = project.packages.get(inner);
  if (!each) return notFound(`Package not found: ${name}/${inner}`, 'unknown_package');
  return file === undefined ? wholePackage(asked, project, each, parts) : packageFile(asked, each, file);
}

const listing = (names: string[]): Answer =>
  xmlAnswer(
    names.length === 0 ? '<directory/>' : `<directory>${names.map((n) => `<entry name="${n}"/>`).join('')}</directory>`,
  );

function wholeProject({ method }: Asked, project: Project, { projects, gone }: SourceParts): Answer {
  if (method === 'GET') return listing([...project.packages.keys()]);
  projects.delete(project.name);
  gone(project);
  return ok();
}

function projectMeta({ method, body }: Asked, name: string, { projects, scheduler }: SourceParts): Answer {
  const known = projects.get(name);
  if (method === 'GET')
    return known ? xmlAnswer(known.meta) : notFound(`Project not found: ${name}`, 'unknown_project');
  const meta = body.toString('utf8');
  if (!/^<project[\s>]/.test(meta) || !meta.includes('<title>') || !/<description[>/]/.test(meta)) {
    return refusal(400, 'validation_failed', 'project validation error: title and description are required');
  }
  if (nameIn(meta) !== name) return refusal(400, '400', 'name does not match data');
  const project = known ?? { name, meta, config: '', packages: new Map(), jobs: new Map() };
  project.meta = meta;
  projects.set(name, project);
  scheduler.look(project);
  return ok();
}

function projectConfig({ method, body }: Asked, project: Project): Answer {
  if (method === 'GET') return bytesAnswer(Buffer.from(project.config), 'text/plain');
  project.config = body.toString('utf8');
  return ok();
}

function packageMeta({ method, body }: Asked, project: Project, name: string, { scheduler }: SourceParts): Answer {
  const known = project.packages.get(name);
  if (method === 'GET') {
    return known ? xmlAnswer(known.meta) : notFound(`Package not found: ${name}`, 'unknown_package');
  }
  const meta = body.toString('utf8');
  if (nameIn(meta) !== name) return refusal(400, '400', 'name does not match data');
  const each = known ?? { name, meta, store: new Map(), files: new Map(), rev: 0 };
  each.meta = meta;
  project.packages.set(name, each);
  scheduler.look(project, false);
  return ok();
}

function wholePackage(asked: Asked, project: Project, each: Package, parts: SourceParts): Answer {
  if (asked.method === 'GET') return xmlAnswer(directory(each));
  if (asked.method === 'DELETE') {
    project.packages.delete(each.name);
    for (const [key, job] of project.jobs) if (job.package === each.name) project.jobs.delete(key);
    parts.scheduler.look(project, false);
    return ok();
  }
  const known = ['cmd', 'comment', 'user', 'rev', ...(parts.wantsSha256 ? ['withvalidate'] : [])];
  const strange = unknownParameter(asked, known);
  if (strange) return strange;
  // A form's body is read as parameters, whatever it holds.
  if (/urlencoded/.test(asked.type))
    return refusal(400, '400', `unknown parameter '${asked.body.toString().slice(0, 20)}'`);
  if (asked.query.get('cmd') !== 'commitfilelist') return refusal(400, 'illegal_request', 'unsupported command');
  return commitList(asked, project, each, parts);
}

function commitList({ body, query }: Asked, project: Project, each: Package, parts: SourceParts): Answer {
  const entries = [...body.toString('utf8').matchAll(/<entry ([^>]*)\/>/g)].map(([, attributes]) => ({
    name: /name="([^"]*)"/.exec(attributes!)![1]!,
    md5: /md5="([^"]*)"/.exec(attributes!)![1]!,
    hash: /hash="([^"]*)"/.exec(attributes!)?.[1],
  }));
  if (parts.wantsSha256 && (query.get('withvalidate') !== '1' || entries.some(({ hash }) => !hash))) {
    return xmlAnswer(`<directory name="${each.name}" error="file hash sha256 is required"/>`);
  }
  const bytesOf = (digest: string) => each.store.get(digest);
  const missing = entries.filter((entry) => !bytesOf(entry.md5));
  if (missing.length > 0) {
    const rows = missing.map((entry) => `<entry name="${escapeXml(entry.name)}" md5="${entry.md5}"/>`);
    // 200, and nothing is committed.
    return xmlAnswer(`<directory name="${each.name}" error="missing">${rows.join('')}</directory>`);
  }
  each.files = new Map(entries.map((entry) => [entry.name, { md5: entry.md5, bytes: bytesOf(entry.md5)! }]));
  each.rev += 1;
  each.srcmd5 = srcmd5Of(each.files);
  parts.scheduler.look(project, false);
  return xmlAnswer(directory(each));
}

function directory({ name, rev, srcmd5, files }: Package): string {
  const head = `<directory name="${name}"${srcmd5 ? ` rev="${rev}" vrev="${rev}" srcmd5="${srcmd5}"` : ''}`;
  const rows = [...files].map(
    ([file, { md5: digest, bytes }]) =>
      `<entry name="${escapeXml(file)}" md5="${digest}" size="${bytes.length}" mtime="1"/>`,
  );
  return rows.length === 0 ? `${head}/>` : `${head}>${rows.join('')}</directory>`;
}

function packageFile(asked: Asked, each: Package, file: string): Answer {
  if (asked.method !== 'PUT') {
    const found = each.files.get(file);
    return found ? bytesAnswer(found.bytes) : notFound(`${file}: no such file`, '404');
  }
  const strange = unknownParameter(asked, ['rev', 'user']);
  if (strange) return strange;
  if (asked.query.get('rev') !== 'repository') return refusal(400, '400', 'the stand-in takes rev=repository only');
  each.store.set(md5(asked.body), asked.body);
  return xmlAnswer('<revision rev="repository"><srcmd5>d41d8cd98f00b204e9800998ecf8427e</srcmd5></revision>');
}
