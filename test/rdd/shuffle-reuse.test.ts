import { type RDD, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectGarbage } from '../../src/rdd/collect-garbage.js';
import { Footprint } from '../support/footprint.js';
import { until } from '../support/until.js';

const footprint = new Footprint();
let sc: SheafContext;
const events: TimedEvent[] = [];
const stages = () => events.splice(0).filter(({ event }) => event === 'stage-start').length;
const blocks = () => footprint.files().filter((file) => file.includes('shuffle%3A'));

beforeAll(async () => {
  Object.assign(process.env, footprint.environment);
  sc = await SheafContext.create({ master: 'local[2]' });
  sc.bus.listen((event) => void events.push(event));
});
afterAll(async () => {
  await sc.stop();
  expect(await footprint.gone(5000)).toEqual([]);
  footprint.remove();
});

const sum = (a: number, b: number) => a + b;
const counts = () =>
  sc
    .range(0, 1000, 1, 4)
    .map((x): [number, number] => [x % 7, 1])
    .reduceByKey(sum);

describe('map outputs', () => {
  it('are there for the next job, which skips their stage', async () => {
    const summed = counts();
    expect(await summed.count()).toBe(7);
    expect(stages()).toBe(2);
    expect((await summed.values().collect()).reduce(sum)).toBe(1000);
    expect(stages()).toBe(1);
  });

  it('are not made where rows are spread so already', async () => {
    const placed = sc
      .range(0, 100, 1, 4)
      .map((x): [number, number] => [x % 10, x])
      .partitionBy(3);
    const joined = placed
      .reduceByKey(sum)
      .join(placed.mapValues((x) => -x))
      .filter(([, [, x]]) => x <= -90);
    expect((await joined.collect()).sort(([a], [b]) => a - b)).toEqual(
      [...Array(10).keys()].map((k) => [k, [450 + 10 * k, -(90 + k)]]),
    );
    expect(stages()).toBe(2); // one shuffle, for partitionBy
    expect(await joined.getNumPartitions()).toBe(3);
  });

  it('are whole, though two actions at once make them of rows that are never the same', async () => {
    for (let round = 0; round < 3; round++) {
      const random = sc
        .range(0, 5000, 1, 4)
        .map((): [number, string] => [Math.floor(Math.random() * 50), 'v'.repeat(Math.floor(Math.random() * 5))])
        .partitionBy(8);
      const [keys, count, values] = await Promise.all([
        random.keys().collect(),
        random.count(),
        random.values().count(),
      ]);
      expect([keys.length, count, values]).toEqual([5000, 5000, 5000]);
    }
  });

  it('go when nobody holds the RDD any more', async () => {
    const collected = () => {
      collectGarbage();
      return blocks().length === 0;
    };
    await until('the map outputs of the RDDs above are gone', collected);
    let held: RDD<[number, number]> | undefined = counts();
    await held.count();
    expect(blocks()).toHaveLength(4);
    await sc.range(0, 3).count();
    expect(blocks()).toHaveLength(4);
    held = undefined;
    await until('the map outputs are gone', collected);
  });
});
