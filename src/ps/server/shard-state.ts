import type { RangeState, StepTotal } from '../exchange.js';
import type { Range, RangeOptimizer } from '../optimizer/range-optimizer.js';
import { learningRateAt, type UpdateSpec } from '../optimizer/update-spec.js';
import type { OrderedSum } from '../vector/kernels.js';
import { type ClockEntry, VectorClock } from './vector-clock.js';

/** An update of a shard, but for the gradients: enough for a replica to make the same one. */
export interface ShardUpdate {
  /** Members whose pushes are in it, with their clocks afterwards. */
  readonly clocks: readonly ClockEntry[];
  /** What the sum is divided by. */
  readonly weight: number;
  /** Step of the optimizer, from 1: updates that its slots have seen, with this one. */
  readonly step: number;
  /** Learning rate; absent: that of the step. */
  readonly rate?: number;
  /** What clipping by the global norm multiplies the mean gradient by; absent: nothing. */
  readonly scale?: number;
  /** How much of a step of all rows it is. */
  readonly progress: number;
  /** Of a step of all members. */
  readonly total?: StepTotal;
}

/** What a shard's state is besides vectors. */
export interface ShardCounters {
  /** Updates made here, for order between primary and replicas. */
  readonly version: number;
  readonly updates: number;
  readonly start: number;
  readonly clocks: readonly ClockEntry[];
  readonly progress: number;
  readonly total: StepTotal | null;
}

/**
 * The ranges of theta that one server owns, or replicates: values and optimizer's slots, and which pushes are in them.
 * Vectors of a shard are its ranges one after another.
 */
export class ShardState {
  readonly length: number;
  readonly theta: Float32Array;
  version = 0;
  /** Updates that the optimizer's slots have seen. */
  updates: number;
  clocks: VectorClock;
  /** Steps of all rows that updates so far amount to. */
  progress: number;
  /** Of the latest synchronous step. */
  total: StepTotal | undefined;

  /**
   * @param optimizers one a range, ascending; with the state they begin with
   * @param theta values of each range
   * @param step updates made before
   */
  constructor(
    readonly optimizers: readonly RangeOptimizer[],
    theta: readonly Float32Array[],
    step: number,
  ) {
    this.length = this.ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    this.theta = new Float32Array(this.length);
    this.views(this.theta).forEach((view, k) => void view.set(theta[k]!));
    this.clocks = new VectorClock(step);
    this.progress = step;
    this.updates = step;
  }

  get ranges(): Range[] {
    return this.optimizers.map(({ range }) => range);
  }

  /** A vector of the shard, cut into its ranges. */
  views(vector: Float32Array): Float32Array[] {
    let at = 0;
    return this.ranges.map(({ from, to }) => {
      at += to - from;
      return vector.subarray(at - (to - from), at);
    });
  }

  get spec(): UpdateSpec {
    return this.optimizers[0]!.spec;
  }

  /** @param step of all rows, from 1 */
  learningRate(step: number, stepsPerEpoch?: number): number {
    return learningRateAt(this.spec, step, stepsPerEpoch);
  }

  /** Sums of squares of each range's chunks. @param sums of gradients, one a range */
  norms(sums: readonly Float32Array[]): Float64Array[] {
    return this.optimizers.map((optimizer, k) => optimizer.norms(sums[k]!));
  }

  /** @param sums of gradients, one a range; unchanged */
  apply(update: ShardUpdate, sums: readonly OrderedSum[]): void {
    const { weight, step, rate, scale } = update;
    const thetas = this.views(this.theta);
    this.optimizers.forEach((optimizer, k) => {
      optimizer.update(thetas[k]!, sums[k]!, weight, step, { rate, scale });
    });
    for (const [member, clock] of update.clocks) this.clocks.set(member, clock);
    // Parts of a step, added up, are seldom whole steps to the last bit; steps of all members are.
    this.progress = update.total ? step : this.progress + update.progress;
    this.total = update.total;
    this.updates = step;
    this.version++;
  }

  /** For committing: what each range holds. */
  states(): RangeState[] {
    const thetas = this.views(this.theta);
    return this.optimizers.map(({ range, slots }, k) => ({ from: range.from, theta: thetas[k]!, slots }));
  }

  counters(): ShardCounters {
    const { version, updates, clocks, progress, total = null } = this;
    return { version, updates, start: clocks.start, clocks: clocks.entries(), progress, total };
  }

  /** Theta, then every range's slots: where a whole state is copied from, and to. */
  vectors(): Float32Array[] {
    return [this.theta, ...this.optimizers.flatMap(({ slots }) => slots)];
  }

  /** After `vectors` have been filled from another's. */
  adopt({ version, updates, start, clocks, progress, total }: ShardCounters): void {
    this.version = version;
    this.updates = updates;
    this.clocks = new VectorClock(start, clocks);
    this.progress = progress;
    this.total = total ?? undefined;
  }
}
