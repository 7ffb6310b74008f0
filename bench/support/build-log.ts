import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

/** A log like that of a large build: compiler lines, test lines, a few warnings with colours; always the same one. */

const CHUNK_BYTES = 256 * 1024;
const PATHS = [
  'src/core/interp.c',
  'src/gc/collect.c',
  'src/6model/reprs/P6opaque.c',
  'src/strings/ops.c',
  'src/spesh/graph.c',
];

/** Answers its lines. */
export async function writeBuildLog(path: string, bytes: number): Promise<number> {
  const file = createWriteStream(path);
  const draw = dice(20261121);
  let lines = 0;
  let written = 0;
  while (written < bytes) {
    let chunk = '';
    while (chunk.length < CHUNK_BYTES) {
      chunk += line(lines, draw);
      lines += 1;
    }
    written += chunk.length;
    if (!file.write(chunk)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
  return lines;
}

function line(number: number, draw: () => number): string {
  const path = PATHS[Math.floor(draw() * PATHS.length)]!;
  const hash = Math.floor(draw() * 2 ** 32).toString(16);
  const time = new Date(1_795_228_200_000 + number * 7).toISOString();
  const what = draw();
  if (what < 0.5) return `${time} cc -c -O2 -fPIC -Ibuild/${hash} -o ${path}.o ${path}\n`;
  if (what < 0.9) return `${time} ok ${number} - case ${hash} of ${path} (${Math.floor(draw() * 900)} ms)\n`;
  if (what < 0.97) return `${time} # diagnostics ${hash}: expected ${draw()}, got ${draw()}\n`;
  return `\x1b[33m${time} ${path}:${Math.floor(draw() * 4000)}:${Math.floor(draw() * 90)}: warning: unused '${hash}'\x1b[0m\n`;
}

/** Park and Miller's generator: the same log on every machine. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
