import { restoreFunction } from '../executor/closure/index.js';
import type { Blocks } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Residents, SlotContext } from '../protocol/program.js';
import type { Exchange, RangeState } from '../ps/exchange.js';
import type { Range, RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import { clipScale } from '../ps/optimizer/update-spec.js';
import type { SumBlock } from '../ps/sum-blocks.js';
import {
  addGradientSums,
  type GradientSum,
  reduceNodes,
  subtreeRoots,
  type TreeNode,
  type ValueNode,
} from '../ps/tree.js';
import type { CompiledNetwork, ComputeBackend, ShardData } from './backend.js';
import { loadBackend } from './backends.js';
import { type Committed, readParts } from './committed.js';
import { alignedFloats } from './float-bytes.js';
import { initialTheta, layoutOf } from './layout.js';
import { epochOrder, stepRows } from './numerical-plan.js';
import type { CustomLoss } from './tfjs/custom-loss.js';
import type { TrainingSpec } from './training-spec.js';
import { rangeOptimizer } from './updater.js';

/**
 * One slot's copy of a network in training: weights and the shards it owns are resident, and the optimizer's state over
 * the range of theta that it updates. All replicas of a model go through the same updates and so hold the same bits.
 * Carries (generation, step): orders for another state are refused.
 */
export class Replica {
  generation = -1;
  /** Updates applied since the beginning of the training. */
  step = 0;
  /** The weights after them. */
  theta: Float32Array;
  optimizer: RangeOptimizer;
  /** Blocks of this slot that others may still read. */
  readonly written: Record<'gradients' | 'merged', (readonly SumBlock[])[]> = { gradients: [], merged: [] };
  /** Arrays that take subtree sums, by the first shard below; others get a new one in each step. */
  readonly #sums = new Map<number, Float32Array>();
  readonly #loaded = new Set<number>();
  readonly #orders = new Map<number, { epoch: number; order: Int32Array }>();

  private constructor(
    readonly spec: TrainingSpec,
    readonly backend: ComputeBackend,
    readonly network: CompiledNetwork,
  ) {
    this.theta = alignedFloats(layoutOf(spec.plan.network).length);
    this.optimizer = rangeOptimizer(spec.plan);
  }

  /** The slot's replica of the model, made when it is not there. */
  static async resident(spec: TrainingSpec, slot: SlotContext): Promise<Replica> {
    const id = `replica:${spec.model}`;
    const kept = slot.residents.get<Replica>(id);
    if (kept) return kept;
    const backend = await loadBackend(spec.backend);
    const { plan, loss } = spec;
    const network = await backend.compile(plan.network, {
      precision: plan.precision,
      ...(loss && { loss: restoreFunction(loss) as CustomLoss }),
    });
    const replica = new Replica(spec, backend, network);
    return slot.residents.set(id, spec.model, replica, () => network.dispose());
  }

  static of(model: string, residents: Residents): Replica {
    const replica = residents.get<Replica>(`replica:${model}`);
    if (!replica) throw stateLost(`this slot holds no replica of ${model}`);
    return replica;
  }

  /** Makes a shard resident, in place of what was loaded as this shard before. */
  loadShard(shard: number, data: ShardData): void {
    this.#loaded.add(shard);
    this.network.loadShard(shard, data);
  }

  /** Drops the shards that other slots own by now. */
  keepOnly(owned: readonly number[]): void {
    for (const shard of this.#loaded) {
      if (owned.includes(shard)) continue;
      this.network.dropShard(shard);
      this.#loaded.delete(shard);
      this.#orders.delete(shard);
    }
  }

  /** Begins a generation from a committed state. @param range of theta that this replica updates; absent: all of it */
  async restore(generation: number, { step, parts }: Committed, blocks: Blocks, range?: Range): Promise<void> {
    const { plan } = this.spec;
    const theta = alignedFloats(this.theta.length);
    theta.set(initialTheta(plan.network, plan.seed, plan.initializer));
    this.optimizer = rangeOptimizer(plan, range);
    await readParts(parts, blocks, theta, this.optimizer.range, this.optimizer.slots);
    this.theta = theta;
    this.#sums.clear();
    this.generation = generation;
    this.step = step;
  }

  /** Keeps theta, and the subtree sums over these shards, in memory of an exchange until the generation ends. */
  moveInto({ theta, sums }: NonNullable<Exchange['homes']>, shards: readonly number[]): void {
    theta.set(this.theta);
    this.theta = theta;
    subtreeRoots(shards, this.spec.plan.shards).forEach(({ level, index }, k) => {
      this.#sums.set(index * 2 ** level, sums[k]!);
    });
  }

  /** @throws FailureError `executor-lost` when the replica is not in the state the order is for: its slot has begun anew */
  expect(generation: number, step: number): void {
    if (this.generation !== generation || this.step !== step)
      throw stateLost(
        `the replica is at generation ${this.generation}, step ${this.step}; the order is for generation ${generation}, step ${step}`,
      );
  }

  /** Sums of gradients over the shards' rows of the next step, merged as far up the canonical tree as they reach. */
  gradients(shards: readonly number[]): ValueNode<GradientSum>[] {
    const { plan } = this.spec;
    const epoch = Math.floor(this.step / plan.stepsPerEpoch);
    const batches = shards.map((shard) => ({
      shard,
      rows: stepRows(plan, epoch, shard, this.step % plan.stepsPerEpoch, this.#order(epoch, shard)),
    }));
    const into = ({ level, index }: TreeNode) => this.#sums.get(index * 2 ** level);
    return this.network.sums([{ theta: this.theta, batches, seed: plan.seed, into }], this.step, plan.shards)[0]!;
  }

  /** Merges the sums that together cover all shards, and makes the update. */
  update(nodes: readonly ValueNode<GradientSum>[]): GradientSum {
    const total = reduceNodes(nodes, this.spec.plan.shards, addGradientSums)!;
    const { clipNorm } = this.optimizer.spec;
    const scale = clipNorm === undefined ? 1 : clipScale(clipNorm, this.optimizer.norms(total.gradient), total.weight);
    this.optimizer.update(this.theta, total.gradient, total.weight, this.step + 1, { scale });
    this.adopt();
    return total;
  }

  /** Goes on with the weights that theta holds after one more update. */
  adopt(): void {
    this.step++;
  }

  /** What this replica keeps of the state. */
  state(): RangeState {
    const { range, slots } = this.optimizer;
    return { from: range.from, theta: this.theta.subarray(range.from, range.to), slots };
  }

  #order(epoch: number, shard: number): Int32Array {
    const known = this.#orders.get(shard);
    if (known?.epoch === epoch) return known.order;
    const order = epochOrder(this.spec.plan, epoch, shard);
    this.#orders.set(shard, { epoch, order });
    return order;
  }
}

/** What was resident is gone with an earlier process of the slot: the same answer as to a lost executor. */
function stateLost(message: string): FailureError {
  return new FailureError({ kind: 'executor-lost', executor: '', message });
}
