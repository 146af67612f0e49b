import { restoreFunction } from '../executor/closure/index.js';
import type { BlockRef, Blocks } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Residents, SlotContext } from '../protocol/program.js';
import { type Exchange, type RangeState, type StepTotal, totalOf } from '../ps/exchange.js';
import { alignedFloats, floats } from '../ps/float-bytes.js';
import type { Range, RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import { stepScale, sumInOrder } from '../ps/optimizer/update-spec.js';
import { addGradientSums, addInto, type GradientSum, reduceNodes, subtreeRoots, type ValueNode } from '../ps/tree.js';
import { sumOf } from '../ps/wire/residuals.js';
import type { CompiledNetwork, ComputeBackend, ShardData } from './backend.js';
import { loadBackend } from './backends.js';
import { type Committed, readTheta } from './committed.js';
import { layoutOf } from './layout.js';
import { GradientLearner } from './learners/gradient-learner.js';
import type { Learner, Learnt, WorkerState } from './learners/learner.js';
import { LocalLearner } from './learners/local-learner.js';
import { SearchLearner } from './learners/search-learner.js';
import { epochOrder, stepRows } from './numerical-plan.js';
import { Pace, type PaceState, type Place } from './pace.js';
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
  /** The vector that members exchange, after them: the weights; with l-bfgs the gradient. */
  theta: Float32Array;
  /** Where the training stands; told of every update. */
  pace: Pace;
  optimizer: RangeOptimizer;
  /** What its sums still owe the weights from an exchange that has ended (`Exchange.residual`): goes into the next ones. */
  owed: Float32Array | undefined;
  /** Sums of this slot that others may still read. */
  written: readonly { readonly step: number; readonly block: BlockRef }[] = [];
  /** Arrays that take subtree sums, by the first shard below; others get a new one in each step. */
  readonly #sums = new Map<number, Float32Array>();
  readonly #learner: Learner;
  readonly #loaded = new Map<number, LoadedShard>();
  readonly #orders = new Map<number, { epoch: number; order: Int32Array }>();

  private constructor(
    readonly spec: TrainingSpec,
    readonly backend: ComputeBackend,
    readonly network: CompiledNetwork,
  ) {
    this.theta = alignedFloats(layoutOf(spec.plan.network).length);
    this.optimizer = rangeOptimizer(spec.plan);
    this.pace = new Pace(spec.plan, spec.measure ?? false, 0);
    this.#learner = learnerOf(this);
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

  /** Makes a shard resident. @param checksum of its rows */
  loadShard(shard: number, data: ShardData, checksum: number): void {
    this.network.loadShard(shard, data);
    this.#loaded.set(shard, { bytes: data.features.byteLength, streamed: data.given === 'streamed', checksum });
  }

  /** Of a shard's rows, where it is resident. */
  checksum(shard: number): number | undefined {
    return this.#loaded.get(shard)?.checksum;
  }

  /** Bytes of the features that lie in memory. */
  get residentBytes(): number {
    let sum = 0;
    for (const { bytes, streamed } of this.#loaded.values()) if (!streamed) sum += bytes;
    return sum;
  }

  /** Whether some of its shards are read from disk as they are needed. */
  get streams(): boolean {
    return [...this.#loaded.values()].some(({ streamed }) => streamed);
  }

  /** Drops the shards that other slots own by now. */
  keepOnly(owned: readonly number[]): void {
    for (const shard of this.#loaded.keys()) {
      if (owned.includes(shard)) continue;
      this.network.dropShard(shard);
      this.#loaded.delete(shard);
      this.#orders.delete(shard);
    }
  }

  /** The shards it has, in ascending order. */
  get owned(): readonly number[] {
    return [...this.#loaded.keys()].sort((a, b) => a - b);
  }

  /**
   * Begins a generation from a committed state.
   * @param place range of theta that this replica updates, absent: all of it; where the training stands; residuals of
   *   former members, which it goes on with
   */
  async restore(
    generation: number,
    committed: Committed,
    blocks: Blocks,
    {
      range,
      pace,
      owed = [],
    }: { readonly range?: Range; readonly pace?: PaceState; readonly owed?: readonly BlockRef[] },
  ): Promise<void> {
    const { plan, measure = false } = this.spec;
    const { step, parts } = committed;
    this.pace = new Pace(plan, measure, step, pace);
    this.optimizer = rangeOptimizer(plan, range);
    this.theta = await readTheta(parts, plan, blocks, this.optimizer);
    this.#sums.clear();
    this.written = [];
    if (!committed.salvaged)
      this.owed = sumOf(await Promise.all(owed.map(async (block) => floats(await blocks.get(block)))));
    this.generation = generation;
    this.step = step;
    await this.#learner.begin(committed, blocks);
  }

  /** Keeps theta, and the subtree sums over these shards, in memory of an exchange until the generation ends. */
  moveInto({ theta, sums }: NonNullable<Exchange['homes']>, shards: readonly number[]): void {
    if (this.#learner.exchangesWeights) {
      theta.set(this.theta);
      this.theta = theta;
    }
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

  /** What this member gives to the next merge, merged as far up the canonical tree as its shards reach. */
  sums(shards: readonly number[]): ValueNode<GradientSum>[] {
    const nodes = this.#learner.sums(shards, ({ level, index }) => this.#sums.get(index * 2 ** level));
    if (this.owed && nodes[0]) {
      addInto(nodes[0].value.gradient, this.owed);
      this.owed = undefined;
    }
    return nodes;
  }

  /** Merges the sums that together cover all shards, and makes the update. */
  update(nodes: readonly ValueNode<GradientSum>[]): Learnt {
    const sum = reduceNodes(nodes, this.spec.plan.shards, addGradientSums)!;
    const { clipNorm } = this.optimizer.spec;
    const { measure } = this.spec;
    const norms = measure || clipNorm !== undefined ? this.optimizer.norms(sum.gradient) : [];
    const total: StepTotal = { ...totalOf(sum), ...(measure && { square: sumInOrder(norms) }) };
    const scale = stepScale(this.optimizer.spec, () => norms, sum.weight);
    const { rate } = this.pace;
    this.optimizer.update(this.theta, sum.gradient, sum.weight, this.step + 1, { scale, rate });
    return this.adopt(total);
  }

  /** Goes on with what theta holds after one more update. */
  adopt(total: StepTotal): Learnt {
    const learnt = this.#learner.merged(total);
    this.step++;
    this.pace.add(learnt);
    if (this.step === this.pace.last) this.pace.endEpoch(this.step);
    return learnt;
  }

  /** What this replica keeps of the state. */
  state(): RangeState {
    const { range, slots } = this.optimizer;
    if (this.#learner.state) return this.#learner.state(range);
    return { from: range.from, theta: this.theta.subarray(range.from, range.to), slots };
  }

  /** What it keeps besides, of its shards. */
  workers(): readonly WorkerState[] {
    return this.#learner.workers?.() ?? [];
  }

  /** A shard's rows in a step of an epoch. */
  rows(shard: number, { epoch, plan }: Pick<Place, 'epoch' | 'plan'>, step: number): Int32Array {
    return stepRows(plan, epoch, shard, step, this.#order(epoch, shard));
  }

  #order(epoch: number, shard: number): Int32Array {
    const known = this.#orders.get(shard);
    if (known?.epoch === epoch) return known.order;
    const order = epochOrder(this.spec.plan, epoch, shard);
    this.#orders.set(shard, { epoch, order });
    return order;
  }
}

interface LoadedShard {
  readonly bytes: number;
  readonly streamed: boolean;
  readonly checksum: number;
}

function learnerOf(replica: Replica): Learner {
  const { local, update } = replica.spec.plan;
  if (update.optimizer.kind === 'l-bfgs') return new SearchLearner(replica, update.optimizer);
  return local ? new LocalLearner(replica, local) : new GradientLearner(replica);
}

/** What was resident is gone with an earlier process of the slot: the same answer as to a lost executor. */
function stateLost(message: string): FailureError {
  return new FailureError({ kind: 'executor-lost', executor: '', message });
}
