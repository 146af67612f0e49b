import { totalmem } from 'node:os';

/** Names the budget, in bytes, in a slot's environment: `rdd/memory/slot-memory.ts` reads it there. */
const BUDGET = 'SHEAF_SLOT_MEMORY';

/** Of the machine's memory, for all slots' budgets together; about as much again is what computing takes beside them. */
const BUDGET_SHARE = 0.3;
/** A heap is larger than the budget: rows on their way, closures, and what the collector has not collected yet. */
const HEAP_PER_BUDGET = 2;
const HEAP_BESIDE_BYTES = 512 * 2 ** 20;

/**
 * The budget of a slot where none is set: its share of 30 % of the machine's memory, or of the container's where that has less.
 * @param slots that share the machine
 */
export function defaultSlotMemory(slots: number, machineBytes = machineMemory()): number {
  return Math.floor((BUDGET_SHARE * machineBytes) / Math.max(1, slots));
}

/** Bytes that this process's control group, or the machine, has. */
export function machineMemory(): number {
  const limit = process.constrainedMemory(); // 0 or beyond all machines where there is no limit
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

export function memoryEnvironment(budget: number): NodeJS.ProcessEnv {
  return { [BUDGET]: String(budget) };
}

/** Flags of a slot's process: a heap that holds its budget, unless `NODE_OPTIONS` says how large it is to be. */
export function heapFlags(environment: NodeJS.ProcessEnv): string[] {
  const budget = Number(environment[BUDGET]);
  if (!budget || /--max[-_]old[-_]space[-_]size/.test(environment.NODE_OPTIONS ?? '')) return [];
  return [`--max-old-space-size=${Math.ceil((HEAP_PER_BUDGET * budget + HEAP_BESIDE_BYTES) / 2 ** 20)}`];
}
