import type { Json } from '../../protocol/json.js';
import { STORAGE_LEVELS, type StorageLevelName } from '../../protocol/storage.js';
import type { DagScheduler } from '../../scheduler/dag-scheduler.js';
import { type LineageNode, reachable } from '../../scheduler/lineage.js';
import { partitionCount } from '../../scheduler/partition-input.js';
import { bytesOf } from '../../scheduler/storage-registry.js';
import type { RddBase } from '../operators/base.js';
import { type CheckpointDirectory, openCheckpointDirectory, writeCheckpoint } from './checkpoint.js';
import { cutLineage } from './cut-lineage.js';
import { requireLevel, withDisk } from './storage-level.js';

/** One persisted RDD, as `sc.getRDDStorageInfo()` tells. */
export interface RDDStorageInfo {
  readonly id: number;
  /** Operator and line. */
  readonly name: string;
  readonly level: StorageLevelName;
  /** Undefined before the first job that needed it. */
  readonly partitions: number | undefined;
  /** Of them, those that are somewhere. */
  readonly cachedPartitions: number;
  readonly memoryBytes: number;
  /** Encoded, of one copy. */
  readonly diskBytes: number;
}

interface Checkpoint {
  readonly kind: 'reliable' | 'local';
  state: 'wanted' | 'made';
  making?: Promise<void>;
  path?: string;
}

/**
 * The driver's side of persistence: what is to be kept, and which lineages end at a checkpoint. Lineages are cut only
 * while no job runs: a running job's stages were made of the lineage as it was.
 */
export class Persistence {
  readonly #checkpoints = new WeakMap<LineageNode, Checkpoint>();
  readonly #cuts: (() => void)[] = [];
  /** A table's node, say, alone does not tell that it is one. */
  readonly #owners = new WeakMap<LineageNode, RddBase<any>>();
  /** What nobody can ask for any more is dropped everywhere. */
  readonly #unreachable = new FinalizationRegistry<string>((scope) => this.dag.release(scope));
  #generations = 0;
  #running = 0;
  #anyCheckpoint = false;
  #directory: CheckpointDirectory | undefined;

  constructor(
    readonly app: string,
    readonly dag: DagScheduler,
  ) {}

  persist(rdd: RddBase<any>, level: StorageLevelName): void {
    requireLevel(level);
    const { node } = rdd;
    const known = node.persisted?.level;
    if (known === level) return;
    if (known)
      throw new Error(`${node.name} is persisted with level ${known} already; unpersist it before it gets ${level}`);
    const scope = `${this.app}/rdd-${node.id}-${this.#generations++}`;
    this.#persist(node, level, scope);
    this.#owners.set(node, rdd);
    this.#unreachable.register(node, scope, node);
    if (STORAGE_LEVELS[level].replicas > 1 && this.dag.tasks.executors().length < 2) {
      const message = `${node.name} is persisted with level ${level}, and there is one executor: no copies until there are more`;
      this.dag.tasks.bus.emit({ event: 'warning', message });
    }
  }

