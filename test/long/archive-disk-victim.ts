import { openDiskArchive } from '../../src/archive/disk.ts';
import { sourceOfVictim, victimSecret } from './archive-disk-source.ts';

/**
 * Writes blobs and a log until it is killed. Each acknowledgement is a line on standard output, written when the promise
 * resolved. Writing to a pipe is synchronous, so a printed line is out. Run as: node archive-disk-victim.ts DIR LOG
 */
const [dir, log] = process.argv.slice(2) as [string, string];
const archive = await openDiskArchive({ dir, secrets: [victimSecret] });
const writer = await archive.openLog(log);

async function writeLog(): Promise<void> {
  let at = writer.sourceOffset;
  for (let round = 0; at < sourceOfVictim.length; round += 1) {
    const chunk = sourceOfVictim.subarray(at, at + 1_000 + ((round * 7_919) % 60_000));
    await writer.append(chunk);
    at += chunk.length;
    process.stdout.write(`log ${writer.sourceOffset} ${writer.lines}\n`);
  }
  process.stdout.write(`end ${(await writer.end()).sha256}\n`);
}

async function putBlobs(): Promise<void> {
  for (let round = 0; round < 10_000; round += 1) {
    const from = (round * 104_729) % (sourceOfVictim.length / 2);
    const keep = round % 2 === 0 ? 'zstd' : 'plain';
    const { sha256, size } = await archive.put(sourceOfVictim.subarray(from, from + 50_000 + round), { keep });
    process.stdout.write(`blob ${sha256} ${size}\n`);
  }
}

await Promise.all([writeLog(), putBlobs()]);
