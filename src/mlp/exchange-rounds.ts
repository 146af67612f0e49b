import type { Json } from '../protocol/json.js';
import { addTotals } from '../ps/exchange.js';
import type { TaskResult } from '../scheduler/task-set.js';
import type { Learnt } from './learners/learner.js';
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
    const total = told.length === 1 ? told[0]! : told.reduce(addTotals);
    const parts = members
      .flatMap(({ bad }) => bad.filter((node) => node.at === at))
      .map(({ level, index }) => ({ level, index, lossSum: Number.NaN }));
    onStep(from + at, { ...total, parts });
  }
  return members.map(({ bytes, computeMs, exchangeMs }) => ({ bytes, computeMs, exchangeMs })).reduce(addCosts);
}

function totalOf({ totals }: RoundAnswer, at: number): Learnt {
  const total = totals[at]!;
  return { ...total, lossSum: total.lossSum ?? Number.NaN };
}
