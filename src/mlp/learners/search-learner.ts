import type { Blocks } from '../../protocol/block.js';
import type { RangeState, StepTotal } from '../../ps/exchange.js';
import { Lbfgs, type LbfgsDecision } from '../../ps/optimizer/lbfgs.js';
import type { Lbfgs as LbfgsSpec } from '../../ps/optimizer/optimizer.js';
import { addPenalty } from '../../ps/optimizer/penalty.js';
import type { Range, Segment } from '../../ps/optimizer/range-optimizer.js';
import type { GradientSum, ValueNode } from '../../ps/tree.js';
import { vectorKernels } from '../../ps/vector/vector-kernels.js';
import { type Committed, readParts } from '../committed.js';
import { layoutOf, segmentsOf } from '../layout.js';
import type { Replica } from '../replica.js';
import { penaltiesOf } from '../updater.js';
import type { Home, Learner, Learnt } from './learner.js';

/** Where a search stands, but for its vectors. JSON. */
export interface SearchState {
  readonly iterations: number;
  /** Of the last iterations, the latest last: mean loss with the penalty. */
  readonly losses: readonly number[];
  readonly initialLoss: number;
  /** Pairs of vectors that are kept. */
  readonly corrections: number;
  /** Why it is over. */
  readonly done?: Extract<LbfgsDecision, { done: true }>['reason'];
}

/**
 * L-BFGS over all rows at once. Every merge is one evaluation: the mean gradient reaches every member, negated, as what a step
 * of plain descent of rate 1 makes of a vector of zeros; and every member makes the same search with it, in the same bits.
 * Statistics of batch normalisation are no part of the search and follow as always.
 */
export class SearchLearner implements Learner {
  readonly exchangesWeights = false;
  readonly #segments: readonly Segment[];
  /** Where the next evaluation is. */
  #trial: Float32Array;
  #search: Lbfgs;
  #done: SearchState['done'];

  constructor(
    readonly replica: Replica,
    readonly spec: LbfgsSpec,
  ) {
    this.#segments = segmentsOf(layoutOf(replica.spec.plan.network));
    this.#trial = replica.theta;
    this.#search = this.#fresh();
  }

  async begin(committed: Committed, blocks: Blocks): Promise<void> {
    const { replica } = this;
    const { length } = replica.theta;
    this.#search = this.#fresh();
    this.#done = undefined;
    this.#trial = replica.theta;
    replica.theta = new Float32Array(length);
    const state = replica.pace.search;
    if (!state) return;
    const theta = this.#trial.slice();
    const vectors = Array.from({ length: 1 + 2 * state.corrections }, () => new Float32Array(length));
    await readParts(committed.parts, blocks, theta, { from: 0, to: length }, vectors);
    const [gradient, ...pairs] = vectors as [Float32Array, ...Float32Array[]];
    const corrections = Array.from(
      { length: state.corrections },
      (_, k) => [pairs[2 * k]!, pairs[2 * k + 1]!] as const,
    );
    this.#follow(this.#search.resume({ ...state, theta, gradient, corrections }));
  }

  sums(shards: readonly number[], home: Home): ValueNode<GradientSum>[] {
    const { network, theta, spec } = this.replica;
    const { plan } = spec;
    theta.fill(0);
    // Always the same order of rows: a search needs a function, to the last bit.
    const batches = shards.map((shard) => ({ shard, rows: this.replica.rows(shard, { epoch: 0, plan }, 0) }));
    return network.sums([{ theta: this.#trial, batches, seed: plan.seed, into: home }], 0, plan.shards)[0]!;
  }

  merged(total: StepTotal): Learnt {
    const gradient = this.replica.theta;
    vectorKernels().scale(gradient, -1);
    this.#follows(gradient);
    const { l2 = 0 } = penaltiesOf(this.replica.spec.plan);
    const penalty = addPenalty(l2, this.#segments, this.#trial, gradient);
    this.#follow(this.#search.next(this.#trial, gradient, total.lossSum / total.weight + penalty));
    const { iterations, losses, initialLoss, corrections } = this.#search.state()!;
    const search = { iterations, losses, initialLoss, corrections: corrections.length };
    return { ...total, search: this.#done ? { ...search, done: this.#done } : search };
  }

  state({ from, to }: Range): RangeState {
    const state = this.#search.state();
    const theta = (state?.theta ?? this.#trial).slice(from, to);
    for (const piece of this.#statistics())
      for (let i = Math.max(piece.from, from); i < Math.min(piece.to, to); i++) theta[i - from] = this.#trial[i]!;
    const vectors = state ? [state.gradient, ...state.corrections.flat()] : [];
    return { from, theta, slots: vectors.map((vector) => vector.subarray(from, to)) };
  }

  #fresh(): Lbfgs {
    const { memory, tolerance } = this.spec;
    const { epochs, network } = this.replica.spec.plan;
    return new Lbfgs(layoutOf(network).length, { memory, tolerance, maxIterations: epochs });
  }

  #follow(decision: LbfgsDecision): void {
    if (decision.done) this.#done = decision.reason;
    const statistics = this.#statistics().map(({ from, to }) => [from, this.#trial.slice(from, to)] as const);
    this.#trial.set(decision.theta);
    for (const [from, values] of statistics) this.#trial.set(values, from);
  }

  /** Statistics follow this evaluation's rows; the search takes them for constants. */
  #follows(gradient: Float32Array): void {
    for (const { from, to, momentum = 0.99 } of this.#statistics()) {
      const part = gradient.subarray(from, to);
      vectorKernels().addScaled(this.#trial.subarray(from, to), momentum - 1, part);
      part.fill(0);
    }
  }

  #statistics(): Segment[] {
    return this.#segments.filter(({ kind }) => kind === 'statistic');
  }
}
