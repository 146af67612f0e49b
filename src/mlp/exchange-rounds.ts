import type { Json } from '../protocol/json.js';
import { addTotals, type StepTotal } from '../ps/exchange.js';
import type { TaskResult } from '../scheduler/task-set.js';
import type { RoundAnswer } from './round.js';
import { addCosts, type RoundCost, type StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';

/**
 * One task a member for so many steps with the exchange that it has joined; no step passes through the queue.
 *
 * @param totals whether each member tells those of all, or of its own sums
 */
export async function runWithExchange(
  cluster: TrainingCluster,
  from: number,
  steps: number,
  onStep: (step: number, loss: StepLoss) => void,
  totals: 'all' | 'own' = 'all',
): Promise<RoundCost> {
  const { generation } = cluster;
  const answers = await cluster.all(() => ({ op: 'round', generation, step: from, steps }));
  const members = answers.map(({ value }: TaskResult) => value as Json as unknown as RoundAnswer);
  for (let at = 0; at < steps; at++) {
    const told = (totals === 'all' ? [members[0]!] : members).map((member) => totalOf(member, at));
    const { rows, weight, lossSum } = told.reduce(addTotals);
    const parts = members
      .flatMap(({ bad }) => bad.filter((node) => node.at === at))
      .map(({ level, index }) => ({ level, index, lossSum: Number.NaN }));
    onStep(from + at, { rows, weight, lossSum, parts });
  }
  return members.map(({ bytes, computeMs, exchangeMs }) => ({ bytes, computeMs, exchangeMs })).reduce(addCosts);
}

function totalOf({ totals }: RoundAnswer, at: number): StepTotal {
  const { rows, weight, lossSum } = totals[at]!;
  return { rows, weight, lossSum: lossSum ?? Number.NaN };
}
