import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Executor } from '../../src/executor/executor.js';
import { slotEnvironment, slotInfos } from '../../src/executor/slot-environment.js';
import { type Broadcast, SheafContext, type TimedEvent } from '../../src/index.js';
import { type Application, openApplication } from '../../src/rdd/application.js';
import type { startCluster } from '../../src/scheduler/cluster.js';
import { memoryQueue } from '../../src/scheduler/queue/memory.js';
import { Footprint, kill } from '../support/footprint.js';
import { seeded } from '../support/seeded.js';
import { root, sheaf } from '../support/sheaf.js';
import { until } from '../support/until.js';

/** A context whose footprint and events can be looked at. */
class Run {
  readonly footprint = new Footprint();
  readonly events: TimedEvent[] = [];
  readonly #before = { ...process.env };
  sc!: SheafContext;

  /** @param cluster instead of what the master names */
  async start(master: string, environment: Record<string, string> = {}, cluster?: typeof startCluster): Promise<void> {
    Object.assign(process.env, this.footprint.environment, environment);
    const Context = SheafContext as unknown as new (application: Application) => SheafContext;
    this.sc = new Context(await openApplication({ master }, cluster));
    this.sc.bus.listen((event) => this.events.push(event));
  }

  async stop(): Promise<void> {
    await this.sc?.stop();
    const left = await this.footprint.gone(5000);
    this.footprint.remove();
    for (const name of Object.keys(process.env)) if (!(name in this.#before)) delete process.env[name];
    Object.assign(process.env, this.#before);
    expect(left).toEqual([]);
  }

  of<K extends TimedEvent['event']>(kind: K): Extract<TimedEvent, { event: K }>[] {
    return this.events.filter((each): each is Extract<TimedEvent, { event: K }> => each.event === kind);
  }

  /** Values of broadcasts, on the driver and on executors. */
  blocks(): string[] {
    return this.footprint.files().filter((path) => /broadcast-\d+\/value$/.test(path));
  }
}

describe.each(['local[2]', 'local-cluster[2,1]'])('on %s', (master) => {
  const run = new Run();
  let sc: SheafContext;
  beforeAll(async () => {
    await run.start(master);
    ({ sc } = run);
  });
  afterAll(() => run.stop());

  describe('a broadcast', () => {
    test('is read in functions and on the driver, whatever it holds', async () => {
      class Scale {
        constructor(readonly by: number) {}
        of(x: number) {
          return x * this.by;
        }
      }
      const names = sc.broadcast(new Map([[0, 'even'], [1, 'odd']])); // biome-ignore format: a table
      const scale = sc.broadcast({ scale: new Scale(3), shift: (x: number) => x + 1 });
      const rows = sc.range(0, 4, 1, 3);
      expect(await rows.map((x) => names.value.get(x % 2)).collect()).toEqual(['even', 'odd', 'even', 'odd']);
      expect(await rows.map((x) => scale.value.shift(scale.value.scale.of(x))).collect()).toEqual([1, 4, 7, 10]);
      expect(names.value.get(1)).toBe('odd');
    });

    test('may hold another, and travel as a row', async () => {
      const inner = sc.broadcast([1, 2, 3]);
      const outer = sc.broadcast({ inner, sum: () => inner.value.reduce((a, b) => a + b) });
      const rows = sc.range(0, 2, 1, 2);
      expect(await rows.map((x) => outer.value.sum() + outer.value.inner.value[x]!).collect()).toEqual([7, 8]);
      const [back] = (await rows.map(() => inner).take(1)) as [Broadcast<number[]>];
      expect(back).toBe(inner);
    });

    test('is decoded once a slot, and does not travel with stages', async () => {
      const table = sc.broadcast(new Float64Array(200_000).fill(2));
      const marked = (rows: Iterable<number>) => {
        const value = table.value as Float64Array & { seen?: number };
        value.seen = (value.seen ?? 0) + 1;
        return [{ seen: value.seen, pid: process.pid, sum: [...rows].length + value[0]! }];
      };
      const found = [];
      for (let job = 0; job < 3; job++) found.push(...(await sc.range(0, 4, 1, 4).mapPartitions(marked).collect()));
      expect(found.every(({ sum }) => sum === 3)).toBe(true);
      for (const pid of new Set(found.map((each) => each.pid))) {
        const seen = found.filter((each) => each.pid === pid).map((each) => each.seen);
        expect(seen.sort((a, b) => a - b)).toEqual(seen.map((_, i) => i + 1));
      }
      const programs = run.footprint.files().filter((path) => path.includes('stage-'));
      expect(programs.every((path) => !path.includes('broadcast'))).toBe(true);
      table.destroy();
    });

    test('unpersisted, it is sent again when it is needed; destroyed, it is gone everywhere and says where', async () => {
      const before = run.blocks().length;
      const table = sc.broadcast([10, 20]);
      const rdd = sc.range(0, 2, 1, 2).map((x) => table.value[x]!);
      expect(await rdd.collect()).toEqual([10, 20]);
      table.unpersist();
      expect(table.value).toEqual([10, 20]);
      expect(await rdd.collect()).toEqual([10, 20]);
      expect(run.blocks().length).toBeGreaterThan(before);
      table.destroy();
      table.destroy();
      await until('its blocks to be gone', () => run.blocks().length <= before);
      const where =
        /broadcast at shared-variables\.test\.ts:\d+, which was destroyed at shared-variables\.test\.ts:\d+/;
      await expect(rdd.collect()).rejects.toThrow(where);
      await expect(rdd.collect()).rejects.toThrow('captures `table`');
      expect(() => table.value).toThrow(
        /broadcast at shared-variables\.test\.ts:\d+ is gone: it was destroyed at shared-/,
      );
    });

    test('is what a large captured variable becomes, once while it holds the same', async () => {
      const table = { factors: new Float64Array(300_000).fill(2) };
      const before = run.blocks().length;
      const warnings = () => run.of('warning').filter(({ message }) => message.includes('captures "table" of 2.3 MiB'));
      const rdd = sc.range(0, 4, 1, 4).map((x) => x * table.factors[x]!);
      expect(await rdd.collect()).toEqual([0, 2, 4, 6]);
      expect(await rdd.filter((x) => x < table.factors.length).collect()).toEqual([0, 2, 4, 6]);
      expect(run.blocks().length - before).toBe(1);
      table.factors[3] = 10;
      expect(await rdd.collect()).toEqual([0, 2, 4, 30]);
      expect(warnings().length).toBe(2);
    });

    test('what cannot travel is refused when it is made', () => {
      expect(() => sc.broadcast(sc)).toThrow('the SheafContext');
      expect(() => sc.broadcast({ rows: [sc.range(0, 1)] })).toThrow(/the value holds `rows\[0\]`, which is an RDD/);
    });
  });

  describe('an accumulator', () => {
    test('counts each row once that a sort takes its sample from, whether it is computed again or not', async () => {
      const rows = sc.longAccumulator();
      const counted = () =>
        sc.range(0, 100, 1, 4).map((x) => {
          rows.add(1);
          return [x % 7, x];
        });
      const kept = counted().cache();
      for (const rdd of [counted(), kept, counted().reduceByKey((a, b) => a + b)]) {
        rows.reset();
        await rdd.sortByKey().collect();
        expect(rows.value).toBe(100);
      }
      await kept.sortBy(([, x]) => -x).collect();
      expect(rows.value).toBe(100);
    });

    test('adds up what tasks add, by each kind, and shows in the event log', async () => {
      const [long, double] = [sc.longAccumulator('rows'), sc.doubleAccumulator()];
      const list = sc.collectionAccumulator<number>();
      const longest = sc.accumulator(0, (a: number, b: number) => Math.max(a, b), 'largest');
      const add = (sum: Map<number, number>, x: number) => sum.set(x % 3, (sum.get(x % 3) ?? 0) + 1);
      const histogram = sc.accumulator(new Map<number, number>(), {
        add,
        merge(a, b) {
          for (const [key, count] of b) a.set(key, (a.get(key) ?? 0) + count);
          return a;
        },
      });
      await sc.range(0, 100, 1, 7).foreach((x) => {
        long.add(x);
        double.add(x / 2);
        if (x % 10 === 0) list.add(x);
        longest.add(x);
        histogram.add(x);
      });
      expect([long.value, long.sum, long.count, long.avg]).toEqual([4950, 4950, 100, 49.5]);
      expect([double.value, double.count]).toEqual([2475, 100]);
      expect(list.value).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
      expect(longest.value).toBe(99);
      expect([...histogram.value].sort()).toEqual([[0, 34], [1, 33], [2, 33]]); // biome-ignore format: a table
      expect(run.of('accumulators').at(-1)!.values).toEqual({ rows: 4950, largest: 99 });
      long.reset();
      long.add(5);
      expect([long.value, long.count]).toEqual([5, 1]);
    });

    test('cannot be read in tasks', async () => {
      const rows = sc.longAccumulator('rows');
      const reading = sc.range(0, 1).map(() => rows.value);
      await expect(reading.collect()).rejects.toThrow(
        /tasks can only add to the accumulator "rows" \(longAccumulator at shared-variables\.test\.ts:\d+\): read its value on the driver/,
      );
      await expect(sc.range(0, 1).foreach(() => rows.add(0.5))).rejects.toThrow(/whole numbers, not 0.5 \(in foreach/);
      expect(rows.value).toBe(0);
    });

    test('counts async functions too, and partial sums larger than a message', async () => {
      const seen = sc.collectionAccumulator<string>();
      const slowly = async (x: number) => {
        await null;
        seen.add(`${x}`.padEnd(100));
        return x;
      };
      expect(await sc.range(0, 600, 1, 2).map(slowly).count()).toBe(600);
      expect(seen.value.map(Number)).toEqual(Array.from({ length: 600 }, (_, x) => x));
    });

    test('a task that fails counts nothing; one that succeeds later counts once', async () => {
      const added = sc.longAccumulator();
      const { directory } = run.footprint;
      const failing = sc.range(0, 40, 1, 4).mapPartitionsWithIndex(async (index, rows) => {
        const { existsSync, writeFileSync } = await import('node:fs');
        const mark = `${directory}/${index}`;
        for (const _ of rows) added.add(1);
        if (index % 2 === 0 || existsSync(mark)) return [index];
        writeFileSync(mark, '');
        process.exit(9); // the slot is lost: the task runs again
      });
      expect(await failing.collect()).toEqual([0, 1, 2, 3]);
      expect(added.value).toBe(40);
      const thrown = sc.longAccumulator();
      const failed = sc.range(0, 4, 1, 4).foreach((x) => {
        thrown.add(1);
        if (x === 3) throw new Error('row 3');
      });
      await expect(failed).rejects.toThrow('row 3');
      expect(thrown.value).toBeLessThan(4);
    });
  });
});

/** `local[2]` on a queue that delivers everything late and twice. */
const unreliable: typeof startCluster = async (_conf, driver, preload) => {
  const faults = { duplicate: 0.5, delay: 0.5, maxDelayMs: 30 };
  const queue = memoryQueue({ faults: { task: faults, result: faults }, random: seeded(7) });
  let executor: Executor | undefined;
  return {
    channel: queue.driver(driver),
    async ready() {
      executor = await Executor.start({
        ...{ id: `${driver}-local`, secret: 'secret', slotEnvironment, preload, slots: slotInfos(2) },
        ...{ channel: queue.executor(), fingerprint: 'test', heartbeatMs: 1000 },
      });
    },
    ...{ expectedSlots: 2, depth: 1, secret: 'secret', onExecutorExit: () => {} },
    stop: async () => executor?.stop('the application ended'),
  };
};

test('what is delivered twice, late and out of order counts once', async () => {
  const run = new Run();
  await run.start('local[2]', {}, unreliable);
  try {
    const { sc } = run;
    const rows = sc.longAccumulator();
    const seen = sc.collectionAccumulator<number>();
    const table = sc.broadcast([1, 2]);
    for (let job = 1; job <= 5; job++) {
      const rdd = sc.range(0, 60, 1, 30).map((x) => {
        rows.add(1);
        if (x % 20 === 0) seen.add(x);
        return table.value[x % 2]!;
      });
      expect(await rdd.reduce((a, b) => a + b)).toBe(90);
      expect([rows.value, seen.value.length]).toEqual([60 * job, 3 * job]);
    }
  } finally {
    await run.stop();
  }
});

describe('with a host for each process, some of which are lost', () => {
  const run = new Run();
  let sc: SheafContext;
  beforeAll(async () => {
    await run.start('local-cluster[3,1]', { SHEAF_TEST_HOSTS: 'process' });
    ({ sc } = run);
  });
  afterAll(() => run.stop());

  test('executors copy a broadcast from one another, once a host', async () => {
    const table = sc.broadcast(new Float32Array(300_000).map((_, i) => i % 7));
    const rdd = sc.range(0, 12, 1, 12).map((x) => table.value[x]!);
    const expected = Array.from({ length: 12 }, (_, i) => i % 7);
    expect(await Promise.all([rdd.collect(), rdd.collect()])).toEqual([expected, expected]);
    expect(await rdd.collect()).toEqual(expected);
    const copies = run.of('broadcast-copied');
    const executors = sc.tasks.executors().map(({ id }) => id);
    expect(copies.map(({ to }) => to).sort()).toEqual(executors);
    expect(copies[0]!.from).toBe(sc.app);
    const [second, third] = copies.slice(1).map(({ from }) => from);
    expect([second, third].sort()).toEqual([sc.app, copies[0]!.to].sort());
    expect(run.blocks()).toHaveLength(4);
    table.destroy();
    await until('its blocks to be gone', () => run.blocks().length === 0);
  });

  test('the loss of who holds it costs nothing; who joins later gets it', async () => {
    const table = sc.broadcast('x'.repeat(100_000));
    const lengths = () => sc.range(0, 6, 1, 6).map((x) => table.value.length + x).collect(); // biome-ignore format: one thing
    const expected = [0, 1, 2, 3, 4, 5].map((x) => x + 100_000);
    expect(await lengths()).toEqual(expected);
    const before = run.of('broadcast-copied').length;
    const [victim, ...others] = sc.tasks.executors();
    kill(victim!.pid);
    await until('another executor', () => {
      const now = sc.tasks.executors().map(({ id }) => id);
      return now.length === 3 && !now.includes(victim!.id);
    });
    expect(await lengths()).toEqual(expected);
    const [copy, ...more] = run.of('broadcast-copied').slice(before);
    expect(more).toEqual([]);
    expect(others.map(({ id }) => id)).toContain(copy!.from);
    expect(others.map(({ id }) => id)).not.toContain(copy!.to);
    table.destroy();
    await until('its blocks to be gone', () => run.blocks().length === 0);
  });

  test('slots fetch what was not copied to their host, once a host, from whoever holds it', async () => {
    const table = sc.broadcast(new Uint8Array(50_000).fill(3));
    const { tasks } = sc;
    const executors = tasks.executors.bind(tasks);
    tasks.executors = () => executors().slice(0, 1); // the others join while the stage is on its way
    const rdd = sc.range(0, 9, 1, 9).mapPartitions(async (rows) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return [[...rows].length + table.value[49_999]!];
    });
    const running = rdd.collect();
    await until('the first copy', () =>
      run.of('broadcast-copied').some(({ bytes }) => bytes < 51_000 && bytes > 50_000),
    );
    tasks.executors = executors;
    expect(await running).toEqual(new Array(9).fill(4));
    expect(run.blocks()).toHaveLength(4);
    table.destroy();
  });

  /** Kills an executor once, at an event. */
  const killAt = (when: (event: TimedEvent) => boolean) => {
    let killed = false;
    sc.bus.listen((event) => {
      if (killed || !when(event)) return;
      killed = true;
      kill(sc.tasks.executors()[0]!.pid);
    });
    return () => killed;
  };
  const whole = () => until('all executors', () => sc.tasks.executors().length === 3);

  test('the loss of an executor in mid-stage: tasks that ran twice count once', async () => {
    await whole();
    let ended = 0;
    const killed = killAt((event) => event.event === 'task-end' && ++ended === 5);
    const rows = sc.longAccumulator();
    const table = sc.broadcast({ one: 1 });
    const slowly = async (x: number) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      rows.add(table.value.one);
      return x;
    };
    expect(await sc.range(0, 400, 1, 40).map(slowly).count()).toBe(400);
    expect(killed()).toBe(true);
    expect(rows.value).toBe(400);
  });

  test('the loss of an executor between map and reduce: map tasks that run again count once, also in a later job', async () => {
    await whole();
    const begun = { stages: run.of('stage-start').length, tasks: run.of('task-end').length };
    const killed = killAt(({ event }) => event === 'stage-end' && run.of('stage-start').length === begun.stages + 1);
    const done = () => run.of('task-end').slice(begun.tasks).filter(({ failure }) => failure === undefined); // biome-ignore format: one thing
    const lost = run.of('executor-lost').length;
    const rows = sc.longAccumulator('rows');
    const seen = sc.collectionAccumulator<number>();
    const sums = sc
      .range(0, 640, 1, 64)
      .map((x): [number, number] => {
        rows.add(1);
        if (x % 100 === 0) seen.add(x);
        return [x % 3, x];
      })
      .reduceByKey((a, b) => a + b, 4)
      .mapValues((sum) => sum + 1);
    const expected = [0, 1, 2].map((key): [number, number] => [key, 1]);
    for (let x = 0; x < 640; x++) expected[x % 3]![1] += x;
    const byKey = (pairs: [number, number][]) => pairs.sort(([a], [b]) => a - b);
    expect(byKey(await sums.collect())).toEqual(expected);
    expect(killed()).toBe(true);
    const ran = done().length;
    expect(ran).toBeGreaterThan(64 + 4); // some map tasks ran again
    expect(rows.value).toBe(640);
    await whole();
    const holder = sc.tasks.executors().find(({ id }) =>
      done()
        .slice(0, 64)
        .some(({ executor }) => executor === id),
    );
    kill(holder!.pid);
    await until('the second loss', () => run.of('executor-lost').length === lost + 2);
    expect(byKey(await sums.collect())).toEqual(expected);
    expect(done().length).toBeGreaterThan(ran + 4);
    expect(rows.value).toBe(640);
    expect(seen.value.sort((a, b) => a - b)).toEqual([0, 100, 200, 300, 400, 500, 600]);
  });
});

test('a broadcast that nothing refers to any more is dropped everywhere', async () => {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const run = new Run();
  await run.start('local[2]');
  try {
    const { sc } = run;
    const kept = sc.broadcast('kept');
    const use = async () => {
      const table = sc.broadcast(new Float64Array(1000));
      return sc.range(0, 2, 1, 2).map((x) => table.value.length + x).collect(); // biome-ignore format: one thing
    };
    expect(await use()).toEqual([1000, 1001]);
    expect(run.blocks()).toHaveLength(2);
    await until('its blocks to be gone', () => {
      gc();
      return run.blocks().length === 1;
    });
    expect(await sc.range(0, 1).map(() => kept.value).collect()).toEqual(['kept']); // biome-ignore format: one thing
  } finally {
    await run.stop();
  }
});

test('in a submitted job, whose slots load the engine beside its functions', async () => {
  const footprint = new Footprint();
  const job = `${root}test/jobs/shared-variables.ts`;
  const { code, stdout, stderr } = await sheaf(
    ['submit', '--json', '--master', 'local[2]', job],
    footprint.environment,
  );
  footprint.remove();
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ names: ['zero', 'one', 'two'], unknown: 7, isBroadcast: true });
});
