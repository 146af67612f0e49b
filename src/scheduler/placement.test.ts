import { describe, expect, it } from 'vitest';
import { HOST_SEAT } from '../protocol/task.js';
import type { Seat } from './executor-roster.js';
import { placed, type Seats } from './placement.js';
import { type SlotKey, slotKey, type TaskSet, TaskSetState } from './task-set.js';

const seat = (executor: string, index: number, device: 'cpu' | 'gpu' = 'cpu') =>
  ({ key: slotKey(executor, index), executor: { id: executor }, index, device }) as Seat;
const state = (tasks: number, set: Partial<TaskSet> = {}, prefer?: (k: number) => SlotKey) =>
  new TaskSetState(
    {
      ...{ job: 'j', stage: 0, stageAttempt: 0, name: 's', program: {} as TaskSet['program'], expectedMs: 1000 },
      tasks: Array.from({ length: tasks }, (_, k) => ({ partition: k, inputs: null, prefer: prefer?.(k) })),
      ...set,
    },
    0,
    { maxFailures: 1, localityWaitMs: 100 },
  );
const dealt = (states: readonly TaskSetState[], seats: Partial<Seats>) =>
  placed(states, { slots: [], hosts: [], load: new Map(), depth: 1, ...seats }, 0).map(
    ({ seat: at, state: from, tasks }) => [at.key, states.indexOf(from), tasks.map(({ partition }) => partition)],
  );

describe('what waits is dealt', () => {
  const slots = [seat('a', 0), seat('a', 1)];

  it('to each slot that has room, sets in their order', () => {
    expect(dealt([state(1), state(3)], { slots })).toEqual([
      ['a#0', 0, [0]],
      ['a#1', 1, [0]],
    ]);
    expect(dealt([state(3)], { slots, load: new Map([[slotKey('a', 0), 1]]) })).toEqual([['a#1', 0, [0]]]);
  });

  it('a second time only while there is enough for all slots', () => {
    const first = [
      ['a#0', 0, [0]],
      ['a#1', 0, [1]],
    ];
    expect(dealt([state(3)], { slots, depth: 2 })).toEqual(first);
    expect(dealt([state(4)], { slots, depth: 2 })).toEqual([...first, ['a#0', 0, [2]]]);
    const load = new Map(slots.map(({ key }) => [key, 1]));
    expect(dealt([state(1)], { slots, depth: 2, load })).toEqual([]);
    const round = state(1, { gang: true }, () => slots[0]!.key);
    expect(dealt([round], { slots, depth: 2, load })).toEqual([['a#0', 0, [0]]]);
  });

  it('to executors themselves where it is theirs, and to nobody else', () => {
    const hosts = [seat('a', HOST_SEAT)];
    expect(dealt([state(1, { host: true, device: 'gpu' }), state(1)], { slots: slots.slice(1), hosts })).toEqual([
      ['a#1', 1, [0]],
      [slotKey('a', HOST_SEAT), 0, [0]],
    ]);
  });

  it('to slots of the kind that is wanted', () => {
    const mixed = [seat('a', 0, 'gpu'), seat('a', 1)];
    expect(dealt([state(4, { device: 'auto' })], { slots: mixed })).toEqual([['a#0', 0, [0]]]);
    expect(dealt([state(4, { device: 'cpu' })], { slots: mixed })).toEqual([['a#1', 0, [0]]]);
    expect(dealt([state(4, { device: 'gpu' })], { slots })).toEqual([]);
  });
});