  #persist(node: LineageNode, level: StorageLevelName, scope: string): void {
    node.persisted = { level, scope };
    this.dag.storage.open({ level, scope, id: node.id, node: new WeakRef(node) });
  }

  unpersist(node: LineageNode): void {
    const { scope } = node.persisted ?? {};
    node.persisted = undefined;
    this.#unreachable.unregister(node);
    if (scope) this.dag.release(scope);
  }

  /** All that are persisted, in the order in which that was asked for. */
  rdds(): RddBase<any>[] {
    return this.dag.storage.rdds().flatMap(({ node }) => this.#owners.get(node.deref()!) ?? []);
  }

  info(): RDDStorageInfo[] {
    const { storage } = this.dag;
    return this.rdds().map(({ node }) => {
      const { level, scope } = node.persisted!;
      const stored = storage.partitions(scope);
      const memory = stored.flatMap((each) => [...each.memory.values()]);
      return {
        ...{ id: node.id, name: node.name, level, partitions: plannedCount(node), cachedPartitions: stored.length },
        memoryBytes: memory.reduce((a, b) => a + b, 0),
        diskBytes: stored.reduce((sum, { blocks }) => sum + bytesOf(blocks), 0),
      };
    });
  }

  setDirectory(path: string): void {
    this.#directory = openCheckpointDirectory(path, this.app);
  }

  checkpoint(node: LineageNode): void {
    if (!this.#directory)
      throw new Error('checkpoint needs a directory: call sc.setCheckpointDir(path) with one that all executors see');
    this.#want(node, 'reliable');
  }

  localCheckpoint(rdd: RddBase<any>): void {
    const { node } = rdd;
    if (this.#checkpoints.get(node)?.state === 'made') return;
    const { level, scope } = node.persisted ?? {};
    if (!level) this.persist(rdd, 'MEMORY_AND_DISK');
    else this.#persist(node, withDisk(level), scope!);
    this.#want(node, 'local');
  }

  #want(node: LineageNode, kind: Checkpoint['kind']): void {
    if (this.#checkpoints.get(node)?.state === 'made') return;
    this.#checkpoints.set(node, { kind, state: 'wanted' });
    this.#anyCheckpoint = true;
  }

  isCheckpointed(node: LineageNode): boolean {
    return this.#checkpoints.get(node)?.state === 'made';
  }

  checkpointFile(node: LineageNode): string | undefined {
    return this.#checkpoints.get(node)?.path;
  }

  /** Runs a job over `top` when the checkpoints that it is above have been made. */
  async around<T>(top: LineageNode, job: () => Promise<T>): Promise<T> {
    if (this.#anyCheckpoint) await this.#makeBelow(top);
    this.#running++;
    try {
      return await job();
    } finally {
      this.#ended();
    }
  }

  /** Parents first, so that each is computed from the files of those below. */
  async #makeBelow(top: LineageNode): Promise<void> {
    for (const node of reachable(top)) {
      const checkpoint = this.#checkpoints.get(node);
      if (checkpoint?.state !== 'wanted') continue;
      checkpoint.making ??= this.#make(node, checkpoint).finally(() => {
        checkpoint.making = undefined;
      });
      await checkpoint.making;
    }
  }

  async #make(node: LineageNode, checkpoint: Checkpoint): Promise<void> {
    this.#running++;
    try {
      if (checkpoint.kind === 'reliable') {
        const { path, splits } = await writeCheckpoint(node, this.#directory!, this.dag);
        checkpoint.path = path;
        this.#cuts.push(() => this.#cut(node, 'rdd/persistence/checkpoint-reader', path, splits));
      } else {
        await this.#keepAll(node);
        const splits = Array.from({ length: partitionCount(node) }, (_, partition) => partition);
        this.#cuts.push(() => this.#cut(node, 'rdd/persistence/local-checkpoint-reader', node.name, splits));
      }
      checkpoint.state = 'made';
    } finally {
      this.#ended();
    }
  }

  #ended(): void {
    if (--this.#running === 0) for (const cut of this.#cuts.splice(0)) cut();
  }

  #cut(node: LineageNode, module: string, options: Json, splits: readonly Json[]): void {
    const outputs = node.step.kind === 'shuffle-read' ? node.shuffle?.scope : undefined;
    cutLineage(node, module, options, splits);
    if (outputs) this.dag.release(outputs); // nobody reads them any more
  }

  /** @throws Error when not all could be kept */
  async #keepAll(node: LineageNode): Promise<void> {
    const name = `local checkpoint of ${node.name}`;
    await this.dag.run({ top: node, terminal: { kind: 'count' }, name }, async () => undefined);
    const missing = partitionCount(node) - this.dag.storage.partitions(node.persisted!.scope).length;
    if (missing > 0) throw new Error(`${name}: ${missing} partitions could not be kept (is the executors' disk full?)`);
  }
}

function plannedCount(node: LineageNode): number | undefined {
  try {
    return partitionCount(node);
  } catch {
    return undefined; // its sources are not planned yet
  }
}
