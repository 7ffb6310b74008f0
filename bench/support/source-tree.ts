/** Files that look like a program's source to a compressor, the same each time. */

const WORDS =
  'if else while for return static const void int char struct node value index length buffer string array hash key ' +
  'frame register opcode compile concat allocate collect nursery object instance uint32 size NULL sizeof assert';
const PUNCTUATION = [
  ' ',
  ' ',
  ' ',
  '(',
  ');\n    ',
  ' = ',
  '->',
  ', ',
  ' {\n        ',
  ';\n    ',
  '\n}\n\n',
  '[',
  '] ',
];

export function sourceFiles(count: number, bytes: number): Record<string, string> {
  const words = WORDS.split(' ');
  const files: Record<string, string> = {};
  let state = 1;
  const chance = (most: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % most;
  };
  for (let file = 0; file < count; file += 1) {
    const own = Array.from({ length: 40 }, () => `${words[chance(words.length)]}_${chance(5_000)}`);
    const parts: string[] = [];
    for (let size = 0; size < bytes / count; ) {
      const word = chance(3) === 0 ? own[chance(own.length)]! : words[chance(words.length)]!;
      const part = word + PUNCTUATION[chance(PUNCTUATION.length)]!;
      parts.push(part);
      size += part.length;
    }
    files[`src/part${file % 40}/module${file % 7}/file-${file}.c`] = parts.join('');
  }
  return files;
}
