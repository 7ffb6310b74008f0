import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildLimits, Sandbox } from './job.ts';

/**
 * The command lines that confine a command: bubblewrap, setpriv and prlimit (both util-linux), env, one starting the next.
 * What is in front of them: joining the build's control groups. Used by the supervisor too: nothing but node's own
 * modules here.
 */

/** What is to be confined. */
export interface Confined {
  argv: string[];
  /** As the command sees it. */
  directory: string;
  /** With source, home and tmp in it, as we see it. */
  scratch: string;
  sandbox: Sandbox;
  limits: BuildLimits;
  /** Of `sandbox.users`. */
  uid?: number;
  /** A directory for files that are mounted: passwd and group, see accountFiles. */
  accounts: string;
  /** The build's control groups. */
  cgroups: string[];
  /** What those limit. */
  grouped: { memory: boolean; processes: boolean };
}

/** Where bubblewrap shows a build's scratch: the same for all builds, so that what they cache by path is found again. */
export const shownAt = { sources: '/rcb/source', home: '/rcb/home', tmp: '/tmp' };

/** Bubblewrap tells on that descriptor what it does, one JSON document a line (bwrap(1), --json-status-fd). */
export const statusFd = 3;

/** The whole command line; its working directory may be anything. */
export function confinedArgv(confined: Confined): string[] {
  return [...joinGroups(confined.cgroups), ...sandboxArgv(confined)];
}

