import { weekOf } from '../core/flapper-tally.ts';
import { weeksText } from '../core/messages-flapper-page.ts';
import { fragment, type Html } from './html.ts';
import type { WeekCounts } from './reader-tests.ts';

/** One bar for each week: how many of its runs failed, and which of these failures were flaps. As markup, so that it obeys
 *  the page's policy and colours; heights are attributes, not styles. */

const STEP = 4;
const HEIGHT = 20;
const WEEK_MS = 7 * 86_400_000;

export function sparkline(weeks: readonly WeekCounts[], now: Date, count: number): Html {
  const byWeek = new Map(weeks.map((each) => [each.week, each]));
  const shown = Array.from({ length: count }, (_, at) => weekOf(new Date(now.getTime() - (count - 1 - at) * WEEK_MS)));
  const told = shown.flatMap((week) => byWeek.get(week) ?? []);
  const most = Math.max(0, ...told.map(shareOf));
  const text = `${weeksText(told)} in ${count} weeks`;
  return fragment`<svg class="spark" viewBox="0 0 ${count * STEP} ${HEIGHT}" width="${count * STEP}" height="${HEIGHT}" role="img" aria-label="${text}"><title>${text}</title><path class="spark-ground" d="M0 ${HEIGHT - 0.5}h${count * STEP}"/>${shown.map((week, at) => bar(byWeek.get(week), at, most))}</svg>`;
}

const shareOf = ({ passed, failed }: WeekCounts): number => (failed === 0 ? 0 : failed / (passed + failed));

/** The highest bar is the worst week of the row; a week with runs and no failure is a low one. */
function bar(week: WeekCounts | undefined, at: number, most: number): Html | '' {
  if (!week) return '';
  const rect = (kind: string, y: number, height: number) =>
    fragment`<rect class="spark-${kind}" x="${at * STEP}" y="${y.toFixed(1)}" width="${STEP - 1}" height="${height.toFixed(1)}"/>`;
  if (week.failed === 0) return rect('passed', HEIGHT - 2, 2);
  const height = Math.max(2, (shareOf(week) / most) * HEIGHT);
  const ofFlaps = (height * week.flapped) / week.failed;
  return fragment`${rect('failed', HEIGHT - height, height - ofFlaps)}${rect('flapped', HEIGHT - ofFlaps, ofFlaps)}`;
}
