import { stripAnsi } from './text.ts';

/**
 * What a line of a build's log is, beside its text: when it was written, where it folds, what it complains of.
 *
 * Groups are `##[group]` (Azure Pipelines, "Formatting commands") and `::group::` (GitHub's workflow commands). Phases are
 * Azure's `##[section]` and what an Open Build Service goes through; they have a beginning, and end where the next begins.
 */
export interface LineParts {
  stamp?: Stamp;
  /** Without the stamp. */
  text: string;
  /** How many characters of `text` are a command to the CI service (`##[group]`), not output. */
  command: number;
  fold?: Fold;
  tone?: Tone;
  mark?: MarkKind;
}

/** `iso`: as Azure writes it. `seconds`: since the build began, as OBS writes them. */
export type Stamp = { iso: string } | { seconds: number };

/** A line that begins or ends something; the line that ends it belongs to it. */
export type Fold = 'group' | 'end-group' | 'phase' | 'end-phase';
export type Tone = 'error' | 'warning' | 'command' | 'debug' | 'heading';

/** A failed test, or any other complaint that a reader looks for. */
export type MarkKind = 'test' | 'error';

/** A line that somebody who looks for what failed wants to see. `text`: what it is about, for a list. */
export interface MarkedLine {
  line: number;
  text: string;
  kind: MarkKind;
}

/** A byte order mark begins each log of Azure; a tool may colour its line stamp and all. */
const PREFIX =
  /^\ufeff?((?:\u001b\[[\d;]{0,30}m){0,8})(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)(?: |$))?(?:\[ {0,9}(\d{1,9})s\](?: |$))?/;

const COMMAND = /^(?:##\[(\w{1,20})\]|::([a-z-]{1,20})(?: [^:]{0,400})?::)/;

const TONES: Record<string, Tone> = {
  error: 'error',
  warning: 'warning',
  notice: 'heading',
  command: 'command',
  debug: 'debug',
  section: 'heading',
  group: 'heading',
};

/** Of obs-build and of the tools that it calls: rpmbuild, dpkg-buildpackage, rpmlint. */
const OBS_PHASE =
  /^(?:init_buildsystem |-{5} building |Executing\(%\w+\): | (?:fakeroot )?debian\/rules \w|RPMLINT report:|\.{3} comparing built packages)/;

export function readLogLine(line: string): LineParts {
  const [prefix = '', colour = '', iso, seconds] = PREFIX.exec(line) ?? [];
  const text = colour + line.slice(prefix.length);
  const parts: LineParts = { text, command: 0 };
  if (iso) parts.stamp = { iso };
  else if (seconds) parts.stamp = { seconds: Number(seconds) };
  const bare = text.includes('\u001b') ? stripAnsi(text) : text;
  takeCommand(parts, bare);
  if (!parts.fold && OBS_PHASE.test(bare)) parts.fold = 'phase';
  if (parts.fold === 'phase') parts.tone = 'heading';
  const mark = parts.tone === 'debug' ? undefined : markOfText(bare);
  if (mark) parts.mark = mark;
  return parts;
}

function takeCommand(parts: LineParts, bare: string): void {
  const found = COMMAND.exec(bare);
  if (!found) return;
  const word = found[1] ?? found[2]!;
  const fold = foldOf(word, bare.slice(found[0].length));
  const tone = TONES[word];
  if (fold) parts.fold = fold;
  if (tone) parts.tone = tone;
  // Where colours come before it, its place in the text is another one: then all of it is text.
  if ((fold || tone) && parts.text.startsWith(found[0])) parts.command = found[0].length;
}

function foldOf(word: string, rest: string): Fold | undefined {
  if (word === 'group') return 'group';
  if (word === 'endgroup') return 'end-group';
  if (word === 'section') return rest.startsWith('Finishing: ') ? 'end-phase' : 'phase';
  return undefined;
}

/**
 * Complaints of the tools that our projects are built and tested with. Each is held against the start of a line, or
 * against words that say nothing else: `error` in the middle of a sentence is most often the name of a test.
 */
const MARKS: [MarkKind, RegExp][] = [
  ['test', /^\s{0,40}not ok\b(?!.*#\s*TODO\b)/i],
  ['test', /^\s{0,40}# {1,9}Failed test\b/],
  ['test', /\(Wstat: (?!0 |0\)).{0,60}Failed: \d|\(Wstat: 0 .{0,60}Failed: [1-9]/],
  ['test', /^Dubious, test returned /],
  ['test', /^(?:-{3} )?FAIL(?:ED)?(?::|\s)/],
  ['error', /^(?:##\[error\]|::error[ :]|##vso\[task\.logissue [^\]]{0,300}type=error)/],
  ['error', /^[^\s:]{1,300}[:(]\d{1,9}(?:[:,]\d{1,9})?\)?: (?:fatal |internal compiler )?error\b/],
  ['error', /^(?:\S{1,60}: )?(?:fatal |internal compiler )?error(?:\[\w{1,20}\])?: /i],
  ['error', /^(?:fatal|panic|abort(?:ed)?|E): /],
  [
    'error',
    /^(?:\S{0,40}make(?:\.exe)?(?:\[\d{1,4}\])?|N?MAKE\s?): .{0,200}(?:\*\*\* (?!Waiting|Deleting)|fatal error)/i,
  ],
  ['error', /===SORRY!===/],
  ['error', /^Traceback \(most recent call last\)/],
  ['error', /^(?:[\w$]{1,80}\.){0,20}[\w$]{0,80}(?:Error|Exception): /],
  ['error', /\bpanicked at |\bSegmentation fault\b|\(core dumped\)|\bAddressSanitizer: |\bundefined reference to /],
  ['error', /: (?:command not found|No space left on device|Cannot allocate memory)$/],
];

function markOfText(bare: string): MarkKind | undefined {
  return MIGHT_BE_MARKED.test(bare) ? MARKS.find(([, pattern]) => pattern.test(bare))?.[0] : undefined;
}

/** Words of which a marked line has at least one: in most of a log there is none. */
const MARK_WORDS =
  'not ok|fail|error|exception|dubious|wstat|\\*\\*\\*|fatal|panic|abort|E: |sorry!|traceback|segmentation fault|core dumped|sanitizer|undefined reference|not found|no space|cannot allocate';
const MIGHT_BE_MARKED = new RegExp(MARK_WORDS, 'i');
export const mightBeMarked = (): RegExp => new RegExp(MARK_WORDS, 'gi');

/** `15:56:28` of a time; `2:03` of seconds. */
export function stampText(stamp: Stamp): string {
  if ('iso' in stamp) return stamp.iso.slice(11, 19);
  const [minutes, seconds] = [Math.floor(stamp.seconds / 60), stamp.seconds % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return minutes < 60
    ? `${minutes}:${two(seconds)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds)}`;
}
