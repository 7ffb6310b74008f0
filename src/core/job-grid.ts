/**
 * The jobs of a build as a grid: on which platform, and in which configuration. Back-ends have no common words for that,
 * so it is read from the jobs' names; what has no platform in its name stands beside the grid, and where no grid comes of
 * it there is none. Examples of names: `linux x86_64 no-jit`, `Test Win_MVM_reloc`, `rakudo x86_64-openSUSE_Tumbleweed`.
 */
export interface JobGrid<T> {
  platforms: string[];
  /** `''`: nothing but its platform is in the name. */
  configurations: string[];
  /** As `platforms`, each as `configurations`; undefined where there is no such job. */
  cells: (T | undefined)[][];
  /** Jobs that say no platform, in their order. */
  others: T[];
}

/** Sparser than this a list is shorter. */
const LEAST_FILLED = 1 / 3;
const MOST_COLUMNS = 24;

export function jobGrid<T>(jobs: readonly T[], nameOf: (job: T) => string): JobGrid<T> | undefined {
  const placed = jobs.map((job) => ({ job, place: jobPlace(nameOf(job)) }));
  const inGrid = placed.flatMap(({ job, place }) => (place ? [{ job, ...place }] : []));
  const titles = withoutCommonWords(inGrid.map(({ configuration }) => configuration));
  const platforms = [...new Set(inGrid.map(({ platform }) => platform))];
  const configurations = [...new Set(titles)];
  const cells: (T | undefined)[][] = platforms.map(() => configurations.map(() => undefined));
  for (const [index, { job, platform }] of inGrid.entries()) {
    const row = cells[platforms.indexOf(platform)]!;
    const column = configurations.indexOf(titles[index]!);
    // Two jobs in one place: the names say less than we thought.
    if (row[column] !== undefined) return undefined;
    row[column] = job;
  }
  const isGrid = platforms.length > 1 && configurations.length > 1 && configurations.length <= MOST_COLUMNS;
  const filled = inGrid.length / (platforms.length * configurations.length);
  if (!isGrid || filled < LEAST_FILLED) return undefined;
  return { platforms, configurations, cells, others: placed.flatMap(({ job, place }) => (place ? [] : [job])) };
}

export interface JobPlace {
  platform: string;
  configuration: string;
}

/** undefined: its name tells no platform. */
export function jobPlace(name: string): JobPlace | undefined {
  const platform: string[] = [];
  const rest: string[] = [];
  for (const word of name.slice(0, MOST_NAME).split(/[\s/,()|[\]]+/)) {
    for (const part of partsOf(word)) (isPlatform(part) ? platform : rest).push(part);
  }
  return platform.length > 0
    ? { platform: platform.map(platformTitle).join(' '), configuration: rest.join(' ') }
    : undefined;
}

/** Longer names are cut for this only. */
const MOST_NAME = 500;

/** `Win_MVM_reloc` is three words, `x86_64` and `Debian_12` are one each. */
function partsOf(word: string): string[] {
  if (word === '') return [];
  if (isPlatform(word) || !word.includes('_')) return [word];
  const parts = word.split('_').filter((part) => part !== '');
  return parts.some(isPlatform) ? parts : [word];
}

const SYSTEMS: Record<string, string> = {
  linux: 'Linux',
  lin: 'Linux',
  macos: 'macOS',
  mac: 'macOS',
  osx: 'macOS',
  darwin: 'macOS',
  windows: 'Windows',
  win: 'Windows',
  win32: 'Windows',
  win64: 'Windows',
  freebsd: 'FreeBSD',
  openbsd: 'OpenBSD',
  netbsd: 'NetBSD',
  solaris: 'Solaris',
  illumos: 'illumos',
};

const MACHINE = /^(?:x86_64|x86-64|x86|x64|amd64|i[3-6]86|arm64|aarch64|armv[67]l?|ppc64(?:le)?|s390x|riscv64)$/i;
/** A distribution, as runners and repositories of OBS are called: `ubuntu-22.04`, `Debian_12`, `openSUSE_Tumbleweed`. */
const DISTRIBUTION =
  /^(?:ubuntu|debian|fedora|alpine|arch|centos|almalinux|rocky|rhel|opensuse|suse|sle|sles|macos|windows)(?:[-_][\w.:-]+)?$/i;
/** As OBS names a target: `x86_64-openSUSE_Tumbleweed`. */
const TARGET = /^(?:x86_64|i[3-6]86|aarch64|armv[67]l|ppc64(?:le)?|s390x|riscv64)-[\w.:]+/;

const isPlatform = (word: string): boolean =>
  Object.hasOwn(SYSTEMS, word.toLowerCase()) || MACHINE.test(word) || DISTRIBUTION.test(word) || TARGET.test(word);

const platformTitle = (word: string): string =>
  Object.hasOwn(SYSTEMS, word.toLowerCase()) ? SYSTEMS[word.toLowerCase()]! : word;

/** What all begin with tells none from another (`Test`), unless it is all that one of them says. */
function withoutCommonWords(titles: string[]): string[] {
  const words = titles.map((title) => title.split(' '));
  const first = words[0] ?? [];
  let common = 0;
  while (words.every((each) => each.length > common + 1 && each[common] === first[common])) {
    if (first[common] === undefined) break;
    common += 1;
  }
  return words.map((each) => each.slice(common).join(' '));
}
