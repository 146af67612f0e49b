import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ArrowRDD, SheafContext } from 'sheaf';
import { keyedRandom } from '../../src/rdd/random.js';

export interface Blobs {
  /** Rows of features. */
  readonly x: readonly (readonly number[])[];
  /** Class of each row, from 0; classes take turns. */
  readonly y: readonly number[];
}

/** Gaussian blobs, deviation 1, whose centres lie `distance` apart on their own axes: what a network must learn to tell apart. */
export function blobs(rows: number, { classes = 3, width = 4, distance = 6, seed = 1 } = {}): Blobs {
  const random = keyedRandom(seed, 'blobs');
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  const y = Array.from({ length: rows }, (_, row) => row % classes);
  // In float32, so that a CSV file holds the very values.
  const x = y.map((k) => Array.from({ length: width }, (_, i) => Math.fround(normal() + (i === k ? distance : 0))));
  return { x, y };
}

export const TEXT_LABELS = ['ann', 'bob', 'cleo'];

/** Writes blobs as CSV files `0.csv`, `1.csv`, … of columns x0, x1, …, label; files take runs of neighbours. */
export function writeBlobs(
  folder: string,
  { x, y }: Blobs,
  files = 1,
  labels: readonly unknown[] = TEXT_LABELS,
): string {
  mkdirSync(folder, { recursive: true });
  const header = [...x[0]!.map((_, i) => `x${i}`), 'label'].join(',');
  const lines = x.map((row, r) => [...row, labels[y[r]!]].join(','));
  for (let k = 0; k < files; k++) {
    const part = lines.slice(Math.floor((k * lines.length) / files), Math.floor(((k + 1) * lines.length) / files));
    writeFileSync(join(folder, `${k}.csv`), `${[header, ...part].join('\n')}\n`);
  }
  return folder;
}

/** The files as a table with a column `features`. */
export function readBlobs(sc: SheafContext, folder: string, width = 4, partitions?: number): ArrowRDD {
  const names = Array.from({ length: width }, (_, i) => `x${i}`);
  const columns = Object.fromEntries(names.map((name) => [name, 'float32' as const]));
  return sc.csv(folder, { columns: { ...columns, label: 'utf8' } }, partitions).assemble(names);
}
