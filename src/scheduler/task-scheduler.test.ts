import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../test/support/seeded.js';
import { answers, type Behaviour, METRICS, SimulatedExecutor } from '../../test/support/simulated-executor.js';
import { VirtualClock } from '../../test/support/virtual-clock.js';
import type { TimedEvent } from '../protocol/event.js';
import type { Failure } from '../protocol/failure.js';
import type { TaskOutcome } from '../protocol/task.js';
import { EventBus } from './event-bus.js';
import { type MemoryQueueOptions, memoryQueue } from './queue/memory.js';
import { TaskScheduler } from './task-scheduler.js';
import type { TaskResult, TaskSet } from './task-set.js';

const quick: Behaviour = { takes: () => 10, answer: answers };
const program = { module: 'm', parameters: { id: 'p', scope: 's', bytes: 0, crc32: 0, at: [] } };

function taskSet(stage: number, tasks: number, more: Partial<TaskSet> = {}): TaskSet {
  const specs = Array.from({ length: tasks }, (_, partition) => ({ partition, inputs: null }));
  return { job: `job-${stage}`, stage, stageAttempt: 0, name: `stage ${stage}`, program, tasks: specs, ...more };
}

function failing(failure: Failure): Behaviour['answer'] {
  return (message) => message.tasks.map((task): TaskOutcome => ({ ...task, metrics: METRICS, ok: false, failure }));
}

async function cluster(options: Partial<MemoryQueueOptions> = {}, maxFailures = 4) {
  const clock = new VirtualClock();
  const queue = memoryQueue({ clock, warn: () => {}, ...options });
  const bus = new EventBus(clock);
  const events: TimedEvent[] = [];
  bus.listen((event) => events.push(event));
  const limits = { maxFailures, localityWaitMs: 50, executorWaitMs: 60_000 };
  const scheduler = new TaskScheduler(queue.driver('d'), bus, { driver: 'd', depth: 2, ...limits });
  await scheduler.open();
  const join = (id: string, slots = 2, behaviour = quick, pid = 1, version?: string | null) =>
    new SimulatedExecutor(queue, clock, id, slots, behaviour, pid, version).join();
  /** Runs in virtual time. */
  const finish = async <T>(work: Promise<T>): Promise<T> => {
    let done = false;
    work
      .catch(() => {})
      .finally(() => {
        done = true;
      });
    await clock.until(() => done);
    return work;
  };
  return { clock, queue, scheduler, events, join, finish };
}

const values = (results: readonly TaskResult[]) => results.map(({ partition, value }) => [partition, value]);
const complete = (tasks: number) => Array.from({ length: tasks }, (_, partition) => [partition, partition]);

