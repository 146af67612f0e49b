import type { OptimizerSpec } from '../optimizer.js';

/** One of every rule. */
export const EXAMPLE_OPTIMIZERS: readonly OptimizerSpec[] = [
  { kind: 'sgd', learningRate: 0.1 },
  { kind: 'sgd', learningRate: 0.1, momentum: 0.9 },
  { kind: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true },
  { kind: 'adagrad', learningRate: 0.1 },
  { kind: 'rmsprop', learningRate: 0.01 },
  { kind: 'rmsprop', learningRate: 0.01, momentum: 0.8, rho: 0.95 },
  { kind: 'rmsprop', learningRate: 0.01, centered: true },
  { kind: 'adam', learningRate: 0.01, beta2: 0.99, epsilon: 1e-5 },
  { kind: 'adam', learningRate: 0.01, amsgrad: true },
  { kind: 'adamw', learningRate: 0.01, weightDecay: 0.1 },
];
