import { alignedFloats } from '../ps/float-bytes.js';
import type { RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import { stepScale } from '../ps/optimizer/update-spec.js';
import type { GradientSum } from '../ps/tree.js';
import type { Batch, CompiledNetwork } from './backend.js';
import type { Cursor } from './checkpoint/checkpoint-header.js';
import { epochOrder, type NumericalPlan, stepRows } from './numerical-plan.js';
import { rangeOptimizer } from './updater.js';

/** One of many networks after some updates. */
export interface MemberState {
  readonly plan: NumericalPlan;
  /** Changed in place. */
  readonly theta: Float32Array;
  /** Over all of theta, with the slots' values; changed in place. */
  readonly optimizer: RangeOptimizer;
  /** Of the epoch at hand. */
  readonly partial: Cursor['partial'];
}

/** What became of one of many networks. */
export interface ManyResult {
  readonly theta: Float32Array;
  readonly optimizer: RangeOptimizer;
  /** Mean loss of each epoch that ended. */
  readonly losses: readonly number[];
  /** Of the epoch at hand. */
  readonly partial: Cursor['partial'];
  /**
   * Where its loss, or, without one, a weight, was no number any more. Then `theta` holds the weights after `goodStep`
   * updates; undefined where those it began with are to blame.
   */
  readonly diverged?: { readonly step: number; readonly lossSum?: number; readonly goodStep?: number };
}

const NOTHING = { rows: 0, weight: 0, lossSum: 0 };

/** Before the first update. @param theta its first weights */
export function firstState(plan: NumericalPlan, theta: Float32Array): MemberState {
  return { plan, theta, optimizer: rangeOptimizer(plan), partial: NOTHING };
}

/**
 * Networks of one shape in training together on all shards of the same rows, by one process alone: each step is one native
 * call for all of them. Every network goes through the numbers it goes through when it is trained alone.
 *
 * ```ts
 * const many = new ManyNetworks(network, plans.map((plan) => firstState(plan, first(plan))));
 * while (!many.done) many.step();
 * many.results();
 * ```
 */
export class ManyNetworks {
  readonly #members: Member[];
  readonly #shards: readonly number[];
  readonly #plan: NumericalPlan;
  /** Row orders of an epoch, by seed; networks of one seed share the arrays, and the look-up of their rows. */
  readonly #orders = new Map<number, readonly Int32Array[]>();
  #step: number;

  /**
   * @param network all shards are resident in it
   * @param states at least one; of one network, rows, batch, shards and epochs; seeds and updates may differ
   * @param round updates that all of them have made, and after which they are done. Default: the whole training
   */
  constructor(
    readonly network: CompiledNetwork,
    states: readonly MemberState[],
    readonly round: { readonly from: number; readonly until: number } = wholeOf(states[0]!.plan),
  ) {
    this.#plan = states[0]!.plan;
    this.#step = round.from;
    this.#shards = Array.from({ length: this.#plan.shards }, (_, shard) => shard);
    this.#members = states.map((state) => new Member(state, round.from));
  }

  /** Whether there is no other step to make. */
  get done(): boolean {
    return this.#step === this.round.until || this.#members.every(({ diverged }) => diverged);
  }

  /** One update of every network that has not diverged. @returns rows that went through networks */
  step(): number {
    const { stepsPerEpoch, shards } = this.#plan;
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

function wholeOf({ epochs, stepsPerEpoch }: NumericalPlan) {
  return { from: 0, until: epochs * stepsPerEpoch };
}

/** One network's state. */
class Member {
  readonly plan: NumericalPlan;
  readonly theta: Float32Array;
  readonly sum: Float32Array;
  readonly losses: number[] = [];
  diverged: ManyResult['diverged'];
  readonly #optimizer: RangeOptimizer;
  #partial: Cursor['partial'];
  /** Weights at the beginning, and after the last epochs: only the next step shows that an update was one too many. */
  #kept: { theta: Float32Array; step: number }[];

  constructor({ plan, theta, optimizer, partial }: MemberState, step: number) {
    this.plan = plan;
    this.theta = theta;
    this.sum = alignedFloats(theta.length);
    this.#optimizer = optimizer;
    this.#partial = partial;
    this.#kept = [{ theta: theta.slice(), step }];
  }

  update({ gradient, lossSum, weight, rows }: GradientSum, step: number): void {
    if (!Number.isFinite(lossSum)) {
      // The first step after an epoch computes with the weights kept then: they are to blame.
      this.#giveUp(step, lossSum, step - 1);
      return;
    }
    const { rows: before, weight: weightBefore, lossSum: lossBefore } = this.#partial;
    this.#partial = { rows: before + rows, weight: weightBefore + weight, lossSum: lossBefore + lossSum };
    const scale = stepScale(this.#optimizer.spec, () => this.#optimizer.norms(gradient), weight);
    this.#optimizer.update(this.theta, gradient, weight, step + 1, { scale });
  }

  /** @param step updates made */
  endEpoch(step: number): void {
    if (this.diverged) return;
    this.losses.push(this.#partial.lossSum / this.#partial.weight);
    this.#partial = NOTHING;
    if (step === this.plan.epochs * this.plan.stepsPerEpoch) {
      if (!this.theta.every(Number.isFinite)) this.#giveUp(step - 1, undefined, step - 1);
      return;
    }
    this.#kept = [...this.#kept.slice(-1), { theta: this.theta.slice(), step }];
  }

  result(): ManyResult {
    const { theta, losses, diverged } = this;
    return { theta, losses, optimizer: this.#optimizer, partial: this.#partial, ...(diverged && { diverged }) };
  }

  #giveUp(step: number, lossSum: number | undefined, latest: number): void {
    const good = this.#kept.findLast((kept) => kept.step <= latest && kept.theta.every(Number.isFinite));
    if (good) this.theta.set(good.theta);
    this.diverged = { step, lossSum, goodStep: good?.step };
  }
}
