import type { Json } from '../protocol/json.js';
import type { Updater } from '../ps/parameter-server.js';
import type { GradientSum } from '../ps/tree.js';
import { type BackendPreference, loadBackend } from './backends.js';
import { initialTheta } from './layout.js';
import type { NumericalPlan } from './numerical-plan.js';

/** What a parameter server is told of the network whose updates it makes. */
export interface UpdaterParameters {
  readonly plan: NumericalPlan;
  readonly backend: BackendPreference;
}

/**
 * The optimizer's steps on this process's compute backend. Where its fingerprint is that of the slots, the bits are those
 * that the slots themselves would compute; a service computes on the CPU, so on machines with GPUs they may differ.
 */
export async function createUpdater(parameters: Json, state: Float32Array | undefined): Promise<Updater> {
  const { plan, backend } = parameters as unknown as UpdaterParameters;
  const computing = await loadBackend(backend);
  const network = await computing.compile(plan.network, plan.optimizer);
  const beginning = new Float32Array(network.stateLength);
  if (!state) beginning.set(initialTheta(plan.network, plan.seed, plan.initializer));
  network.setState(state ?? beginning);
  return {
    fingerprint: computing.fingerprint,
    update({ gradient, rows }: GradientSum, step) {
      if (rows > 0) network.apply(meanOf(gradient, rows), step);
    },
    theta: () => network.theta(),
    state: () => network.state(),
  };
}

/** Divides in place. */
export function meanOf(sum: Float32Array, rows: number): Float32Array {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! / rows;
  return sum;
}
