import fc from 'fast-check';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, cut, programs } from './model.js';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

describe('statistics of numbers', () => {
  it('are those of the whole array', async () => {
    const property = fc.asyncProperty(programs(3), async (program) => {
      const { rdd, parts } = build(sc, program);
      const rows = parts.flat();
      const n = rows.length;
      const sum = rows.reduce((a, b) => a + b, 0);
      const near = (found: number, value: number) =>
        expect(found).toSatisfy(() => Object.is(found, value) || Math.abs(found - value) < 1e-6);
      const squares = rows.reduce((all, x) => all + (x - sum / n) ** 2, 0);
      expect(await rdd.sum()).toBe(sum);
      const stats = await rdd.stats();
      expect(stats.count).toBe(n);
      expect(stats.min).toBe(Math.min(...rows));
      expect(stats.max).toBe(Math.max(...rows));
      expect(stats.sum).toBeCloseTo(sum, 8);
      near(await rdd.mean(), sum / n);
      near(await rdd.variance(), squares / n);
      near(await rdd.sampleVariance(), n > 1 ? squares / (n - 1) : Number.NaN);
      near(await rdd.stdev(), Math.sqrt(squares / n));
      near(await rdd.sampleStdev(), n > 1 ? Math.sqrt(squares / (n - 1)) : Number.NaN);
    });
    await fc.assert(property, { seed: 21, numRuns: 25 });
  });

  it('are precise where the mean is large', async () => {
    const numbers = sc.range(0, 1000, 1, 7).map((x) => 1e9 + (x % 2));
    expect(await numbers.variance()).toBeCloseTo(0.25, 9);
  });

  it('refuse what is no number', async () => {
    const texts = sc.parallelize(['1', '2']) as unknown as ReturnType<typeof sc.range>;
    await expect(texts.sum()).rejects.toThrow(/sum needs numbers.*of type string.*in sum at statistics\.test\.ts/s);
    await expect(texts.mean()).rejects.toThrow(/need numbers.*of type string.*in mean at/s);
    await expect(texts.histogram([0, 1])).rejects.toThrow(/histogram needs numbers.*in histogram at/s);
  });
});

describe('histogram', () => {
  it('counts into the buckets whose edges it gives', async () => {
    const rows = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 40 });
    const property = fc.asyncProperty(
      rows,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 9 }),
      async (all, p, n) => {
        const [edges, counts] = await sc.parallelize(all, p).histogram(n);
        expect(edges[0]).toBe(Math.min(...all));
        expect(edges.at(-1)).toBe(Math.max(...all));
        const last = edges.length - 2;
        const model = counts.map(
          (_, i) => all.filter((x) => x >= edges[i]! && (i === last ? x <= edges[i + 1]! : x < edges[i + 1]!)).length,
        );
        expect(counts).toEqual(model);
        expect(counts.reduce((a, b) => a + b, 0)).toBe(all.length);
      },
    );
    await fc.assert(property, { seed: 22, numRuns: 25 });
  });

  it("keeps Spark's rules", async () => {
    expect(await sc.range(0, 51, 1, 3).histogram(2)).toEqual([
      [0, 25, 50],
      [25, 26],
    ]);
    expect(await sc.range(0, 51, 1, 3).histogram([0, 5, 25, 50])).toEqual([5, 20, 26]);
    expect(await sc.parallelize([1, 2, 3, 4, Number.NaN, 9]).histogram([2, 3, 4])).toEqual([1, 2]);
    expect(await sc.parallelize([7, 7, 7]).histogram(10)).toEqual([[7, 7], [3]]);
    await expect(sc.parallelize([] as number[]).histogram(2)).rejects.toThrow('empty');
    await expect(sc.parallelize([1, Number.NaN]).histogram(2)).rejects.toThrow('NaN');
    await expect(sc.range(0, 3).histogram([1])).rejects.toThrow('at least two edges');
    await expect(sc.range(0, 3).histogram([1, 1])).rejects.toThrow('ascending');
    await expect(sc.range(0, 3).histogram(0)).rejects.toThrow('at least 1 bucket');
  });
});

