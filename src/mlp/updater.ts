import type { Json } from '../protocol/json.js';
import { type Range, RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import type { Updater } from '../ps/parameter-server.js';
import type { GradientSum } from '../ps/tree.js';
import { initialTheta, layoutOf, segmentsOf } from './layout.js';
import type { NumericalPlan } from './numerical-plan.js';

/** The optimizer of a plan over a range of theta; absent: all of it. */
export function rangeOptimizer(plan: NumericalPlan, range?: Range): RangeOptimizer {
  const layout = layoutOf(plan.network);
  const { update, network, stepsPerEpoch } = plan;
  const spec = { ...update, l1: update.l1 ?? network.l1, l2: update.l2 ?? network.l2 };
  return new RangeOptimizer(spec, segmentsOf(layout), range ?? { from: 0, to: layout.length }, { stepsPerEpoch });
}

/** What a parameter server is told of the network whose updates it makes. */
export interface UpdaterParameters {
  readonly plan: NumericalPlan;
}

/** The optimizer's steps on flat vectors: bits that every slot would compute. */
export async function createUpdater(parameters: Json, state: Float32Array | undefined): Promise<Updater> {
  const { plan } = parameters as unknown as UpdaterParameters;
  const optimizer = rangeOptimizer(plan);
  const theta = initialTheta(plan.network, plan.seed, plan.initializer);
  const vectors = [theta, ...optimizer.slots];
  if (state) vectors.forEach((vector, k) => void vector.set(state.subarray(k * theta.length, (k + 1) * theta.length)));
  return {
    update({ gradient, weight }: GradientSum, step) {
      optimizer.update(theta, gradient, weight, step);
    },
    theta: () => theta,
    state() {
      const all = new Float32Array(theta.length * vectors.length);
      vectors.forEach((vector, k) => void all.set(vector, k * theta.length));
      return all;
    },
  };
}
