/**
 * What a submodule's URL may be. It comes from whoever wrote `.gitmodules`, a stranger's pull request for instance, and
 * would be fetched by a machine inside of somebody's network: so http(s) to public addresses only, and what the operator
 * allows by name.
 */
import { BlockList, isIP } from 'node:net';
import { SourceError } from './sources.ts';

/** All addresses of a name. */
export type ResolveHost = (name: string) => Promise<string[]>;

export interface CheckedUrl {
  url: string;
  /** What its name resolved to when it was checked. Absent: nobody has to know. */
  addresses?: string[];
}

export interface UrlRules {
  /** Beginnings of URLs that are fetched whatever they are. */
  allow: string[];
  /** Absent: a proxy does the resolving, and the guarding. */
  resolveHost?: ResolveHost;
}

/** `url` as it is in `.gitmodules` of the repository at `parent`. Throws `denied` with what to do about it. */
export async function checkSubmoduleUrl(
  what: string,
  parent: string,
  url: string,
  rules: UrlRules,
): Promise<CheckedUrl> {
  const refuse = (why: string): never => {
    const shown = JSON.stringify(url.slice(0, 200));
    const words = `${what} is not fetched from ${shown}: ${why}. Correct .gitmodules, omit the submodule, or list the`;
    throw new SourceError('denied', `${words} beginning of its URL under what is allowed.`);
  };
  if (url.length > 2000 || /[\0-\x20\x7f\\]/.test(url) || url.startsWith('-')) refuse('that is no URL');
  const whole = /^\.{1,2}\//.test(url) ? resolveRelative(parent, url) : url;
  if (whole === undefined) return refuse(`it leads out of where ${parent} is`);
  const parsed = URL.parse(whole);
  if (isAllowed(whole, rules.allow)) return { url: parsed && !whole.startsWith('/') ? parsed.href : whole };
  if (parsed?.protocol !== 'https:' && parsed?.protocol !== 'http:') return refuse('only https and http are used');
  if (parsed.username || parsed.password) refuse('it carries a name or a password');
  if (parsed.port !== '') refuse('it names a port');
  if (parsed.search || parsed.hash) refuse('it has a query');
  const addresses = await publicAddresses(parsed.hostname, rules.resolveHost, refuse);
  return { url: parsed.href, addresses };
}

/** As git does: each `../` takes off the last component of the parent's URL. Undefined when nothing is left of it. */
function resolveRelative(parent: string, relative: string): string | undefined {
  const root = /^[a-z]+:\/\/[^/]*/.exec(parent)?.[0] ?? '';
  const components = parent.slice(root.length).split('/').filter(Boolean);
  for (const step of relative.split('/')) {
    if (step === '..' && components.pop() === undefined) return undefined;
    if (step !== '..' && step !== '.' && step !== '') components.push(step);
  }
  return components.length === 0 ? undefined : `${root}/${components.join('/')}`;
}

/** At the end of a component: `https://h/a` does not allow `https://h/ab`. */
function isAllowed(whole: string, allow: string[]): boolean {
  const normal = whole.startsWith('/') ? whole : URL.parse(whole)?.href;
  if (normal === undefined || normal.split('/').includes('..') || /%2e/i.test(normal)) return false;
  return allow.some((beginning) => normal === beginning || normal.startsWith(beginning.replace(/\/*$/, '/')));
}

async function publicAddresses(
  hostname: string,
  resolveHost: ResolveHost | undefined,
  refuse: (why: string) => never,
): Promise<string[] | undefined> {
  const literal = hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal)) return isPublic(literal) ? [literal] : refuse('its address is not a public one');
  if (!/\.[a-z][a-z0-9-]*$/.test(hostname) || /\.(localhost|local|internal|lan|home|arpa)$/.test(hostname)) {
    refuse('its host is not a public one');
  }
  if (!resolveHost) return undefined;
  const addresses = await resolveHost(hostname);
  if (addresses.length === 0) refuse('its host has no address');
  // One private address among public ones would do for a second try.
  if (!addresses.every(isPublic)) refuse('the address of its host is not a public one');
  return addresses;
}

/** https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast and reserved space. */
const SPECIAL_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
];
/** Within 2000::/3, the only space that is public at all: what carries IPv4 addresses, and documentation. */
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const special = new BlockList();
for (const range of SPECIAL_V4) special.addSubnet(range.split('/')[0]!, Number(range.split('/')[1]), 'ipv4');
for (const range of SPECIAL_V6) special.addSubnet(range.split('/')[0]!, Number(range.split('/')[1]), 'ipv6');
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

export function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, 'ipv4');
  return isIP(address) === 6 && global.check(address, 'ipv6') && !special.check(address, 'ipv6');
}
