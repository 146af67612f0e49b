import { EventBus, type RDD, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { kill } from '../support/footprint.js';
import { Trace } from './traced.js';

let sc: SheafContext;
let trace: Trace;
let events: TimedEvent[];

beforeAll(async () => {
  const bus = new EventBus();
  bus.listen((event) => events?.push(event));
  sc = await SheafContext.create({
    bus,
    master: 'local-cluster[2,1]',
    conf: { 'sheaf.eventLog.enabled': 'false', 'sheaf.locality.waitMs': '20000' },
  });
});
afterAll(() => sc.stop());
beforeEach(() => {
  trace = new Trace();
  events = [];
});
afterEach(() => {
  for (const rdd of sc.getPersistentRDDs().values()) rdd.unpersist();
  trace.remove();
});

const ROWS = 2000;
const expected = Array.from({ length: ROWS }, (_, x) => x);

/** Process id of each executor's slots' parents: of the executors themselves. */
const executorPids = () => new Map(sc.tasks.executors().map(({ id, pid }) => [id, pid]));

/** Kills one executor, and waits until the driver knows and another has taken its place. */
async function loseExecutor(id: string): Promise<void> {
  kill(executorPids().get(id)!);
  await expect.poll(() => sc.tasks.executors().some((executor) => executor.id === id), { timeout: 20_000 }).toBe(false);
  await expect.poll(() => sc.tasks.executors().length, { timeout: 20_000 }).toBe(2);
}

/** Which executor computed each partition. */
function placesOf(rdd: RDD<unknown>): Map<number, string> {
  const kept = events.flatMap((event) => (event.event === 'storage' && event.rdd === rdd.node.id ? [event] : []));
  return new Map(kept.map(({ partition, executor }) => [partition, executor]));
}

describe('an executor that is lost', () => {
  it.each(['MEMORY', 'MEMORY_AND_DISK', 'DISK'] as const)(
    'takes its partitions of %s with it, and only those',
    async (level) => {
      const rdd = trace.range(sc, ROWS, 6).persist(level);
      expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual([0, 1, 2, 3, 4, 5]);
      const places = placesOf(rdd);
      const victim = places.get(0)!;
      const lost = [...places].filter(([, executor]) => executor === victim).map(([partition]) => partition);
      expect(lost.length).toBeLessThan(6);
      await loseExecutor(victim);
      for (let k = 0; k < 2; k++) expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual(lost.sort());
    },
  );

  it.each(['MEMORY_2', 'MEMORY_AND_DISK_2', 'DISK_2'] as const)('takes nothing of %s with it', async (level) => {
    const rdd = trace.range(sc, ROWS, 6).persist(level);
    expect(await rdd.collect()).toEqual(expected);
    trace.since();
    for (let round = 0; round < 2; round++) {
      // The second one lost has the copies that were made when the first was lost.
      await loseExecutor(placesOf(rdd).get(round)!);
      expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual([]);
    }
  });
});
