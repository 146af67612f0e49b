import { adamConstants } from '../optimizer-step.js';
import type { OptimizerSpec } from '../optimizers.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { constant, effect, scalars, type Variable } from './ops.js';

/** What changes from step to step and is therefore fed: [learning rate, beta1^step, beta2^step]. */
export const SCHEDULE_LENGTH = 3;

/** @param step counts from 1 */
export function scheduleAt(optimizer: OptimizerSpec, step: number): Float32Array {
  if (optimizer.kind === 'sgd') return Float32Array.of(optimizer.learningRate, 0, 0);
  const { beta1, beta2 } = adamConstants(optimizer);
  return Float32Array.of(optimizer.learningRate, beta1 ** step, beta2 ** step);
}

/**
 * One optimizer step on the flat theta and its slots, by TensorFlow's own training ops, whose formulas are Keras'.
 *
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
  const [rate, power1, power2] = scalars(g, schedule, SCHEDULE_LENGTH) as [Tensor, Tensor, Tensor];
  const handles = slots.map((slot) => slot.handle);
  const attributes = { T: { type: 'float32' }, use_locking: { bool: false } } as const;
  if (optimizer.kind === 'adam') {
    const { beta1, beta2, epsilon } = adamConstants(optimizer);
    const constants = [beta1, beta2, epsilon].map((value) => constant(g, 'float32', value));
    const inputs = [theta.handle, ...handles, power1, power2, rate, ...constants, gradient];
    return effect(g, 'ResourceApplyAdam', inputs, { ...attributes, use_nesterov: { bool: false } });
  }
  if (optimizer.momentum) {
    const inputs = [theta.handle, ...handles, rate, gradient, constant(g, 'float32', optimizer.momentum)];
    return effect(g, 'ResourceApplyKerasMomentum', inputs, {
      ...attributes,
      use_nesterov: { bool: optimizer.nesterov ?? false },
    });
  }
  return effect(g, 'ResourceApplyGradientDescent', [theta.handle, rate, gradient], attributes);
}
