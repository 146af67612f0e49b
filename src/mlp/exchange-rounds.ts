import type { Json } from '../protocol/json.js';
import { addTotals } from '../ps/exchange.js';
import type { TaskResult } from '../scheduler/task-set.js';
import type { CommittedPart } from './committed.js';
import type { Learnt } from './learners/learner.js';
import type { RoundAnswer } from './round.js';
import { addCosts, type RoundResult, type StepLoss } from './rounds.js';
import type { Member, TrainingCluster } from './training-cluster.js';

interface Ran extends Required<Pick<RoundResult, 'cost' | 'besidesMs'>> {
  readonly parts: readonly CommittedPart[];
}

/**
 * One task a member for so many steps with the exchange that it has joined; no step passes through the queue.
 *
 * @param totals whether each member tells those of all, or of its own sums
 * @param write whether members write down their parts of the state at the end
 */
export async function runWithExchange(
  cluster: TrainingCluster,
  from: number,
  steps: number,
  onStep: (step: number, loss: StepLoss) => void,
  { totals = 'all', write = false }: { readonly totals?: 'all' | 'own'; readonly write?: boolean } = {},
): Promise<Ran> {
  const { generation } = cluster;
  const begun = performance.now();
  const tell = ({ rank }: Member) => totals === 'own' || rank === 0;
  const answers = await cluster.all((member) => ({
    ...{ op: 'round', generation, step: from, steps, tell: tell(member), write },
  }));
  const members = answers.map(({ value }: TaskResult) => value as Json as unknown as RoundAnswer);
  const stepsMs = Math.max(...members.map(({ computeMs, exchangeMs }) => computeMs + exchangeMs));
  const besidesMs = Math.max(0, performance.now() - begun - stepsMs);
  let rows = 0;
  for (let at = 0; at < steps; at++) {
    const told = (totals === 'all' ? [members[0]!] : members).map((member) => totalOf(member, at));
    const total = told.length === 1 ? told[0]! : told.reduce(addTotals);
    rows += total.rows;
    const parts = members
      .flatMap(({ bad }) => bad.filter((node) => node.at === at))
      .map(({ level, index }) => ({ level, index, lossSum: Number.NaN }));
    onStep(from + at, { ...total, parts });
  }
  const computeMs = new Map(members.map(({ computeMs: ms }, rank) => [cluster.members[rank]!.slot, ms]));
  cluster.balancer.ran({ ms: stepsMs, steps, rows, computeMs });
  const cost = members.map(({ bytes, computeMs, exchangeMs }) => ({ bytes, computeMs, exchangeMs })).reduce(addCosts);
  return { cost, besidesMs, parts: members.flatMap(({ parts }) => parts).sort((a, b) => a.from - b.from) };
}

function totalOf({ totals }: RoundAnswer, at: number): Learnt {
  const total = totals[at]!;
  return { ...total, lossSum: total.lossSum ?? Number.NaN };
}
