import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { TaskContext } from '../../protocol/program.js';
import { type Chunks, chunkLength } from '../chunks.js';
import { columnOf, Pairs } from '../columns.js';
import { slotMemory } from '../memory/slot-memory.js';
import { Buckets } from './buckets.js';
import { join } from './join.js';
import { sortPartition } from './sort.js';

process.env.SHEAF_SLOT_MEMORY = String(2 ** 20);
const directory = mkdtempSync(pathOf(tmpdir(), 'sheaf-spilling-'));
afterAll(() => rmSync(directory, { recursive: true }));
const contextOf = () => ({ directory, metrics: { bytesSpilled: 0 } }) as unknown as TaskContext;

/** Rows of 10 kB. */
const large = (from: number, rows: number) =>
  new Pairs(
    Float64Array.from({ length: rows }, (_, i) => (7919 * (from + i)) % 400),
    Array.from({ length: rows }, (_, i) => String(from + i).padEnd(10_000)),
  );
async function* chunks(...list: Pairs[]): Chunks {
  yield* list;
}

it('buckets write large rows long before there are many', async () => {
  const context = contextOf();
  using buckets = new Buckets(0, context);
  buckets.add(large(0, 400));
  expect(slotMemory().budget).toBe(2 ** 20);
  expect(context.metrics.bytesSpilled).toBeGreaterThan(3_900_000);
  const keys: unknown[] = [];
  for (const bucket of buckets)
    for await (const chunk of buckets.read(bucket)) keys.push(...(chunk as Pairs).toArray().map(([key]) => key));
  expect(new Set(keys).size).toBe(400);
});

it('runs of large rows are merged a few rows at a time', async () => {
  const parts = Array.from({ length: 20 }, (_, k) => large(20 * k, 20));
  const sizes: number[] = [];
  const keys: unknown[] = [];
  for await (const chunk of sortPartition(chunks(...parts), false, 'sort', contextOf())) {
    sizes.push(chunkLength(chunk));
    keys.push(...(chunk as Pairs).keys);
  }
  expect(keys).toEqual([...Array(400).keys()]);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(5);
});

it('a join hands on many matches in chunks', async () => {
  const rows = new Pairs(columnOf(new Array(600).fill(1)), columnOf([...Array(600).keys()]));
  const sizes: number[] = [];
  for await (const chunk of join([chunks(rows), chunks(rows)], 'matched', 'join', contextOf()))
    sizes.push(chunkLength(chunk));
  expect(sizes.reduce((a, b) => a + b)).toBe(360_000);
  expect(Math.max(...sizes)).toBeLessThan(70_000);
});
