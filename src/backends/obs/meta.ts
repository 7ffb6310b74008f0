import { describe, type Mark } from './mark.ts';
import { type XmlElement, type XmlText, xml } from './xml.ts';

/** `_meta` of what RCB makes at OBS. The order of the elements is that of OBS's schema. */

export interface RepositoryMeta {
  name: string;
  paths: { project: string; repository: string }[];
  architectures: string[];
}

/** Nothing is published: nobody is to install what is under test, and the work is saved. */
const unpublished = xml('publish', {}, [xml('disable')]);

/** Without repositories: as long as it has none, OBS builds nothing, and no verdict about half of it can exist. */
export function newProject(name: string, user: string, mark: Mark): string {
  const person = xml('person', { userid: user, role: 'maintainer' });
  return xml('project', { name }, [xml('title', {}, ['RCB']), description(mark), person, unpublished]).xml;
}

/** Not built until it is complete. `mark` is in the build's first package only. */
export function newPackage(project: string, name: string, options: { mark?: Mark; enabled: boolean }): string {
  const flag = options.enabled ? [] : [disabledBuild];
  const said = options.mark ? description(options.mark) : xml('description', {}, ['Made and deleted by RCB']);
  return xml('package', { name, project }, [xml('title', {}, ['RCB']), said, ...flag]).xml;
}

export interface MetaChange {
  mark?: Mark;
  enabled?: boolean;
  repositories?: RepositoryMeta[];
}

/** The same `_meta` with other contents; whatever else is in it stays. */
export function changedMeta(meta: XmlElement, { mark, enabled, repositories }: MetaChange): string {
  const kept = meta.children.filter(
    ({ name }) => !(name === 'build' && enabled !== undefined) && !(name === 'repository' && repositories),
  );
  const parts = kept.map((child) => (child.name === 'description' && mark ? description(mark) : textOf(child)));
  const before = kept.findIndex(({ name }) => AFTER_BUILD.has(name));
  if (enabled === false) parts.splice(before < 0 ? parts.length : before, 0, disabledBuild);
  const added = repositories?.map(repositoryXml) ?? [];
  return xml(meta.name, Object.fromEntries(meta.attributes), [...parts, ...added]).xml;
}

const disabledBuild = xml('build', {}, [xml('disable')]);
const AFTER_BUILD = new Set([
  'publish',
  'useforbuild',
  'debuginfo',
  'binarydownload',
  'sourceaccess',
  'access',
  'url',
  'repository',
]);

const description = (mark: Mark): XmlText => xml('description', {}, [describe(mark)]);

const repositoryXml = ({ name, paths, architectures }: RepositoryMeta): XmlText =>
  xml('repository', { name }, [
    ...paths.map(({ project, repository }) => xml('path', { project, repository })),
    ...architectures.map((arch) => xml('arch', {}, [arch])),
  ]);

/** Elements of `_meta` have children or text, never both. */
const textOf = ({ name, attributes, children, text }: XmlElement): XmlText =>
  xml(name, Object.fromEntries(attributes), children.length > 0 ? children.map(textOf) : [text]);
