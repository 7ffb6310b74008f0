import { bareLine } from './testlog-lines.ts';

/**
 * What differs between two builds of the same thing, and tells nothing: times, places, addresses, digests. Each becomes
 * its name, so that lines that differ in nothing else are equal. Counts and versions stay: they may be the news.
 *
 * Replaced one kind after the other (places first: a digest or a date may be a part of one). No pattern can take more than
 * linear time: every part has a bound, or begins at the edge of a word and excludes what follows it.
 */
const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}';
const CLOCK = '\\d{1,2}:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?';
const NOISE: [name: string, pattern: string][] = [
  ['temp', '(?:/private)?(?:/var)?/tmp/[\\w.+@~-]{1,255}|\\brpm-tmp\\.\\w{1,20}|\\btmp\\.\\w{6,20}\\b'],
  ['path', '(?<![\\w./])/(?:[\\w.+@~=-]{1,255}/){2,64}|\\b[A-Za-z]:\\\\(?:[\\w.+@~ -]{1,100}\\\\){1,64}'],
  ['time', `\\b\\d{4}-\\d\\d-\\d\\d(?:[T ]${CLOCK}(?: ?(?:Z|UTC|GMT|[+-]\\d\\d:?\\d\\d))?)?\\b`],
  [
    'time',
    `\\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? {1,2}(?:${MONTH} {1,2}\\d{1,2}|\\d{1,2} ${MONTH})(?:,? \\d{4})?(?:,? ${CLOCK})?(?: [A-Z]{3,4})?(?: \\d{4})?\\b`,
  ],
  ['time', `\\b${CLOCK}\\b`],
  ['id', '\\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\\b'],
  ['address', '\\b0x[0-9a-fA-F]{1,16}\\b'],
  // Raku's object identity: `<94387234>`, `Foo|94387234`.
  ['address', '<\\d{6,20}>|\\|\\d{6,20}\\b'],
  // Of letters and digits: a word of a to f is a word, and a number is a number.
  ['sha', '\\b(?=[0-9a-f]{7,64}\\b)(?:(?=\\d*[a-f])(?=[a-f]*\\d)[0-9a-f]+|(?:[0-9a-f]{40}|[0-9a-f]{64})\\b)'],
  ['host', '\\b(?:127\\.0\\.0\\.1|localhost|\\[::1\\]):\\d{2,5}\\b'],
  ['process', '\\b(?:pid|PID|process|Process|thread|Thread)[ =:#]{1,3}\\d{1,10}\\b|==\\d{1,10}=='],
  ['took', '\\b\\d{1,9}m ?\\d{1,2}(?:\\.\\d{1,9})?s\\b'],
  [
    'took',
    '\\b\\d{1,12}(?:[.,]\\d{1,12})? ?(?:ms|µs|us|ns|s|secs?|seconds?|mins?|minutes?|hours?|wallclock secs?|usr|sys|cusr|csys|CPU)\\b',
  ],
  ['size', '\\b\\d{1,12}(?:\\.\\d{1,12})? ?(?:[kKMGT]i?B|bytes)(?:/s)?\\b'],
];

const PATTERNS = NOISE.map(([name, pattern]) => ({ shown: `‹${name}›`, pattern: new RegExp(pattern, 'g') }));
/** Without any of these there is no noise. */
const SIGN = /[\d/\\]|tmp/;

/** A line of a log as it is compared: without stamps, colours and noise, white space counted once. */
export function withoutNoise(line: string): string {
  const bare = bareLine(line).replace(/\s+/g, ' ');
  if (!SIGN.test(bare)) return bare;
  return PATTERNS.reduce((text, { pattern, shown }) => text.replace(pattern, shown), bare);
}
