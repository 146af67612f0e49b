import type { OptimizerSpec } from '../../ps/optimizer/optimizer.js';
import { power } from '../../ps/optimizer/step-plan.js';
import type { Attribute, GraphBuilder, Tensor } from '../graph/graph-builder.js';
import { constant, effect, unpack, type Variable } from '../graph/ops.js';

/** What changes from step to step and is therefore fed: [learning rate, beta1^step, beta2^step]. */
export const SCHEDULE_LENGTH = 3;

/**
 * @param step counts from 1
 * @param rate default: the optimizer's learning rate; of l-bfgs, which makes no steps of its own, 0
 */
export function scheduleAt(optimizer: OptimizerSpec, step: number, rate?: number): Float32Array {
  if (optimizer.kind === 'l-bfgs') return Float32Array.of(rate ?? 0, 0, 0);
  const { learningRate } = optimizer;
  if (optimizer.kind !== 'adam' && optimizer.kind !== 'adamw') return Float32Array.of(rate ?? learningRate, 0, 0);
  const { beta1 = 0.9, beta2 = 0.999 } = optimizer;
  return Float32Array.of(rate ?? learningRate, power(beta1, step), power(beta2, step));
}

/**
 * The oracle of `RangeOptimizer`'s bits: one optimizer step on the flat theta and its slots, by TensorFlow's own training ops: on the CPU with the bits of
 * `VectorKernels.step`. The optimizer's rule only, without decay and clipping.
 *
 * @param slots in the order of `optimizerSlots`
 * @param schedule a vector as `scheduleAt` gives it
 * @returns something to wait for
 */
export function applyOps(
  g: GraphBuilder,
  optimizer: OptimizerSpec,
  theta: Variable,
  slots: readonly Variable[],
  gradient: Tensor,
  schedule: Tensor,
): Tensor {
  const [rate, power1, power2] = unpack(g, schedule, SCHEDULE_LENGTH) as [Tensor, Tensor, Tensor];
  const handles = slots.map(({ handle }) => handle);
  const number = (value: number) => constant(g, 'float32', value);
  const apply = (op: string, inputs: readonly Tensor[], attributes: Readonly<Record<string, Attribute>> = {}) =>
    effect(g, op, [theta.handle, ...inputs], { T: { type: 'float32' }, use_locking: { bool: false }, ...attributes });
  switch (optimizer.kind) {
    case 'sgd': {
      const { momentum = 0, nesterov = false } = optimizer;
      if (momentum === 0) return apply('ResourceApplyGradientDescent', [rate, gradient]);
      const inputs = [...handles, rate, gradient, number(momentum)];
      return apply('ResourceApplyKerasMomentum', inputs, { use_nesterov: { bool: nesterov } });
    }
    case 'adagrad': {
      const inputs = [...handles, rate, number(optimizer.epsilon ?? 1e-7), gradient];
      return apply('ResourceApplyAdagradV2', inputs, { update_slots: { bool: true } });
    }
    case 'rmsprop': {
      const { rho = 0.9, momentum = 0, epsilon = 1e-7, centered = false } = optimizer;
      const inputs = [rate, ...[rho, momentum, epsilon].map(number), gradient];
      if (!centered) return apply('ResourceApplyRMSProp', [...handles, ...inputs]);
      const [square, mean, velocity] = handles as [Tensor, Tensor, Tensor];
      return apply('ResourceApplyCenteredRMSProp', [mean, square, velocity, ...inputs]);
    }
    case 'adam':
    case 'adamw': {
      const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, amsgrad = false } = optimizer;
      const inputs = [...handles, power1, power2, rate, ...[beta1, beta2, epsilon].map(number), gradient];
      if (amsgrad) return apply('ResourceApplyAdamWithAmsgrad', inputs);
      return apply('ResourceApplyAdam', inputs, { use_nesterov: { bool: false } });
    }
    case 'l-bfgs':
      return apply('ResourceApplyGradientDescent', [rate, gradient]);
  }
}
