/** Cut text to at most `bytes` bytes of UTF-8, between characters, with `note` at the end when something was cut.
 *  GitHub counts 65,535 characters per text of a check; bytes are the safer count (facts: GitHub REST, checks). */
export function cutText(text: string, bytes: number, note = '…'): string {
  const whole = Buffer.from(text, 'utf8');
  if (whole.length <= bytes) return text;
  const room = Math.max(0, bytes - Buffer.byteLength(note, 'utf8'));
  let end = room;
  // Step back over the continuation bytes of a character that would be split.
  while (end > 0 && (whole[end]! & 0xc0) === 0x80) end -= 1;
  return whole.subarray(0, end).toString('utf8') + note;
}

/** Text as one line of Markdown: nothing in it can become a link, a mention, a tag, a heading or a table's cell. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_{}[\]()#+!|<>~&]/g, (character) => `\\${character}`)
    .replaceAll('@', '@\u200b')
    .replace(/:\/\/|www\./gi, (start) => `${start}\u200b`);
}

/** Text in a fenced block that its own backquotes cannot leave. */
export function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

const ANSI = new RegExp(
  ['\\u001b\\[[0-9;:?]*[ -/]*[@-~]', '\\u001b\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)?', '\\u001b[@-_]'].join('|'),
  'g',
);

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const UNSEEN_ALL = new RegExp(UNSEEN, 'g');

/** Plain text of terminal output: no escape sequences, no control characters but newline and tab, and none that turn
 *  the direction of what follows. */
export function stripAnsi(text: string): string {
  // Most lines have nothing of it, and are looked at once.
  return UNSEEN.test(text) ? text.replace(ANSI, '').replace(UNSEEN_ALL, '') : text;
}
