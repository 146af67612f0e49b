import { FailureError } from '../protocol/failure.js';
import type { Residents, SlotContext } from '../protocol/program.js';
import type { SumBlock } from '../ps/sum-blocks.js';
import { addGradientSums, type GradientSum, mergeNodes, reduceNodes, type ValueNode } from '../ps/tree.js';
import type { CompiledNetwork, ComputeBackend } from './backend.js';
import { loadBackend } from './backends.js';
import { initialTheta } from './layout.js';
import { epochOrder, stepRows } from './numerical-plan.js';
import type { TrainingSpec } from './training-spec.js';
import { meanOf } from './updater.js';

/**
 * One slot's copy of a network in training: weights, optimizer state and the shards it owns are resident. All replicas
 * of a model go through the same updates and so hold the same bits. Carries (generation, step): orders for another
 * state are refused.
 */
export class Replica {
  generation = -1;
  /** Updates applied since the beginning of the training. */
  step = 0;
  /** Blocks of this slot that others may still read. */
  readonly written: Record<'gradients' | 'merged', (readonly SumBlock[])[]> = { gradients: [], merged: [] };
  readonly #loaded = new Set<number>();
  readonly #orders = new Map<number, { epoch: number; order: Int32Array }>();

  private constructor(
    readonly spec: TrainingSpec,
    readonly backend: ComputeBackend,
    readonly network: CompiledNetwork,
  ) {}

  /** The slot's replica of the model, made when it is not there. */
  static async resident(spec: TrainingSpec, slot: SlotContext): Promise<Replica> {
    const id = `replica:${spec.model}`;
    const kept = slot.residents.get<Replica>(id);
    if (kept) return kept;
    const backend = await loadBackend(spec.backend);
    const network = await backend.compile(spec.plan.network, spec.plan.optimizer);
    const replica = new Replica(spec, backend, network);
    return slot.residents.set(id, spec.model, replica, () => network.dispose());
  }

  static of(model: string, residents: Residents): Replica {
    const replica = residents.get<Replica>(`replica:${model}`);
    if (!replica) throw stateLost(`this slot holds no replica of ${model}`);
    return replica;
  }

  /** Makes a shard resident, in place of what was loaded as this shard before. */
  loadShard(shard: number, features: Float32Array, labels: Int32Array | Float32Array): void {
    this.#loaded.add(shard);
    this.network.loadShard(shard, features, labels);
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

  /** Begins a generation from a committed state, or from the initial weights. */
  restore(generation: number, step: number, state: Float32Array | undefined): void {
    const { network } = this;
    const { plan } = this.spec;
    const initial = new Float32Array(network.stateLength);
    if (!state) initial.set(initialTheta(plan.network, plan.seed, plan.initializer));
    network.setState(state ?? initial);
    this.generation = generation;
    this.step = step;
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
    const nodes = shards.map((shard): ValueNode<GradientSum> => {
      const rows = stepRows(plan, epoch, shard, this.step % plan.stepsPerEpoch, this.#order(epoch, shard));
      const { gradient, lossSum } = this.network.gradient(shard, rows);
      return { level: 0, index: shard, value: { gradient, lossSum, rows: rows.length } };
    });
    return mergeNodes(nodes, plan.shards, addGradientSums);
  }

  /** Merges the sums that together cover all shards, and makes the update. */
  update(nodes: readonly ValueNode<GradientSum>[]): GradientSum {
    const total = reduceNodes(nodes, this.spec.plan.shards, addGradientSums)!;
    this.step++;
    if (total.rows > 0) this.network.apply(meanOf(total.gradient, total.rows), this.step);
    return total;
  }

  /** Takes over the weights that a parameter server computed for the next step. */
  adopt(theta: Float32Array): void {
    this.network.setTheta(theta);
    this.step++;
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
