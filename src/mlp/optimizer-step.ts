import type { OptimizerSpec } from './optimizers.js';

/** Slots of theta's length that an optimizer keeps: Adam its two moments, SGD with momentum its velocity. */
export function slotCount(optimizer: OptimizerSpec): number {
  if (optimizer.kind === 'adam') return 2;
  return optimizer.momentum ? 1 : 0;
}

/** Keras' defaults, and what the specification says instead. */
export function adamConstants(optimizer: Extract<OptimizerSpec, { kind: 'adam' }>) {
  return { beta1: optimizer.beta1 ?? 0.9, beta2: optimizer.beta2 ?? 0.999, epsilon: optimizer.epsilon ?? 1e-7 };
}

/**
 * One step in place, in float32, by Keras' formulas. `state` is theta followed by the slots.
 *
 * @param gradient the mean gradient, of theta's length
 * @param step counts from 1
 */
export function applyStep(optimizer: OptimizerSpec, state: Float32Array, gradient: Float32Array, step: number): void {
  const length = gradient.length;
  const slot = (i: number) => state.subarray(i * length, (i + 1) * length);
  const theta = slot(0);
  if (optimizer.kind === 'adam') adam(optimizer, theta, slot(1), slot(2), gradient, step);
  else if (optimizer.momentum) momentum(optimizer, optimizer.momentum, theta, slot(1), gradient);
  else for (let i = 0; i < length; i++) theta[i]! -= optimizer.learningRate * gradient[i]!;
}

function adam(
  optimizer: Extract<OptimizerSpec, { kind: 'adam' }>,
  theta: Float32Array,
  first: Float32Array,
  second: Float32Array,
  gradient: Float32Array,
  step: number,
): void {
  const { beta1, beta2, epsilon } = adamConstants(optimizer);
  const rate = (optimizer.learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i]!;
    first[i]! += (g - first[i]!) * (1 - beta1);
    second[i]! += (g * g - second[i]!) * (1 - beta2);
    theta[i]! -= (rate * first[i]!) / (Math.sqrt(second[i]!) + epsilon);
  }
}

function momentum(
  optimizer: Extract<OptimizerSpec, { kind: 'sgd' }>,
  decay: number,
  theta: Float32Array,
  velocity: Float32Array,
  gradient: Float32Array,
): void {
  const { learningRate, nesterov = false } = optimizer;
  for (let i = 0; i < gradient.length; i++) {
    const step = learningRate * gradient[i]!;
    velocity[i] = decay * velocity[i]! - step;
    theta[i]! += nesterov ? decay * velocity[i]! - step : velocity[i]!;
  }
}
