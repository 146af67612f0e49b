// Cuts the sample that the repository ships out of the full MotionSense data set:
//   node scripts/make-sample.mjs DIR [OUT]
// DIR is the unpacked data set (or its folder A_DeviceMotion_data), OUT defaults to data/motionsense-sample.
//
// Of each of the 360 recordings 256 rows (5.12 s, three windows of 128 half overlapping) are kept, all from one place:
// a third of the way into what can be cut off, past the moments in which the phone goes into the pocket.
// All trials and few seconds of each beat few trials and many seconds: the phone sits differently in every trial.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROWS = 256;
/** Decimals kept of the original's six or more: 0.01 rad, 0.01 rad/s, 0.001 g. */
const DECIMALS = { attitude: 2, rotationRate: 2, gravity: 3, userAcceleration: 3 };

const [directory, out = fileURLToPath(new URL('../data/motionsense-sample', import.meta.url))] = process.argv.slice(2);
if (!directory) throw new Error('usage: node scripts/make-sample.mjs DIR [OUT]');
const inner = join(directory, 'A_DeviceMotion_data');
const source = existsSync(inner) ? inner : directory;

let files = 0;
let bytes = 0;
for (const trial of readdirSync(source).filter((name) => /^[a-z]+_\d+$/.test(name))) {
  mkdirSync(join(out, trial), { recursive: true });
  for (const name of readdirSync(join(source, trial)).filter((name) => /^sub_\d+\.csv$/.test(name))) {
    const text = cut(readFileSync(join(source, trial, name), 'utf8'));
    writeFileSync(join(out, trial, name), text);
    files++;
    bytes += text.length;
  }
}
if (files === 0) throw new Error(`${source} holds no <activity>_<trial>/sub_<n>.csv`);
console.log(`${files} files, ${bytes} bytes in ${out}`);

function cut(text) {
  const [header, ...rows] = text.trimEnd().split('\n');
  const decimals = header.split(',').map((name) => DECIMALS[name.split('.')[0]] ?? 0);
  const start = Math.floor(Math.max(0, rows.length - ROWS) / 3);
  const kept = rows.slice(start, start + ROWS).map((row) =>
    row
      .split(',')
      .map((cell, column) => String(Number(Number(cell).toFixed(decimals[column])) + 0))
      .join(','),
  );
  return `${[header, ...kept].join('\n')}\n`;
}
