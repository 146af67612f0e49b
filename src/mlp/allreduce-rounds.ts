import type { Committed } from './committed.js';
import { runWithExchange } from './exchange-rounds.js';
import type { ExchangePlan } from './membership.js';
import type { Rounds, StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';

/** All-reduce: the slots themselves merge the sums and keep the optimizer's state, a slice each. */
export class AllReduceRounds implements Rounds {
  constructor(readonly cluster: TrainingCluster) {}

  async begin({ step }: Committed): Promise<void> {
    const { cluster } = this;
    const members = cluster.members.map(({ shards, segment }) => ({ segment: segment!, shards }));
    await cluster.all(({ rank, shards }) => {
      const exchange: ExchangePlan = { kind: 'shared-memory', rank, members };
      return { op: 'join', generation: cluster.generation, step, shards, exchange };
    });
  }

  async run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<{ step: number }> {
    await runWithExchange(this.cluster, from, steps, onStep);
    return { step: from + steps };
  }

  async commit(step: number): Promise<Committed> {
    return this.cluster.commit(step, [], this.cluster.members);
  }
}