describe('a task set', () => {
  it('gives one result a task, in partition order', async () => {
    const { scheduler, join, finish } = await cluster();
    await join('a');
    await join('b', 1);
    expect(values(await finish(scheduler.run(taskSet(0, 100))))).toEqual(complete(100));
  });

  it('packs quick tasks into messages, slow ones not', async () => {
    const { scheduler, join, finish } = await cluster();
    const a = await join('a', 2);
    await finish(scheduler.run(taskSet(0, 200, { expectedMs: 0.1 })));
    expect(a.ran.length).toBeLessThan(30);
    const before = a.ran.length;
    await finish(scheduler.run(taskSet(1, 40, { expectedMs: 500 })));
    expect(a.ran.length - before).toBeGreaterThan(10);
  });

  it('learns what tasks take: few messages for many tiny ones, the second time hardly any', async () => {
    const { scheduler, join, finish } = await cluster();
    const a = await join('a', 2, { takes: ({ tasks }) => 0.02 * tasks.length, answer: answers });
    const messagesFor = async (stage: number, tasks: number, name: string) => {
      const before = a.ran.length;
      expect(values(await finish(scheduler.run(taskSet(stage, tasks, { name }))))).toEqual(complete(tasks));
      return a.ran.length - before;
    };
    expect(await messagesFor(0, 256, 'map at job.ts:1')).toBeLessThanOrEqual(8);
    expect(await messagesFor(1, 256, 'map at job.ts:1')).toBeLessThanOrEqual(6);
    expect(await messagesFor(2, 8, 'map at job.ts:2')).toBeLessThanOrEqual(6);
    expect(await messagesFor(3, 8, 'map at job.ts:2')).toBe(2);
  });

  it('waits for a first executor, and says when none comes', async () => {
    const { scheduler, join, finish, clock } = await cluster();
    const running = scheduler.run(taskSet(0, 3));
    await clock.pass(30_000);
    await join('late');
    expect(values(await finish(running))).toEqual(complete(3));
    const lonely = await cluster();
    await expect(lonely.finish(lonely.scheduler.run(taskSet(0, 1)))).rejects.toThrow(
      /no executor joined within 60 s.*sheaf executor/,
    );
  });

  it('goes on with an executor that joins in its middle', async () => {
    const { scheduler, join, finish, clock } = await cluster();
    await join('a', 1, { takes: () => 1000, answer: answers });
    const running = scheduler.run(taskSet(0, 20));
    await clock.pass(2500);
    const b = await join('b', 2, { takes: () => 1000, answer: answers });
    expect(values(await finish(running))).toEqual(complete(20));
    expect(b.ran.length).toBeGreaterThan(8);
  });

  it('fails when no executor is left and none comes, not before', async () => {
    const { scheduler, join, finish, clock, queue } = await cluster();
    const a = await join('a', 1, { takes: () => undefined, answer: answers });
    const running = scheduler.run(taskSet(0, 2));
    running.catch(() => {});
    await clock.pass(100);
    a.die();
    queue.loseExecutor('a', 'its host burnt down');
    await clock.pass(30_000);
    await join('b', 1);
    expect(values(await finish(running))).toEqual(complete(2));

    const again = scheduler.run(taskSet(1, 2, {}));
    queue.loseExecutor('b', 'flood');
    await expect(finish(again)).rejects.toThrow(/no executor is left, and none joined within 60 s.*flood/);
  });

  it('waits for nobody after the end', async () => {
    const { scheduler, finish } = await cluster();
    const slots = scheduler.slotsAvailable(3);
    const running = scheduler.run(taskSet(0, 1));
    for (const work of [slots, running]) work.catch(() => {});
    await scheduler.close();
    await expect(finish(slots)).rejects.toThrow('the application ended');
    await expect(finish(running)).rejects.toMatchObject({ failure: { kind: 'cancelled' } });
    await expect(scheduler.slotsAvailable()).rejects.toThrow('the application ended');
  });

  it('refuses to begin after the end', async () => {
    const { scheduler, join, finish } = await cluster();
    await join('a');
    const running = scheduler.run(taskSet(0, 100));
    running.catch(() => {});
    await finish(scheduler.slotsAvailable());
    await scheduler.close();
    await expect(finish(running)).rejects.toThrow('the application ended');
    await expect(finish(scheduler.run(taskSet(1, 1)))).rejects.toThrow('the application ended');
  });
});