/** /etc/passwd and /etc/group as a build sees them: tools want a name for who they are, and need nobody else's. */
export function accountFiles(uid: number): { passwd: string; group: string } {
  const gid = uid;
  return {
    passwd: [
      'root:x:0:0:root:/root:/bin/sh',
      `build:x:${uid}:${gid}:build:${shownAt.home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/bin/false',
      '',
    ].join('\n'),
    group: ['root:x:0:', `build:x:${gid}:`, 'nogroup:x:65534:', ''].join('\n'),
  };
}

function sandboxArgv(confined: Confined): string[] {
  const there = ['env', '-C', confined.directory, ...confined.argv];
  switch (confined.sandbox.isolation) {
    case 'plain':
      return there;
    case 'user':
      return [...ownNetwork(confined.sandbox), ...prlimit(confined), ...becomeUser(confined.uid), ...there];
    case 'bubblewrap':
      return [...bubblewrap(confined), ...prlimit(confined), ...becomeUser(confined.uid), ...seal(confined), ...there];
  }
}

/** A shell puts itself into the groups before it becomes the command: so nothing of the build was ever outside. */
function joinGroups(cgroups: string[]): string[] {
  if (cgroups.length === 0) return [];
  const script =
    'for file; do shift; [ "$file" = -- ] && break; echo $$ >"$file/cgroup.procs" || exit 125; done; exec "$@"';
  return ['/bin/sh', '-c', script, 'join', ...cgroups, '--'];
}

/** Not under bubblewrap. Loopback is down in a new namespace, and tests like it; where there is no `ip`, it stays so. */
function ownNetwork(sandbox: Sandbox): string[] {
  if (sandbox.network === 'on' || !sandbox.hasNamespaces) return [];
  return ['unshare', '--net', '--ipc', '--', '/bin/sh', '-c', 'ip link set lo up 2>&-; exec "$@"', 'up'];
}

/** Process limits do not bind root, and are counted by user: only of use with a user, or a user namespace, of its own. */
function prlimit({ sandbox, limits, uid, grouped }: Confined): string[] {
  const hasOwnCount = uid !== undefined || sandbox.isolation === 'bubblewrap';
  return [
    'prlimit',
    '--core=0',
    `--fsize=${limits.diskBytes}`,
    `--nofile=${Math.min(openFiles, hardOpenFiles())}`,
    ...(hasOwnCount && !grouped.processes ? [`--nproc=${limits.processes}`] : []),
    // The supervisor adds up and says what it found; this is for who is faster than it looks.
    ...(grouped.memory ? [] : [`--data=${Math.round(limits.memoryBytes * 1.25) + 2 ** 28}`]),
  ];
}

function becomeUser(uid: number | undefined): string[] {
  if (uid === undefined) return [];
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--inh-caps=-all', '--no-new-privs', '--'];
}

/** In a user namespace in which no further ones can be made: much of the kernel is open only to who makes one. */
function seal({ sandbox, uid }: Confined): string[] {
  if (uid === undefined || !sandbox.isSealed) return [];
  return ['bwrap', '--unshare-user', '--disable-userns', '--dev-bind', '/', '/', '--'];
}

function bubblewrap(confined: Confined): string[] {
  const { sandbox, scratch, limits, uid } = confined;
  return [
    'bwrap',
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--hostname', 'rcb'],
    ...(sandbox.network === 'on' ? [] : ['--unshare-net']),
    ...['--die-with-parent', '--new-session', '--json-status-fd', String(statusFd)],
    ...privileges(sandbox, uid),
    ...systemMounts(confined),
    ...['--proc', '/proc', '--dev', '/dev', '--perms', '1777'],
    // Memory, too: what is mounted there and not bound to the scratch.
    ...['--size', String(Math.min(limits.memoryBytes / 4, 2 ** 30)), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...['--bind', join(scratch, 'source'), shownAt.sources, '--bind', join(scratch, 'home'), shownAt.home],
    ...['--bind', join(scratch, 'tmp'), shownAt.tmp, '--dir', '/var', '--symlink', shownAt.tmp, '/var/tmp'],
    ...['--dir', '/run', '--remount-ro', '/', '--chdir', '/', '--'],
  ].map(String);
}

/** Root makes the namespaces without a user namespace, and lets setpriv take its last privileges. */
function privileges(sandbox: Sandbox, uid: number | undefined): string[] {
  if (uid === undefined) return sandbox.isSealed ? ['--unshare-user', '--disable-userns'] : ['--unshare-user'];
  return ['--cap-drop', 'ALL', '--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID'];
}

function systemMounts({ sandbox, accounts }: Confined): string[] {
  const hidden = sandbox.hidden.filter((path) => systemTrees.some((tree) => path.startsWith(`${tree}/`)));
  return [
    ...systemTrees.filter(existsSync).flatMap((path) => ['--ro-bind', path, path]),
    ...hidden.filter(existsSync).flatMap((path) => ['--tmpfs', path, '--remount-ro', path]),
    ...linksToUsr.flatMap(likeOurs),
    // bubblewrap makes parents for itself alone (0700), and the build is somebody else.
    ...['/etc', '/etc/ssl', dirname(shownAt.sources)].flatMap((path) => ['--perms', '0755', '--dir', path]),
    ...etc.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...['passwd', 'group'].flatMap((name) => ['--ro-bind', join(accounts, name), `/etc/${name}`]),
    ...(sandbox.network === 'on' ? ['--ro-bind-try', '/etc/resolv.conf', '/etc/resolv.conf'] : []),
  ];
}

/** Mostly links into /usr; directories where the system was never merged. */
function likeOurs(path: string): string[] {
  if (!existsSync(path)) return [];
  return lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
}

const systemTrees = ['/usr', '/opt', '/nix/store', '/gnu/store'];
const linksToUsr = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
/** What programs need to run, and nothing about this machine's people and services. */
const etc = [
  ...['alternatives', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'localtime', 'timezone', 'locale.alias'],
  ...[
    'nsswitch.conf',
    'hosts',
    'host.conf',
    'gai.conf',
    'protocols',
    'services',
    'mime.types',
    'magic',
    'debian_version',
  ],
  ...['os-release', 'ssl/certs', 'ssl/openssl.cnf', 'ca-certificates', 'pki', 'crypto-policies', 'fonts', 'perl'],
];

const openFiles = 8192;

/** Nobody but root may raise it. */
function hardOpenFiles(): number {
  const line = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return Number(line?.[1] ?? openFiles);
}
