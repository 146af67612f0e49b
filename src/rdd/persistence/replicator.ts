import type { BlockRef, Blocks } from '../../protocol/block.js';
import type { Json } from '../../protocol/json.js';
import { STORAGE_LEVELS, stagedScope } from '../../protocol/storage.js';
import { HOST_SEAT, type ProgramRef } from '../../protocol/task.js';
import type { DagScheduler } from '../../scheduler/dag-scheduler.js';
import { holdersOf, type StoredPartition } from '../../scheduler/storage-registry.js';
import { slotKey } from '../../scheduler/task-set.js';
import type { CopyOrder } from './copy-program.js';

/** A partition that one executor should take from another. */
interface Copy {
  readonly stored: StoredPartition;
  readonly to: string;
  readonly order: CopyOrder;
}

/**
 * Sees to the second copies of the levels `…_2`: after each stage, partitions that are on one executor only are pulled by
 * another one, by order of the driver. A copy that fails is tried again after the next stage; until then the partition
 * is as safe as without a copy.
 */
export class Replicator {
  #program: ProgramRef | undefined;
  #copies = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(
    readonly app: string,
    readonly dag: DagScheduler,
    readonly blocks: Blocks,
  ) {}

  /** Resolves when all that can be copied has been. */
  run(): Promise<void> {
    this.#running = this.#running.then(() => this.#copyAll());
    return this.#running;
  }

  async #copyAll(): Promise<void> {
    const { storage, tasks } = this.dag;
    const executors = tasks.executors().map(({ id }) => id);
    const copies = storage
      .rdds()
      .filter(({ level }) => STORAGE_LEVELS[level].replicas > 1)
      .flatMap(({ scope, level }) => planCopies(storage.partitions(scope), executors, STORAGE_LEVELS[level].disk));
    if (copies.length === 0) return;
    try {
      await this.#copy(copies);
    } catch (error) {
      const message = `copies of persisted partitions could not be made, and will be tried again: ${(error as Error).message}`;
      tasks.bus.emit({ event: 'warning', message });
    }
  }

  async #copy(copies: readonly Copy[]): Promise<void> {
    const { dag, app } = this;
    const results = await dag.tasks.run({
      ...{ job: `${app}-copies`, stage: this.#copies++, stageAttempt: 0, name: 'copies of persisted partitions' },
      program: await this.#copyProgram(),
      tasks: copies.map(({ to, order }, partition) => ({
        partition,
        inputs: order as unknown as Json,
        prefer: slotKey(to, HOST_SEAT),
      })),
      ...{ gang: true, host: true, quiet: true },
    });
    for (const { partition, value } of results) {
      const { scope, partition: stored } = copies[partition]!.stored;
      dag.storage.copied(scope, stored, value as unknown as BlockRef[]);
      if (copies[partition]!.order.disk) continue;
      dag.tasks.release(stagedScope(scope, stored));
    }
  }

  async #copyProgram(): Promise<ProgramRef> {
    this.#program ??= {
      module: 'rdd/persistence/copy-program',
      parameters: await this.blocks.put('copy-program', this.app, new Uint8Array(1), { code: true }),
    };
    return this.#program;
  }
}

/** Which partitions are to be copied where: each to the executor that holds fewest of them. Pure. */
export function planCopies(stored: readonly StoredPartition[], executors: readonly string[], disk: boolean): Copy[] {
  const load = new Map(executors.map((executor) => [executor, 0]));
  const holders = new Map(stored.map((each) => [each, holdersOf(each)]));
  for (const at of holders.values())
    for (const holder of at) if (load.has(holder)) load.set(holder, load.get(holder)! + 1);
  const copies: Copy[] = [];
  for (const [each, at] of holders) {
    const { scope, partition, blocks } = each;
    if (at.size !== 1 || !blocks) continue;
    const [to] = [...load].filter(([executor]) => !at.has(executor)).sort((a, b) => a[1] - b[1])[0] ?? [];
    if (!to) continue;
    load.set(to, load.get(to)! + 1);
    copies.push({ stored: each, to, order: { scope: `${scope}/${partition}`, blocks, disk } });
  }
  return copies;
}