describe('failures', () => {
  it('of user code fail the set at once and cancel the rest by their ids, and nothing else', async () => {
    const { scheduler, join, finish, clock } = await cluster();
    const behaviour: Behaviour = {
      takes: ({ tasks }) => (tasks[0]!.partition === 0 ? 50 : undefined),
      answer: failing({ kind: 'user-error', message: 'no such day' }),
    };
    const a = await join('a', 2, behaviour);
    const stuck = scheduler.run(taskSet(0, 4));
    await expect(finish(stuck)).rejects.toThrow('no such day');
    expect(clock.now()).toBeLessThan(1_000_000 + 1000);
    await clock.pass(100);
    expect(a.holding).toEqual([]);
    const cancelled = a.cancelled.length;
    Object.assign(behaviour, quick);
    expect(values(await finish(scheduler.run(taskSet(0, 4, { stageAttempt: 1 }))))).toEqual(complete(4));
    expect(a.cancelled.length).toBe(cancelled);
  });

  it('of a slot are tried elsewhere, four times in all, and the error says so', async () => {
    const { scheduler, join, finish } = await cluster();
    const lost: Failure = { kind: 'executor-lost', executor: 'a', message: 'slot 0 of a was lost: exit code 3' };
    const poison: Behaviour = {
      takes: () => 5,
      answer: (message) =>
        (message.tasks.some(({ partition }) => partition === 2) ? failing(lost) : answers)(message, 5),
    };
    const [a, b] = [await join('a', 1, poison), await join('b', 1, poison)];
    await expect(finish(scheduler.run(taskSet(0, 6)))).rejects.toThrow('exit code 3 (attempt 4 of 4)');
    const where = [...a.ran, ...b.ran].filter(({ tasks }) => tasks.some(({ partition }) => partition === 2));
    expect(where.map(({ executor }) => executor).sort()).toEqual(['a', 'a', 'b', 'b']);
  });

  it('of a slot where there is no other are tried there', async () => {
    const { scheduler, join, finish } = await cluster();
    let failures = 0;
    const lost: Failure = { kind: 'executor-lost', executor: 'a', message: 'gone' };
    await join('a', 1, { takes: () => 5, answer: (message) => (failures++ < 3 ? failing(lost) : answers)(message, 5) });
    expect(values(await finish(scheduler.run(taskSet(0, 1))))).toEqual(complete(1));
  });

  it('of an executor move its tasks; one of the same name that took its place is another', async () => {
    const { scheduler, join, finish, clock, events } = await cluster();
    const a = await join('a', 1, { takes: () => undefined, answer: answers });
    const running = scheduler.run(taskSet(0, 3));
    await clock.pass(100);
    a.die();
    await join('a', 1, quick, 2);
    expect(values(await finish(running))).toEqual(complete(3));
    expect(events.filter(({ event }) => event === 'executor-lost')).toMatchObject([
      { reason: 'another executor of this name took its place' },
    ]);
  });

  it.each([
    ['0.0.9, protocol 7', 'executor old on h is Sheaf 0.0.9, protocol 7, this driver '],
    [null, 'executor old on h is an older Sheaf, this driver '],
  ])('are not met with by executors of another version: %s', async (version, text) => {
    const { scheduler, join, finish, clock, events } = await cluster();
    const old = await join('old', 2, quick, 1, version);
    const waiting = scheduler.run(taskSet(0, 4));
    await clock.pass(5000);
    expect(scheduler.slots()).toEqual([]);
    expect(events.filter(({ event }) => event === 'warning')).toMatchObject([
      { message: expect.stringContaining(text) },
    ]);
    await join('new', 1);
    expect(values(await finish(waiting))).toEqual(complete(4));
    expect(old.ran).toEqual([]);
    // Started again in the right version.
    old.die();
    await join('old', 1, quick, 2);
    await clock.pass(2000);
    expect(scheduler.executors().map(({ id }) => id)).toEqual(['new', 'old']);
  });

  it('name the executor of another version that nobody else came beside', async () => {
    const { scheduler, join, finish } = await cluster();
    await join('old', 2, quick, 1, null);
    await expect(finish(scheduler.run(taskSet(0, 1)))).rejects.toThrow(
      /no executor joined within 60 s: executor old on h is an older Sheaf/,
    );
  });

  it('of an executor whose process has ended: what it said before is no sign of life', async () => {
    const { scheduler, join, finish, clock } = await cluster({
      random: () => 0.5,
      faults: { heartbeat: { delay: 1, maxDelayMs: 3000 } },
    });
    const a = await join('a', 1, { takes: () => undefined, answer: answers });
    const running = scheduler.run(taskSet(0, 2));
    await clock.pass(2000);
    a.die();
    scheduler.executorGone('a', 'killed');
    await clock.pass(5000);
    expect(scheduler.executors()).toEqual([]);
    await join('b', 1);
    expect(values(await finish(running))).toEqual(complete(2));
  });

  it('of a gang fail it whole', async () => {
    const { scheduler, join, finish, clock, queue } = await cluster();
    const behaviour: Behaviour = { takes: () => undefined, answer: answers };
    const [a, b] = [await join('a', 1, behaviour), await join('b', 1, behaviour)];
    await clock.pass(10);
    const tasks = [
      { partition: 0, inputs: null, prefer: 'a#0' as const },
      { partition: 1, inputs: null, prefer: 'b#0' as const },
    ];
    const running = scheduler.run(taskSet(0, 2, { tasks, gang: true }));
    running.catch(() => {});
    await clock.pass(100);
    a.die();
    queue.loseExecutor('a', 'killed');
    await expect(finish(running)).rejects.toMatchObject({ failure: { kind: 'executor-lost', executor: 'a' } });
    await clock.pass(10);
    expect(b.cancelled.length).toBe(1);
    await expect(finish(scheduler.run(taskSet(1, 2, { tasks, gang: true })))).rejects.toThrow('slot a#0 is gone');
  });
});

