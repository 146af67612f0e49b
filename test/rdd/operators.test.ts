import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, cut, programs } from './model.js';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

describe('any program of operators', () => {
  it('gives the rows and partitions that plain arrays give', async () => {
    await fc.assert(
      fc.asyncProperty(programs(5), async (program) => {
        const { rdd, parts } = build(sc, program);
        expect(await rdd.glom().collect()).toEqual(parts);
        expect(await rdd.collect()).toEqual(parts.flat());
        expect(await rdd.countPerPartition()).toEqual(parts.map((rows) => rows.length));
        expect(await rdd.count()).toBe(parts.flat().length);
        expect(await rdd.getNumPartitions()).toBe(parts.length);
      }),
      { seed: 1, numRuns: 80 },
    );
  });

  it('gives the first rows in order, however many are taken', async () => {
    await fc.assert(
      fc.asyncProperty(programs(3), fc.nat({ max: 30 }), async (program, count) => {
        const { rdd, parts } = build(sc, program);
        const rows = parts.flat();
        expect(await rdd.take(count)).toEqual(rows.slice(0, count));
        if (rows.length > 0) expect(await rdd.first()).toBe(rows[0]);
        else await expect(rdd.first()).rejects.toThrow('first: the RDD is empty');
      }),
      { seed: 2, numRuns: 40 },
    );
  });

  it('folds in the order of rows', async () => {
    await fc.assert(
      fc.asyncProperty(programs(3), fc.integer({ min: 1, max: 4 }), async (program, depth) => {
        const { rdd, parts } = build(sc, program);
        const texts = parts.flat().map((row) => `${row},`);
        const text = rdd.map((row) => `${row},`);
        if (texts.length > 0) expect(await text.reduce((a, b) => a + b)).toBe(texts.join(''));
        else await expect(text.reduce((a, b) => a + b)).rejects.toThrow('reduce: the RDD is empty');
        const concat = (a: string, b: string) => a + b;
        expect(await text.aggregate('', concat, concat)).toBe(texts.join(''));
        expect(await text.treeAggregate('', concat, concat, depth)).toBe(texts.join(''));
      }),
      { seed: 3, numRuns: 40 },
    );
  });
});

describe('partitions', () => {
  it('are runs of neighbours, some of them empty when rows are few', async () => {
    expect(await sc.parallelize([1, 2, 3], 5).glom().collect()).toEqual(cut([1, 2, 3], 5));
    expect(await sc.parallelize([], 3).glom().collect()).toEqual([[], [], []]);
    expect(await sc.range(5, 5, 1, 2).glom().collect()).toEqual([[], []]);
  });

  it('are one a slot unless a number is given', async () => {
    expect(await sc.parallelize([1, 2, 3]).getNumPartitions()).toBe(2);
  });

  it('hold the array as it was when parallelize was called', async () => {
    const rows = [1, 2, 3];
    const rdd = sc.parallelize(rows);
    rows.push(4);
    expect(await rdd.collect()).toEqual([1, 2, 3]);
  });
});

describe('range', () => {
  it('has the same numbers in any number of partitions, fractions too', async () => {
    const whole = Array.from({ length: 100 }, (_, i) => 0.1 + i * 0.3);
    for (const partitions of [1, 3, 7]) expect(await sc.range(0.1, 30, 0.3, partitions).collect()).toEqual(whole);
  });

  it('is made where it is used, in more than one chunk', async () => {
    expect(await sc.range(0, 1e6).count()).toBe(1e6);
    expect(await sc.range(0, 1e5, 1, 2).reduce((a, b) => a + b)).toBe(4999950000);
    expect((await sc.range(0, 10_000, 1, 1).collect()).at(-1)).toBe(9999);
  });
});

describe('async functions', () => {
  it('run at most 16 at a time, and their results stay in order', async () => {
    const peaks = await sc
      .range(0, 200, 1, 1)
      .map(async (x) => {
        const state = globalThis as { running?: number };
        state.running = (state.running ?? 0) + 1;
        const peak = state.running;
        await new Promise((resolve) => setTimeout(resolve, x % 3));
        state.running--;
        return { x, peak };
      })
      .collect();
    expect(peaks.map(({ x }) => x)).toEqual(Array.from({ length: 200 }, (_, x) => x));
    expect(Math.max(...peaks.map(({ peak }) => peak))).toBe(16);
  });
});

describe('foreach', () => {
  it('calls the function once with every row, async functions too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sheaf-foreach-'));
    const file = join(directory, 'rows');
    try {
      await sc.range(0, 10, 1, 3).foreach((x) => appendFileSync(file, `${x}\n`));
      await sc.range(10, 20, 1, 3).foreach(async (x) => {
        await null;
        appendFileSync(file, `${x}\n`);
      });
      const seen = readFileSync(file, 'utf8').trim().split('\n').map(Number);
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, x) => x));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
