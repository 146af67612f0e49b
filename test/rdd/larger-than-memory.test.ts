import { readFileSync } from 'node:fs';
import { SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Footprint } from '../support/footprint.js';

const MIB = 2 ** 20;
const BUDGET = 16 * MIB;
/** A slot's rows are 16 bytes each in columns: four times its budget. */
const ROWS = (2 * 4 * BUDGET) / 16;
/** Beside the budget: the engine itself, V8's young generation, what is read ahead, and buffers that wait for V8's collector. */
const ALLOWANCE = 12 * BUDGET;

const footprint = new Footprint();
let sc: SheafContext;
let spilled = 0;

beforeAll(async () => {
  Object.assign(process.env, footprint.environment);
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.slot.memory': '16m' } });
  sc.bus.listen((event: TimedEvent) => {
    if (event.event === 'task-end') spilled += event.metrics.bytesSpilled ?? 0;
  });
  await sc
    .range(0, 1000, 1, 2)
    .map((x) => x + 1)
    .count();
});
beforeEach(() => {
  spilled = 0;
});
afterAll(async () => {
  await sc.stop();
  expect(await footprint.gone(5000)).toEqual([]);
  footprint.remove();
});

/** The most that each slot has ever held, in bytes. */
const peaks = () =>
  footprint
    .slots()
    .map(({ pid }) => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]));

/** A bijection of the 32-bit numbers, so that keys are all different and in no order. */
const scrambled = (x: number) => {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

describe('four times the memory of the slots', () => {
  it('is sorted', async () => {
    const before = peaks();
    const sorted = sc
      .range(0, ROWS, 1, 8)
      .map(scrambled)
      .sortBy((x) => x, true, 4);
    // One pass in order: each partition's first and last number, how many there are, and whether each is greater than the one before.
    const ends = await sorted
      .map((x) => ({ first: x, last: x, rows: 1, ordered: true }))
      .reduce((a, b) => {
        a.ordered &&= b.ordered && a.last < b.first;
        a.last = b.last;
        a.rows += b.rows;
        return a;
      });
    expect(ends).toMatchObject({ rows: ROWS, ordered: true });
    expect(spilled).toBeGreaterThan(ROWS * 8);
    for (const [k, peak] of peaks().entries()) expect(peak - before[k]!).toBeLessThan(BUDGET + ALLOWANCE);
  });

  it('is reduced by key', async () => {
    const before = peaks();
    const half = ROWS / 2;
    const sums = sc
      .range(0, ROWS, 1, 8)
      .map((x): [number, number] => [scrambled(x % half), x])
      .reduceByKey((a, b) => a + b, 4);
    const [keys, total] = await sums.aggregate<[number, number]>(
      [0, 0],
      ([keys, total], [, sum]) => [keys + 1, total + sum],
      ([a, b], [c, d]) => [a + c, b + d],
    );
    expect([keys, total]).toEqual([half, (ROWS * (ROWS - 1)) / 2]);
    expect(spilled).toBeGreaterThan(half * 16);
    for (const [k, peak] of peaks().entries()) expect(peak - before[k]!).toBeLessThan(BUDGET + ALLOWANCE);
  });
});
