import { addTotals } from '../ps/exchange.js';
import { mergeGroups } from '../ps/merge-plan.js';
import type { SumBlock } from '../ps/sum-blocks.js';
import { reduceNodes } from '../ps/tree.js';
import type { Committed } from './committed.js';
import type { RoundResult, Rounds, StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';

/**
 * Tree aggregation: every step is one small message a slot. The slots write the sums of their shards' gradients as
 * blocks; slots merge them along the canonical tree until few are left, and every slot adds those few itself when
 * it is told to go on. The driver sees block references and losses, never a vector.
 */
export class TreeRounds implements Rounds {
  constructor(readonly cluster: TrainingCluster) {}

  async begin(): Promise<void> {}

  async run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<RoundResult> {
    let apply: SumBlock[] = [];
    for (let step = from; step < from + steps; step++) {
      const { generation } = this.cluster;
      const pending = apply;
      const answers = await this.cluster.all(({ shards }) => ({
        op: 'gradient',
        generation,
        step,
        shards,
        apply: pending,
      }));
      const sums = answers.flatMap(({ value }) => value as unknown as SumBlock[]);
      onStep(step, totalLoss(sums, this.cluster.spec.plan.shards));
      apply = await this.#merge(sums, step);
    }
    return { pending: apply, step: from + steps };
  }

  async commit({ pending, step }: RoundResult): Promise<Committed> {
    return this.cluster.commit(step, pending, this.cluster.members.slice(0, 1));
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
  const nodes = sums.map(({ level, index, rows, weight, lossSum }) => ({
    ...{ level, index },
    value: { rows, weight, lossSum: lossSum ?? Number.NaN },
  }));
  const total = reduceNodes(nodes, shards, addTotals)!;
  return { ...total, parts: nodes.map(({ level, index, value: { lossSum } }) => ({ level, index, lossSum })) };
}
