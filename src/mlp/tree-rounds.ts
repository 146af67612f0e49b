import { addTotals, totalOf } from '../ps/exchange.js';
import { mergeGroups } from '../ps/merge-plan.js';
import type { SumBlock } from '../ps/sum-blocks.js';
import { reduceNodes } from '../ps/tree.js';
import type { Committed } from './committed.js';
import type { Learnt } from './learners/learner.js';
import type { Rounds, StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';

/**
 * Tree aggregation: every step is one small message a slot. The slots write the sums of their shards' gradients as
 * blocks; slots merge them along the canonical tree until few are left, and every slot adds those few itself when
 * it is told to go on. The driver sees block references and losses, never a vector.
 */
export class TreeRounds implements Rounds {
  /** Sums that the replicas have not applied yet. */
  #pending: readonly SumBlock[] = [];

  constructor(readonly cluster: TrainingCluster) {}

  async begin(): Promise<void> {
    this.#pending = [];
  }

  async run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<{ step: number }> {
    const { generation, spec } = this.cluster;
    for (let step = from; step < from + steps; step++) {
      const apply = this.#pending;
      const answers = await this.cluster.all(({ shards }) => ({ op: 'gradient', generation, step, shards, apply }));
      const sums = answers.flatMap(({ value }) => value as unknown as SumBlock[]);
      const loss = totalLoss(sums, spec.plan.shards);
      if (!this.#answers) onStep(step, loss);
      this.#pending = await this.#merge(sums, step);
      if (this.#answers) onStep(step, { ...loss, ...(await this.#apply(step)) });
    }
    return { step: from + steps };
  }

  async commit(step: number): Promise<Committed> {
    const committed = await this.cluster.commit(step, this.#pending, this.cluster.members.slice(0, 1));
    this.#pending = [];
    return committed;
  }

  /** Whether the driver has to know what comes of a step, which the slots tell when they have applied it. */
  get #answers(): boolean {
    const { measure = false, plan } = this.cluster.spec;
    return measure || plan.update.optimizer.kind === 'l-bfgs';
  }

  /** A second message a slot and step. */
  async #apply(step: number): Promise<Pick<Learnt, 'square' | 'search'>> {
    const { generation } = this.cluster;
    const apply = this.#pending;
    this.#pending = [];
    const answers = await this.cluster.all(() => ({ op: 'apply', generation, step: step + 1, apply }));
    return answers[0]!.value as unknown as Pick<Learnt, 'square' | 'search'>;
  }

  async #merge(sums: readonly SumBlock[], step: number): Promise<SumBlock[]> {
    const groups = mergeGroups(sums);
    const { members, generation } = this.cluster;
    const real = groups.filter((group) => group.length > 1);
    if (real.length === 0) return groups.flat();
    const order = (rank: number) => ({ op: 'merge', generation, step, sums: real[rank]! }) as const;
    const merged = await this.cluster.some(members.slice(0, real.length), ({ rank }) => order(rank));
    return [
      ...groups.filter((group) => group.length === 1).flat(),
      ...merged.flatMap(({ value }) => value as unknown as SumBlock[]),
    ];
  }
}

/** Added along the canonical tree too: the same for every number of members. */
function totalLoss(sums: readonly SumBlock[], shards: number): StepLoss {
  const nodes = sums.map(({ level, index, lossSum, ...rest }) => ({
    ...{ level, index },
    value: totalOf({ ...rest, lossSum: lossSum ?? Number.NaN }),
  }));
  const total = reduceNodes(nodes, shards, addTotals)!;
  return { ...total, parts: nodes.map(({ level, index, value: { lossSum } }) => ({ level, index, lossSum })) };
}
