import { type Range, RangeOptimizer, type Segment } from '../ps/optimizer/range-optimizer.js';
import type { UpdateSpec } from '../ps/optimizer/update-spec.js';
import { layoutOf, segmentsOf } from './layout.js';
import { elasticRate, type NumericalPlan } from './numerical-plan.js';

/** What turns a merge of all members into an update of the vector they exchange, over a range of it; absent: all. */
export function rangeOptimizer(plan: NumericalPlan, range?: Range): RangeOptimizer {
  const rate = plainRate(plan);
  if (rate === undefined) return localOptimizer(plan, range);
  const { length } = layoutOf(plan.network);
  const all: Segment = { from: 0, to: length, kind: 'bias' };
  const spec: UpdateSpec = { optimizer: { kind: 'sgd', learningRate: rate } };
  return new RangeOptimizer(spec, [all], range ?? all);
}

/** Of a step with gradients: of all members, or of one gradient shard. */
export function localOptimizer(plan: NumericalPlan, range?: Range): RangeOptimizer {
  const layout = layoutOf(plan.network);
  const { update, stepsPerEpoch } = plan;
  const spec = { ...update, ...penaltiesOf(plan) };
  return new RangeOptimizer(spec, segmentsOf(layout), range ?? { from: 0, to: layout.length }, { stepsPerEpoch });
}

export function penaltiesOf({ update, network }: NumericalPlan): Pick<UpdateSpec, 'l1' | 'l2'> {
  return { l1: update.l1 ?? network.l1, l2: update.l2 ?? network.l2 };
}

/** Where merges do not make the optimizer's step: how much of the mean they take off. */
function plainRate({ local, update, ...plan }: NumericalPlan): number | undefined {
  if (update.optimizer.kind === 'l-bfgs' || local?.kind === 'average') return 1;
  return local && plan.shards * elasticRate({ ...plan, local, update });
}
