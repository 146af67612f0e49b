import { alignedFloats } from '../ps/float-bytes.js';
import type { RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import { stepScale } from '../ps/optimizer/update-spec.js';
import type { GradientSum } from '../ps/tree.js';
import type { Batch, CompiledNetwork } from './backend.js';
import { epochOrder, type NumericalPlan, stepRows } from './numerical-plan.js';
import { rangeOptimizer } from './updater.js';

/** What became of one of many networks. */
export interface ManyResult {
  readonly theta: Float32Array;
  /** Mean loss of each epoch. */
  readonly losses: readonly number[];
  /** Where its loss, or, without one, a weight, was no number any more; then `theta` holds the weights after `goodStep` updates. */
  readonly diverged?: { readonly step: number; readonly lossSum?: number; readonly goodStep: number };
}

/**
 * Networks of one shape in training together on all shards of the same rows, by one process alone: each step is one native
 * call for all of them. Every network goes through the numbers it goes through when it is trained alone.
 */
export class ManyNetworks {
  readonly #members: Member[];
  readonly #shards: readonly number[];
  /** Row orders of an epoch, by seed; networks of one seed share the arrays, and the look-up of their rows. */
  readonly #orders = new Map<number, readonly Int32Array[]>();
  #step = 0;

  /**
   * @param network all shards are resident in it
   * @param plans of one network, rows, batch, shards and epochs; seeds and updates may differ
   * @param thetas first weights, changed in place
   */
  constructor(
    readonly network: CompiledNetwork,
    readonly plans: readonly NumericalPlan[],
    thetas: readonly Float32Array[],
  ) {
    this.#shards = Array.from({ length: plans[0]!.shards }, (_, shard) => shard);
    this.#members = plans.map((plan, m) => new Member(plan, thetas[m]!));
  }

  /** Whether there is another step to make. */
  get done(): boolean {
    const { epochs, stepsPerEpoch } = this.plans[0]!;
    return this.#step === epochs * stepsPerEpoch || this.#members.every(({ diverged }) => diverged);
  }

  /** One update of every network that has not diverged. @returns rows that went through networks */
  step(): number {
    const { stepsPerEpoch, shards } = this.plans[0]!;
    const inEpoch = this.#step % stepsPerEpoch;
    if (inEpoch === 0) this.#orders.clear();
    const alive = this.#members.filter(({ diverged }) => !diverged);
    const batches = new Map<number, readonly Batch[]>();
    for (const { plan } of alive) if (!batches.has(plan.seed)) batches.set(plan.seed, this.#batches(plan, inEpoch));
    const requests = alive.map(({ plan, theta, sum }) => ({
      ...{ theta, batches: batches.get(plan.seed)!, seed: plan.seed },
      into: () => sum,
    }));
    let rows = 0;
    this.network.sums(requests, this.#step, shards).forEach(([total], m) => {
      rows += total!.value.rows;
      alive[m]!.update(total!.value, this.#step);
    });
    this.#step++;
    if (inEpoch === stepsPerEpoch - 1) for (const member of alive) member.endEpoch(this.#step);
    return rows;
  }

  results(): ManyResult[] {
    return this.#members.map((member) => member.result());
  }

  #batches(plan: NumericalPlan, inEpoch: number): Batch[] {
    const epoch = Math.floor(this.#step / plan.stepsPerEpoch);
    const orders = this.#orders.get(plan.seed) ?? this.#shards.map((shard) => epochOrder(plan, epoch, shard));
    this.#orders.set(plan.seed, orders);
    return this.#shards.map((shard) => ({ shard, rows: stepRows(plan, epoch, shard, inEpoch, orders[shard]!) }));
  }
}

/** One network's state. */
class Member {
  readonly sum: Float32Array;
  readonly losses: number[] = [];
  diverged: ManyResult['diverged'];
  readonly #optimizer: RangeOptimizer;
  /** Of the epoch so far. */
  #lossSum = 0;
  #weight = 0;
  /** After the last epochs: only the next step shows that an update was one too many. */
  #kept: { theta: Float32Array; step: number }[];

  constructor(
    readonly plan: NumericalPlan,
    readonly theta: Float32Array,
  ) {
    this.sum = alignedFloats(theta.length);
    this.#optimizer = rangeOptimizer(plan);
    this.#kept = [{ theta: theta.slice(), step: 0 }];
  }

  update({ gradient, lossSum, weight }: GradientSum, step: number): void {
    if (!Number.isFinite(lossSum)) {
      // The first step after an epoch computes with the weights kept then: they are to blame.
      this.#giveUp(step, lossSum, step - 1);
      return;
    }
    this.#lossSum += lossSum;
    this.#weight += weight;
    const scale = stepScale(this.#optimizer.spec, () => this.#optimizer.norms(gradient), weight);
    this.#optimizer.update(this.theta, gradient, weight, step + 1, { scale });
  }

  /** @param step updates made */
  endEpoch(step: number): void {
    if (this.diverged) return;
    this.losses.push(this.#lossSum / this.#weight);
    this.#lossSum = this.#weight = 0;
    if (step === this.plan.epochs * this.plan.stepsPerEpoch) {
      if (!this.theta.every(Number.isFinite)) this.#giveUp(step - 1, undefined, step - 1);
      return;
    }
    this.#kept = [...this.#kept.slice(-1), { theta: this.theta.slice(), step }];
  }

  result(): ManyResult {
    const { theta, losses, diverged } = this;
    return { theta, losses, ...(diverged && { diverged }) };
  }

  #giveUp(step: number, lossSum: number | undefined, latest: number): void {
    const good = this.#kept.findLast((kept) => kept.step <= latest && kept.theta.every(Number.isFinite));
    const { theta, step: goodStep } = good ?? this.#kept[0]!;
    this.theta.set(theta);
    this.diverged = { step, lossSum, goodStep };
  }
}
