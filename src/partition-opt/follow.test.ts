import { expect, it } from 'vitest';
import type { SheafContext } from '../rdd/context.js';
import { EventBus } from '../scheduler/event-bus.js';
import { follow } from './follow.js';

/** What `plan-measured` says of a stage of two tasks of 40 ms, side by side, in 100 ms. */
function measured(queueMs: number): number | undefined {
  const bus = new EventBus();
  let found: number | undefined;
  bus.listen((event) => {
    if (event.event === 'plan-measured') found = event.measuredMs;
  });
  const plan = { source: 1, what: 'partitions', bytes: [10, 10], firstMs: 0, warm: true, learned() {} };
  follow(plan, { bus } as unknown as SheafContext);
  const stage = { job: 'j', stage: 0, stageAttempt: 0 };
  bus.emit({ event: 'stage-start', ...stage, name: 's', tasks: 2, sources: [1] });
  for (const partition of [0, 1]) {
    const metrics = { queueMs, fetchMs: 0, computeMs: 40, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 };
    bus.emit({ event: 'task-end', ...stage, partition, attempt: 0, executor: 'e', slot: partition, metrics });
  }
  bus.emit({ event: 'stage-end', ...stage, ok: true, ms: 100 });
  return found;
}

it('leaves out what slots waited, never more than they can have, however the clocks of machines differ', () => {
  expect(measured(10)).toBe(90);
  expect(measured(5000)).toBe(40);
});
