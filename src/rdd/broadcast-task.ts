import { crc32 } from 'node:zlib';
import { decodeValue, HANDLE, type Handle, type HandleReference, provideHandles } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import { FailureError, toFailure } from '../protocol/failure.js';
import type { SlotContext } from '../protocol/program.js';
import type { TaskMetrics } from '../protocol/task.js';
import { slotMemory } from './memory/slot-memory.js';
import { WeakValues } from './weak-values.js';

/** How functions know a broadcast. */
export interface BroadcastReference {
  readonly id: string;
  /** `broadcast at job.ts:12`, for messages. */
  readonly made: string;
}

/** A broadcast that a stage's functions use, as it travels with the stage: with all who held it then. */
export interface ShippedBroadcast extends BroadcastReference {
  readonly block: BlockRef;
}

/** A broadcast as functions on executors have it: one object a slot, whose value comes and goes. */
class TaskBroadcast implements Handle {
  #held: { readonly value: unknown } | undefined;

  constructor(readonly reference: BroadcastReference) {}

  get value(): unknown {
    if (this.#held) return this.#held.value;
    throw new Error(
      `the value of the ${this.reference.made} is not on this executor: only functions that capture the broadcast themselves bring it along`,
    );
  }

  hold(value: unknown): void {
    this.#held = { value };
  }

  letGo(): void {
    this.#held = undefined;
  }

  [HANDLE](): HandleReference {
    return { kind: 'broadcast', reference: this.reference };
  }
}

const known = new WeakValues<TaskBroadcast>();

/** Called once, by what runs tasks. */
export function provideTaskBroadcasts(): void {
  provideHandles('broadcast', taskBroadcast);
  provideHandles('captured-broadcast', (reference: BroadcastReference) => taskBroadcast(reference).value as object);
}

function taskBroadcast({ id, made }: BroadcastReference): TaskBroadcast {
  return known.get(id) ?? known.set(id, new TaskBroadcast({ id, made }));
}

/**
 * Makes the values of broadcasts resident, those that are not. The first slot of a host that needs a block takes it to
 * its executor; the others read that file.
 * @throws FailureError `fetch-failed` when nobody has the block any more
 */
export async function loadBroadcasts(
  broadcasts: readonly ShippedBroadcast[],
  { blocks, executor, residents }: SlotContext,
  metrics?: TaskMetrics,
): Promise<void> {
  for (const { block, ...reference } of broadcasts) {
    const resident = `broadcast:${reference.id}`;
    if (residents.get(resident)) continue;
    const begun = performance.now();
    const broadcast = taskBroadcast(reference);
    broadcast.hold(decodeValue(await read(reference, spread(block, executor), blocks)));
    // Counts against the slot's memory, and is never evicted: a task may be using it.
    slotMemory()
      .store(resident, 'broadcasts', () => {})
      .grow(block.bytes);
    residents.set(resident, block.scope, broadcast, () => {
      slotMemory().forget(resident);
      broadcast.letGo();
    });
    if (!metrics) continue;
    metrics.fetchMs += performance.now() - begun;
    metrics.bytesIn += block.bytes;
  }
}

async function read({ made }: BroadcastReference, block: BlockRef, blocks: SlotContext['blocks']): Promise<Buffer> {
  try {
    const { at } = await blocks.copy(block, 'host');
    return await blocks.get({ ...block, at: [...at, ...block.at] });
  } catch (error) {
    const failure = toFailure(error);
    if (failure.kind !== 'fetch-failed') throw error;
    const message = `the value of the ${made} cannot be read (was it destroyed while a job used it?): ${failure.message}`;
    throw new FailureError({ ...failure, message });
  }
}

/** Every executor begins with another holder. */
function spread(block: BlockRef, executor: string): BlockRef {
  const first = crc32(executor) % block.at.length;
  return { ...block, at: [...block.at.slice(first), ...block.at.slice(0, first)] };
}
