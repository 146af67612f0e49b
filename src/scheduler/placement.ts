import { HOST_SEAT, type TaskMessage } from '../protocol/task.js';
import type { Seat } from './executor-roster.js';
import { deviceAmong } from './slot-device.js';
import type { SlotKey, TaskSet, TaskSetState } from './task-set.js';

/** Tasks that go to a seat in one message. */
export interface Placement {
  readonly seat: Seat;
  readonly state: TaskSetState;
  readonly tasks: TaskMessage['tasks'];
}

export interface Seats {
  readonly slots: readonly Seat[];
  /** For work of executors' own processes. */
  readonly hosts: readonly Seat[];
  /** Messages that each holds; absent: none. */
  readonly load: ReadonlyMap<SlotKey, number>;
  /** Messages that each may hold. */
  readonly depth: number;
}

/**
 * Deals what waits to seats that have room: a first message to each, then a second while a set has enough for all slots. Sets are
 * asked in their order, and give their tasks away.
 */
export function placed(
  states: readonly TaskSetState[],
  { slots, hosts, load, depth }: Seats,
  now: number,
): Placement[] {
  const seats = [...slots, ...hosts];
  const alive = new Set(seats.map(({ key }) => key));
  const placements: Placement[] = [];
  const given = new Map(load);
  for (let level = 0; level < depth; level++)
    for (const seat of seats) {
      const held = given.get(seat.key) ?? 0;
      if (held > level) continue;
      for (const state of states) {
        if (!mayRunIn(seat, state.set, slots)) continue;
        if (level > 0 && state.waiting < slots.length && !state.set.gang) continue;
        const tasks = state.next(seat.key, alive, slots.length, now);
        if (tasks.length === 0) continue;
        placements.push({ seat, state, tasks });
        given.set(seat.key, held + 1);
        break;
      }
    }
  return placements;
}

/** Whether a set's tasks may run in a seat of this kind, as things are. */
function mayRunIn({ index, device }: Seat, { host = false, device: wanted }: TaskSet, slots: readonly Seat[]): boolean {
  if ((index === HOST_SEAT) !== host) return false;
  return host || wanted === undefined || device === deviceAmong(wanted, slots);
}
