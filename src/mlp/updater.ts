import { type Range, RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import { layoutOf, segmentsOf } from './layout.js';
import type { NumericalPlan } from './numerical-plan.js';

/** The optimizer of a plan over a range of theta; absent: all of it. */
export function rangeOptimizer(plan: NumericalPlan, range?: Range): RangeOptimizer {
  const layout = layoutOf(plan.network);
  const { update, network, stepsPerEpoch } = plan;
  const spec = { ...update, l1: update.l1 ?? network.l1, l2: update.l2 ?? network.l2 };
  return new RangeOptimizer(spec, segmentsOf(layout), range ?? { from: 0, to: layout.length }, { stepsPerEpoch });
}
