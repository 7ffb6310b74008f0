import type { ListRemark } from './flapper.ts';
import type { Addition } from './flapper-suggest.ts';
import { ENOUGH_FLAPS, RECENT_DAYS } from './flapper-suggest.ts';
import { flapperMessages } from './messages-flappers.ts';

/** What the pages of flappers say. Plain text; what stands in backquotes is code. */
export const flapperPageMessages = {
  title: 'Flappers',
  meaning:
    'Test files that failed and passed with the same commits in the same job. A flap is such a failure; the rate is of all runs of the file in that job, with the interval in which it lies in 95 of 100 cases.',
  sortedByRate:
    'Sorted by what the rate is at least, so that one bad run of three does not come before ten of a hundred.',
  none: 'No flappers',
  noneYet: 'No test file has failed and passed with the same commits. They are found as runs are tested again.',
  noneLike: 'No test file that was recorded fits this filter.',
  suggestions: 'Suggested for the list',
  suggestionsMeaning: `flapped at least ${ENOUGH_FLAPS} times, lately within ${RECENT_DAYS} days, and not listed`,
  whereToPut:
    'For `.rcb/flappers.yml` of the repository, or `flappers: known:` in rcb.yaml. Look at the failures first: a test that fails now and then may be right.',
  remarks: 'Entries to look at',
  remarksMeaning: 'listed, and the record speaks against it',
  nothingToAdd: 'No other file has flapped so often.',
  nothingToChange: 'The list and the record agree.',
  noSuchFile: (name: string) => `No run has ever told of a test file ${name}.`,
  fileIntro: (jobs: number) => (jobs === 1 ? 'It ran in one job.' : `It ran in ${jobs} jobs.`),
  /** A private repository's jobs are counted apart from those of the same name that everybody may see. */
  jobOf: (job: string, repository: string | undefined) => (repository === undefined ? job : `${job} · ${repository}`),
  neverFailed: 'It has never failed.',
  weeks: (count: number) => `${count} weeks`,
  flapNote: 'flap: it passed with the same commits',
} as const;

/** For people who point at a bar, and for those who do not see it. */
export const weeksText = (weeks: readonly { passed: number; failed: number; flapped: number }[]): string => {
  const sum = (of: 'passed' | 'failed' | 'flapped') => weeks.reduce((total, week) => total + week[of], 0);
  const runs = sum('passed') + sum('failed');
  return `${runs} ${runs === 1 ? 'run' : 'runs'}, ${sum('failed')} failed, ${sum('flapped')} of them flaps`;
};

export function remarkText(remark: ListRemark): string {
  const { name } = remark.entry;
  switch (remark.because) {
    case 'gone':
      return flapperMessages.gone(name);
    case 'over':
      return flapperMessages.over(name, remark.until);
    case 'quiet':
      return remark.lastFlapped
        ? flapperMessages.quiet(name, remark.lastFlapped)
        : flapperMessages.neverSeen(name, remark.days);
  }
}

/** JSON's strings are YAML's, and nothing that a log says can leave them. */
const yamlText = (text: string): string => JSON.stringify(text);

/** Entries to be pasted into a list, each with its reason. */
export const additionsYaml = (additions: readonly Addition[]): string =>
  additions
    .map(({ name, repository, platforms, flaps, runs, firstFailed, lastFlapped }) =>
      [
        `# ${flaps} flaps in ${runs} runs, the last on ${lastFlapped}`,
        `- name: ${yamlText(name)}`,
        ...(repository === undefined ? [] : [`  repository: ${yamlText(repository)}`]),
        ...(platforms ? [`  platforms: [${platforms.map(yamlText).join(', ')}]`] : []),
        `  since: ${firstFailed}`,
      ].join('\n'),
    )
    .join('\n');

/** `0.8 %`, `12 %`, `< 0.1 %`. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return '< 0.1 %';
  return `${value >= 9.95 || value === 0 ? Math.round(value) : value.toFixed(1)} %`;
}