describe('templates', () => {
  const inputs: Behaviour = {
    takes: () => 10,
    answer: (message) => answers(message).map((each, k) => ({ ...each, ok: true, value: message.tasks[k]!.inputs })),
  };
  const step = (n: number, installed: boolean) => {
    const tasks = [
      { partition: 0, inputs: ['a', n], prefer: 'a#0' as const },
      { partition: 1, inputs: ['b', n], prefer: 'b#0' as const },
    ];
    return taskSet(n, 2, { tasks, gang: true, template: { scope: 'd/fit/g0', installed } });
  };

  it('are kept by each executor, whose tasks get what is kept and what is new', async () => {
    const { scheduler, join, finish, clock } = await cluster();
    const a = await join('a', 1, inputs);
    await join('b', 1, inputs);
    await clock.pass(10);
    for (const n of [0, 1, 2])
      expect(values(await finish(scheduler.run(step(n, n > 0))))).toEqual([
        [0, ['a', n]],
        [1, ['b', n]],
      ]);
    expect(a.ran.map(({ id, tasks }) => [id, tasks[0]!.stage])).toEqual([
      [expect.stringMatching(/^d-m\d+$/), 0],
      [expect.stringMatching(/^d-m\d+$/), 0],
      [expect.stringMatching(/^d-m\d+$/), 0],
    ]);
  });

  it('that an executor does not know are the loss of it', async () => {
    const { scheduler, join, finish, clock } = await cluster();
    await join('a', 1, inputs);
    await join('b', 1, inputs);
    await clock.pass(10);
    await finish(scheduler.run(step(0, false)));
    scheduler.release('d/fit');
    await clock.pass(10);
    await expect(finish(scheduler.run(step(1, true)))).rejects.toMatchObject({ failure: { kind: 'executor-lost' } });
  });
});

describe('messages', () => {
  it('that the queue lost are sent again', async () => {
    let sent = 0;
    const { scheduler, join, finish } = await cluster({
      random: () => (sent++ === 0 ? 0 : 1),
      faults: { task: { lose: 0.5 } },
    });
    const a = await join('a', 1);
    expect(values(await finish(scheduler.run(taskSet(0, 1))))).toEqual(complete(1));
    expect(sent).toBe(2);
    expect(a.ran.length).toBe(1);
  });

  it('that are too large to travel fail their job, saying which; tasks of large inputs are not packed together', async () => {
    const { scheduler, join, finish } = await cluster();
    const a = await join('a', 1);
    const inputs = (chars: number) => ({
      tasks: Array.from({ length: 40 }, (_, partition) => ({ partition, inputs: 'x'.repeat(chars) })),
      expectedMs: 0.01,
    });
    expect(values(await finish(scheduler.run(taskSet(0, 40, inputs(100_000)))))).toEqual(complete(40));
    expect(a.ran.every(({ tasks }) => tasks.length <= 2)).toBe(true);
    await expect(finish(scheduler.run(taskSet(1, 40, inputs(2_000_000))))).rejects.toThrow(
      /job job-1, stage 1, partition \d+.*MB of JSON/,
    );
  });

  it('that are merely slow are not, neither running nor waiting for a seat', async () => {
    const { scheduler, join, finish } = await cluster();
    const a = await join('a', 1, { takes: () => 120_000, answer: answers });
    expect(values(await finish(scheduler.run(taskSet(0, 3))))).toEqual(complete(3));
    expect(new Set(a.ran.map(({ id }) => id)).size).toBe(3);
    expect(a.ran.length).toBe(3);
  });

  it('whose result was lost run again, with the same answer', async () => {
    let results = 0;
    const { scheduler, join, finish } = await cluster({
      random: () => (results++ === 0 ? 0 : 1),
      faults: { result: { lose: 0.5 } },
    });
    const a = await join('a', 1);
    expect(values(await finish(scheduler.run(taskSet(0, 1))))).toEqual(complete(1));
    expect(a.ran.map(({ id }) => id)).toEqual([a.ran[0]!.id, a.ran[0]!.id]);
  });

  it('whose cancellation was lost are cancelled again', async () => {
    let controls = 0;
    const { scheduler, join, clock, finish } = await cluster({
      random: () => (controls++ === 0 ? 0 : 1),
      faults: { control: { lose: 0.5 } },
    });
    const a = await join('a', 1, { takes: () => undefined, answer: answers });
    const running = scheduler.run(taskSet(0, 1));
    running.catch(() => {});
    await clock.pass(1500);
    scheduler.cancel('job-0', 'enough');
    await expect(finish(running)).rejects.toThrow('enough');
    await clock.pass(10);
    expect(a.holding.length).toBe(1);
    await clock.pass(5000);
    expect(a.holding).toEqual([]);
  });
});

