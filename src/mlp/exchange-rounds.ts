import type { Json } from '../protocol/json.js';
import type { TaskResult } from '../scheduler/task-set.js';
import type { RoundAnswer } from './round.js';
import type { StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';

/** One task a member for so many steps with the exchange that it has joined; no step passes through the queue. */
export async function runWithExchange(
  cluster: TrainingCluster,
  from: number,
  steps: number,
  onStep: (step: number, loss: StepLoss) => void,
): Promise<void> {
  const { generation } = cluster;
  const answers = await cluster.all(() => ({ op: 'round', generation, step: from, steps }));
  const members = answers.map(({ value }: TaskResult) => value as Json as unknown as RoundAnswer);
  members[0]!.totals.forEach(({ rows, weight, lossSum }, at) => {
    const parts = members
      .flatMap(({ bad }) => bad.filter((node) => node.at === at))
      .map(({ level, index }) => ({ level, index, lossSum: Number.NaN }));
    onStep(from + at, { rows, weight, lossSum: lossSum ?? Number.NaN, parts });
  });
}
