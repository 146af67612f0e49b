/**
 * The cases without an engine: one thread, each written as a careful programmer writes the general problem (no use is made of
 * keys being small whole numbers). What a distributed system must beat (McSherry and others, "Scalability! But at what COST?").
 */

import { hash } from './hash.js';
import { parseAndSum } from './plain-csv.js';
import { serve } from './serve.js';
import { add, digest, vector } from './vectors.js';

function mapFilterSum(rows: number): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const value = 2 * row + 1;
    if (value % 3 === 0) sum += value;
  }
  return sum;
}

function reduceByKey(rows: number, keys: number): number {
  const sums = new Map<number, number>();
  for (let row = 0; row < rows; row++) {
    const key = hash(row) % keys;
    const value = row & 63;
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? value : sum + value);
  }
  let check = 0;
  for (const [key, sum] of sums) check += key * (sum % 1009);
  return check;
}

function sortBy(rows: number): number[] {
  const values = new Float64Array(rows);
  for (let row = 0; row < rows; row++) values[row] = hash(row) / 2 ** 32;
  values.sort();
  let sum = 0;
  let placed = 0;
  for (let place = 0; place < rows; place++) {
    sum += values[place]!;
    placed += place * values[place]!;
  }
  return [rows, sum, placed];
}

/** A hash join: the left side's rows of one key are a chain, `previous` leads from each to the one before. */
function join(rows: number): number {
  const last = new Map<number, number>();
  const previous = new Int32Array(rows);
  const values = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const key = hash(row) % rows;
    values[row] = row;
    previous[row] = last.get(key) ?? -1;
    last.set(key, row);
  }
  let check = 0;
  for (let row = rows; row < 2 * rows; row++) {
    const key = hash(row) % rows;
    for (let at = last.get(key) ?? -1; at >= 0; at = previous[at]!) check += (values[at]! * row + key) % 65521;
  }
  return check;
}

function sumOfVectors(vectors: number, length: number): number {
  let sum = new Float64Array(0);
  for (let row = 0; row < vectors; row++) sum = add(sum, vector(row, length)) as typeof sum;
  return digest(sum);
}

await serve({
  'map-filter-sum': (rows) => [mapFilterSum(Number(rows))],
  reduceByKey: (rows, keys) => [reduceByKey(Number(rows), Number(keys))],
  sortBy: (rows) => sortBy(Number(rows)),
  join: (rows) => [join(Number(rows))],
  treeAggregate: (vectors, length) => [sumOfVectors(Number(vectors), Number(length))],
  csv: (directory) => parseAndSum(directory!),
});
