import type { Blocks } from '../../protocol/block.js';
import type { StepTotal } from '../../ps/exchange.js';
import { alignedFloats, floats } from '../../ps/float-bytes.js';
import { optimizerSlots } from '../../ps/optimizer/optimizer.js';
import type { RangeOptimizer } from '../../ps/optimizer/range-optimizer.js';
import { learningRateAt, stepScale } from '../../ps/optimizer/update-spec.js';
import { addGradientSums, type GradientSum, mergeNodes, type ValueNode } from '../../ps/tree.js';
import { vectorKernels } from '../../ps/vector/vector-kernels.js';
import type { Committed } from '../committed.js';
import { elasticRate, type LocalPlan } from '../numerical-plan.js';
import type { Place } from '../pace.js';
import type { Replica } from '../replica.js';
import { localOptimizer } from '../updater.js';
import type { Home, Learner, Learnt, WorkerState } from './learner.js';
import { SpareVectors } from './spare-vectors.js';

/** A gradient shard with weights of its own. */
interface Worker {
  readonly shard: number;
  readonly theta: Float32Array;
  readonly optimizer: RangeOptimizer;
}

/** Elements of weights that are computed with at once: more networks a call cost memory and gain nothing. */
const AT_ONCE = 1 << 22;

/**
 * Local steps: every gradient shard is a logical worker that makes some optimizer steps on its own rows between two merges,
 * so that what it computes does not depend on who computes it.
 *
 * - `average` (SparkNet, Moritz et al. 2016; FedAvg, McMahan et al. 2017): all begin with the merged weights and a fresh
 *   optimizer; their weights are averaged by the weight of the rows they have seen. What travels is weight x (merged - own),
 *   a pseudo-gradient, of which the merge takes the mean off.
 * - `elastic` (EASGD, Zhang, Choromanska and LeCun 2015, equations 5 and 6): workers keep weights and optimizer, and a merge
 *   draws each towards the centre by `rate` times their distance, and the centre towards their mean by G times it.
 */
export class LocalLearner implements Learner {
  readonly exchangesWeights = true;
  /** Of elastic averaging: what is kept, by shard. */
  readonly #workers = new Map<number, Worker>();
  /** Of averaging: used by one shard after another. */
  #spare: Worker[] = [];
  readonly #read = new Map<number, Float32Array>();
  /** Of sums that go into others, and of gradients. */
  readonly #sums: SpareVectors;
  readonly #gradients: SpareVectors;

  constructor(
    readonly replica: Replica,
    readonly local: LocalPlan,
  ) {
    this.#sums = new SpareVectors(replica.theta.length);
    this.#gradients = new SpareVectors(replica.theta.length);
  }

  async begin(committed: Committed, blocks: Blocks): Promise<void> {
    this.#workers.clear();
    this.#read.clear();
    this.#spare = [];
    if (this.local.kind === 'average') return;
    const { owned } = this.replica;
    for (const { shard, block } of committed.workers ?? [])
      if (owned.includes(shard)) this.#read.set(shard, floats(await blocks.get(block)));
  }

  sums(shards: readonly number[], home: Home): ValueNode<GradientSum>[] {
    const { step, pace, theta, spec } = this.replica;
    const place = pace.place(step);
    const homes = this.#sums.homes(shards, spec.plan.shards, home);
    const together = Math.max(1, Math.floor(AT_ONCE / theta.length));
    const leaves: ValueNode<GradientSum>[] = [];
    for (let k = 0; k < shards.length; k += together) {
      const workers = shards.slice(k, k + together).map((shard, i) => this.#worker(shard, i));
      const totals = this.#work(workers, place);
      workers.forEach((worker, i) => {
        const index = worker.shard;
        const into = homes({ level: 0, index }) ?? new Float32Array(theta.length);
        const gradient = this.#difference(worker, totals[i]!.weight, into);
        leaves.push({ level: 0, index, value: { gradient, ...totals[i]! } });
      });
    }
    return mergeNodes(leaves, spec.plan.shards, addGradientSums);
  }

  merged(total: StepTotal): Learnt {
    return total;
  }

  workers(): readonly WorkerState[] {
    if (this.local.kind === 'average') return [];
    return this.replica.owned.map((shard, i) => {
      const { theta, optimizer } = this.#worker(shard, i);
      return { shard, vectors: [theta, ...optimizer.slots] };
    });
  }

  /** The steps of one merge, of all workers side by side. */
  #work(workers: readonly Worker[], { epoch, from, to, plan }: Place): Omit<GradientSum, 'gradient'>[] {
    const { network } = this.replica;
    const { stepsPerEpoch, seed, shards } = plan;
    const sums = workers.map(() => ({ rows: 0, weight: 0, lossSum: 0 }));
    for (let at = from; at < to; at++) {
      const step = epoch * stepsPerEpoch + at;
      if (this.replica.streams && at + 1 < to) {
        const soon = (shard: number) => this.replica.rows(shard, { epoch, plan }, at + 1);
        network.prefetch?.(workers.map(({ shard }) => ({ shard, rows: soon(shard) })));
      }
      const requests = workers.map(({ shard, theta }, k) => {
        const into = () => this.#gradients.at(k);
        return { theta, seed, into, batches: [{ shard, rows: this.replica.rows(shard, { epoch, plan }, at) }] };
      });
      network.sums(requests, step, shards).forEach(([node], k) => {
        const { gradient, rows, weight, lossSum } = node!.value;
        const { theta, optimizer } = workers[k]!;
        const rate = learningRateAt(optimizer.spec, step + 1, stepsPerEpoch);
        const scale = stepScale(optimizer.spec, () => optimizer.norms(gradient), weight);
        const count = this.local.kind === 'average' ? at - from : step;
        optimizer.update(theta, gradient, weight, count + 1, { rate, scale });
        sums[k]!.rows += rows;
        sums[k]!.weight += weight;
        sums[k]!.lossSum += lossSum;
      });
    }
    return sums;
  }

  /** weight x (merged - own); an elastic worker is drawn towards the merged weights. */
  #difference({ theta }: Worker, weight: number, into: Float32Array): Float32Array {
    const { addScaled, scale } = vectorKernels();
    into.set(this.replica.theta);
    addScaled(into, -1, theta);
    if (this.local.kind === 'elastic') addScaled(theta, elasticRate(this.replica.spec.plan), into);
    scale(into, weight);
    return into;
  }

  #worker(shard: number, place: number): Worker {
    const { theta, spec } = this.replica;
    if (this.local.kind === 'average') {
      this.#spare[place] ??= { shard, theta: alignedFloats(theta.length), optimizer: localOptimizer(spec.plan) };
      const { optimizer, theta: own } = this.#spare[place];
      own.set(theta);
      optimizerSlots(optimizer.spec.optimizer).forEach(({ initial }, k) => void optimizer.slots[k]!.fill(initial));
      return { shard, theta: own, optimizer };
    }
    const known = this.#workers.get(shard);
    if (known) return known;
    const worker = { shard, theta: alignedFloats(theta.length), optimizer: localOptimizer(spec.plan) };
    worker.theta.set(theta);
    const read = this.#read.get(shard);
    [worker.theta, ...worker.optimizer.slots].forEach((vector, k) => {
      if (read) vector.set(read.subarray(k * theta.length, (k + 1) * theta.length));
    });
    this.#read.delete(shard);
    this.#workers.set(shard, worker);
    return worker;
  }
}