describe('samples', () => {
  const numbers = () => sc.range(0, 20_000, 1, 5);

  it('take about the fraction, each row at most once, the same for a seed', async () => {
    const sample = await numbers().sample(false, 0.1, 1).collect();
    expect(new Set(sample).size).toBe(sample.length);
    expect(sample.toSorted((a, b) => a - b)).toEqual(sample);
    expect(Math.abs(sample.length - 2000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.09));
    expect(await numbers().sample(false, 0.1, 1).collect()).toEqual(sample);
    expect(await numbers().sample(false, 0.1, 2).collect()).not.toEqual(sample);
    expect(await numbers().sample(false, 1, 2).count()).toBe(20_000);
    expect(await numbers().sample(false, 0, 2).count()).toBe(0);
  });

  it('with replacement take rows a Poisson number of times', async () => {
    const counts = await numbers().sample(true, 2, 3).countByValue();
    const times = Array.from({ length: 20_000 }, (_, x) => counts.get(x) ?? 0);
    const mean = times.reduce((a, b) => a + b, 0) / times.length;
    const variance = times.reduce((a, b) => a + (b - mean) ** 2, 0) / times.length;
    expect(Math.abs(mean - 2)).toBeLessThan(0.05);
    expect(Math.abs(variance - 2)).toBeLessThan(0.15);
    expect(Math.abs((await sc.range(0, 500, 1, 2).sample(true, 100, 3).count()) - 50_000)).toBeLessThan(1000);
  });

  it('are the same in any cluster', async () => {
    const other = await SheafContext.create({ master: 'local[1]', conf: { 'sheaf.eventLog.enabled': 'false' } });
    try {
      const draw = async (context: SheafContext) => {
        const rows = context.range(0, 500, 1, 6);
        const [train] = rows.randomSplit([2, 1], 9);
        return [await rows.sample(true, 0.3, 9).collect(), await train!.collect(), await rows.takeSample(true, 20, 9)];
      };
      expect(await draw(other)).toEqual(await draw(sc));
    } finally {
      await other.stop();
    }
  });

  it('split the rows without loss', async () => {
    const property = fc.asyncProperty(
      programs(2),
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }).filter((w) => w.some((x) => x > 0)),
      fc.integer(),
      async (program, weights, seed) => {
        const { rdd, parts } = build(sc, program);
        const split = rdd.zipWithIndex().randomSplit(weights, seed);
        const found = (await Promise.all(split.map((part) => part.collect()))).flat();
        expect(found.toSorted((a, b) => a[1] - b[1])).toEqual(parts.flat().map((row, index) => [row, index]));
        for (const [part, weight] of weights.entries())
          if (weight === 0) expect(await split[part]!.isEmpty()).toBe(true);
      },
    );
    await fc.assert(property, { seed: 23, numRuns: 20 });
    const [a, b] = sc.range(0, 10_000, 1, 4).randomSplit([3, 1], 5);
    expect(Math.abs((await a!.count()) - 7500)).toBeLessThan(200);
    expect((await a!.count()) + (await b!.count())).toBe(10_000);
  });

  it('of an exact size are exact, and every row is as likely', async () => {
    const property = fc.asyncProperty(programs(2), fc.nat({ max: 20 }), fc.integer(), async (program, count, seed) => {
      const { rdd, parts } = build(sc, program);
      const numbered = rdd.zipWithIndex();
      const rows = parts.flat();
      const once = await numbered.takeSample(false, count, seed);
      expect(once).toHaveLength(Math.min(count, rows.length));
      expect(new Set(once.map(([, index]) => index)).size).toBe(once.length);
      const often = await numbered.takeSample(true, count, seed);
      expect(often).toHaveLength(rows.length === 0 ? 0 : count);
      for (const [row, index] of [...once, ...often]) expect(row).toBe(rows[index]);
    });
    await fc.assert(property, { seed: 24, numRuns: 20 });
  });

  it('by key take each key at its fraction', async () => {
    const pairs = sc.range(0, 9000, 1, 4).map((x): [string, number] => [['a', 'b', 'c'][x % 3]!, x]);
    const counts = await pairs.sampleByKey(false, { a: 0.1, b: 0.5, c: 1 }, 6).countByKey();
    expect(Math.abs(counts.get('a')! - 300)).toBeLessThan(70);
    expect(Math.abs(counts.get('b')! - 1500)).toBeLessThan(110);
    expect(counts.get('c')).toBe(3000);
    const dated = pairs.map(([key, x]): [[string], number] => [[key], x]);
    const fractions = new Map<[string], number>([
      [['a'], 0],
      [['b'], 1],
      [['c'], 0],
    ]);
    expect([...(await dated.sampleByKey(true, fractions, 6).countByKey()).keys()]).toEqual([['b']]);
    await expect(pairs.sampleByKey(false, new Map([['a', 1]])).count()).rejects.toThrow(/no fraction for the key "b"/);
  });

  it('refuse what makes no sense', () => {
    const rows = sc.range(0, 3);
    expect(() => rows.sample(false, 1.5)).toThrow('the fraction of sample must be from 0 to 1, not 1.5');
    expect(() => rows.sample(true, -1)).toThrow('must be at least 0');
    expect(() => rows.sample(0.5 as any, 1)).toThrow('withReplacement must be true or false');
    expect(() => rows.sample(false, 0.5, 0.5)).toThrow('a seed must be a whole number');
    expect(() => rows.randomSplit([])).toThrow('array of weights');
    expect(() => rows.randomSplit([0, 0])).toThrow('must not all be 0');
    expect(() => rows.randomSplit([1, -1])).toThrow('none below 0');
  });

  it('number rows', async () => {
    expect(await sc.parallelize(['a', 'b', 'c', 'd', 'e'], 3).zipWithUniqueId().glom().collect()).toEqual(
      cut(['a', 'b', 'c', 'd', 'e'], 3).map((rows, p) => rows.map((row, i) => [row, i * 3 + p])),
    );
    const numbered = sc
      .range(5, 25, 1, 4)
      .filter((x) => x % 3 === 0)
      .zipWithIndex();
    expect(await numbered.collect()).toEqual([6, 9, 12, 15, 18, 21, 24].map((x, i) => [x, i]));
    expect(await numbered.getNumPartitions()).toBe(4);
    expect(
      await numbered
        .union(numbered)
        .zipWithIndex()
        .map(([, i]) => i)
        .collect(),
    ).toEqual([...Array(14).keys()]);
  });
});
