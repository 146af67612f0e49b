import { describe, expect, it } from 'vitest';
import type { SheafEvent } from '../protocol/event.js';
import { FailureError } from '../protocol/failure.js';
import { EventBus } from './event-bus.js';
import { TaskCounts } from './task-counts.js';
import { slotKey, type TaskResult, type TaskSet, TaskSetError } from './task-set.js';

const set = { job: 'job-0', stage: 3 } as TaskSet;
const block = { id: 'b', scope: 'app', bytes: 1, crc32: 0, at: [] };
const result = (partition: number, amount: number): TaskResult => ({
  ...{ partition, value: null, at: slotKey('e', 0) },
  ...{ counters: { bad: amount }, accumulated: { n: amount } },
});

function counting(accumulate?: TaskCounts['accumulate']) {
  const bus = new EventBus();
  const events: SheafEvent[] = [];
  bus.listen(({ at, ...event }: any) => events.push(event));
  const counts = new TaskCounts(bus);
  const added: number[] = [];
  counts.accumulate =
    accumulate ??
    (async ({ n }) => {
      added.push(n as number);
      return { total: added.reduce((a, b) => a + b, 0) };
    });
  const done = (...results: TaskResult[]) => new Map(results.map((each) => [each.partition, each]));
  return { counts, events, added, done };
}

describe('counts', () => {
  it('are taken in order of partitions, and told once a stage', async () => {
    const { counts, events, added, done } = counting();
    await counts.take('app/job-0:result', set, done(result(2, 20), result(0, 1), result(1, 3)));
    expect(added).toEqual([1, 3, 20]);
    expect(events).toEqual([
      { event: 'dropped', what: 'bad', count: 24 },
      { event: 'accumulators', job: 'job-0', stage: 3, values: { total: 24 } },
    ]);
  });

  it('of a partition that is computed again are not taken again', async () => {
    const { counts, added, done } = counting();
    await counts.take('app:7', set, done(result(0, 1), result(1, 2)));
    await counts.take('app:7', { ...set, stage: 9 }, done(result(1, 2), result(2, 4)));
    await counts.take('app:8', set, done(result(1, 2)));
    expect(added).toEqual([1, 2, 4, 2]);
  });

  it('are taken anew when the scope of what was computed has ended', async () => {
    const { counts, added, done } = counting();
    for (const scope of ['app/other', 'app/job-0']) {
      await counts.take('app/job-0/x:7', set, done(result(0, 1)));
      counts.drop(scope);
    }
    await counts.take('app/job-0/x:7', set, done(result(0, 1)));
    expect(added).toEqual([1, 1]);
  });

  it('that cannot be read are no counts: the task is to run again', async () => {
    let readable = false;
    const added: unknown[] = [];
    const { counts, done } = counting(async (accumulated) => {
      if (!readable) throw new FailureError({ kind: 'fetch-failed', message: 'gone', block });
      added.push(accumulated);
      return {};
    });
    const results = done(result(0, 1), { partition: 1, value: null, at: slotKey('e', 0) });
    const taking = counts.take('app:7', set, results);
    await expect(taking).rejects.toThrow(TaskSetError);
    await expect(taking).rejects.toMatchObject({ failure: { kind: 'fetch-failed' }, partition: 0 });
    expect([...results.keys()]).toEqual([1]);
    readable = true;
    await counts.take('app:7', set, done(result(0, 1)));
    expect(added).toEqual([{ n: 1 }]);
  });

  it('pass on what an accumulator throws', async () => {
    const { counts, done } = counting(async () => {
      throw new TypeError('merge failed');
    });
    await expect(counts.take('app:7', set, done(result(0, 1)))).rejects.toThrow('merge failed');
  });
});