/** One random history: executors come, die and leave; slots die; messages are lost, doubled, late; sets run together. */
async function history(seed: number): Promise<{ virtualSeconds: number; lost: number }> {
  const random = seeded(seed);
  const rate = () => random() * 0.2;
  const letter = () => ({ lose: rate(), duplicate: rate(), delay: rate() * 3, maxDelayMs: 500 + random() * 3000 });
  const { scheduler, join, clock, queue, events } = await cluster(
    {
      random,
      faults: {
        task: letter(),
        result: letter(),
        control: letter(),
        heartbeat: { lose: rate(), delay: rate(), maxDelayMs: 400 },
      },
    },
    1000,
  );
  const lostSlot: Failure = { kind: 'executor-lost', executor: '', message: 'slot lost' };
  const slotLoss = random() * 0.1;
  const behaviour: Behaviour = {
    takes: () => 1 + random() * 800,
    answer: (message, ms) => (random() < slotLoss ? failing(lostSlot) : answers)(message, ms),
  };
  const alive = new Set<SimulatedExecutor>();
  let names = 0;
  const add = async () => void alive.add(await join(`e${names++}`, 1 + Math.floor(random() * 3), behaviour));
  await add();
  await add();
  const sizes = Array.from({ length: 3 }, () => 1 + Math.floor(random() * 40));
  let done = 0;
  const runs = sizes.map(async (size, stage) => {
    const tasks = Array.from({ length: size }, (_, partition) => ({
      ...{ partition, inputs: null },
      prefer: random() < 0.3 ? (`e${Math.floor(random() * 3)}#0` as const) : undefined,
    }));
    const expectedMs = random() < 0.5 ? 1 : undefined;
    const results = await scheduler.run(taskSet(stage, size, { tasks, expectedMs }));
    done++;
    return results;
  });
  const all = Promise.all(runs);
  all.catch(() => {});
  let disasters = Math.floor(random() * 8);
  const disaster = () => {
    if (disasters-- <= 0 || done === sizes.length) return;
    clock.after(random() * 4000, async () => {
      const victim = [...alive][Math.floor(random() * alive.size)];
      if (victim && random() < 0.7) {
        alive.delete(victim);
        victim.die();
        // Later than its last heartbeat can arrive: a queue tells of an end after what was said before it.
        const end = random() < 0.3 ? 'it said goodbye' : 'its lease ended';
        clock.after(500 + random() * 5000, () => queue.loseExecutor(victim.info.id, end));
      }
      if (random() < 0.6 || alive.size === 0) await add();
      disaster();
    });
  };
  const begun = clock.now();
  disaster();
  await clock.until(() => done === sizes.length);
  for (const [stage, results] of (await all).entries()) expect(values(results)).toEqual(complete(sizes[stage]!));
  const virtualSeconds = (clock.now() - begun) / 1000;
  await scheduler.close();
  return { virtualSeconds, lost: events.filter(({ event }) => event === 'executor-lost').length };
}

describe('under hundreds of random histories', () => {
  it('every task set completes, with each result once', async () => {
    let losses = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        losses += (await history(seed)).lost;
      }),
      { seed: 20260101, numRuns: 300 },
    );
    expect(losses).toBeGreaterThan(300);
  });
});
