import { type OptimizerSpec, optimizerSlots } from '../optimizer.js';

type Vector = ArrayLike<number>;

/** New values of one element and its slots. */
type Rule = (theta: number, g: number, slots: readonly number[]) => readonly [theta: number, ...slots: number[]];

/**
 * One optimizer step in float64, as Keras writes it, for reading: the oracle of the float32 loops, with which it shares only the
 * list of slots.
 *
 * @param state theta followed by the slots
 * @param gradient the mean gradient, of theta's length
 * @param step counts from 1
 * @returns the new state
 */
export function referenceApply(optimizer: OptimizerSpec, state: Vector, gradient: Vector, step: number): Float64Array {
  const n = gradient.length;
  const slots = optimizerSlots(optimizer).length;
  const rule = ruleOf(optimizer, step);
  const next = Float64Array.from(state);
  for (let i = 0; i < n; i++) {
    const old = Array.from({ length: slots }, (_, k) => state[(k + 1) * n + i]!);
    rule(state[i]!, gradient[i]!, old).forEach((value, k) => {
      next[k * n + i] = value;
    });
  }
  return next;
}

function ruleOf(optimizer: OptimizerSpec, step: number): Rule {
  switch (optimizer.kind) {
    case 'sgd': {
      const { learningRate, momentum = 0, nesterov } = optimizer;
      if (momentum === 0) return (theta, g) => [theta - learningRate * g];
      return (theta, g, [old]) => {
        const velocity = momentum * old! - learningRate * g;
        return [theta + (nesterov ? momentum * velocity - learningRate * g : velocity), velocity];
      };
    }
    case 'adagrad': {
      const { learningRate, epsilon = 1e-7 } = optimizer;
      return (theta, g, [old]) => {
        const sum = old! + g ** 2;
        return [theta - (learningRate * g) / (Math.sqrt(sum) + epsilon), sum];
      };
    }
    case 'rmsprop': {
      const { learningRate, rho = 0.9, momentum = 0, epsilon = 1e-7, centered } = optimizer;
      return (theta, g, old) => {
        const square = rho * old[0]! + (1 - rho) * g ** 2;
        const mean = centered ? [rho * old[1]! + (1 - rho) * g] : [];
        const variance = centered ? square - mean[0]! ** 2 : square;
        const velocity = momentum * old.at(-1)! + (learningRate * g) / Math.sqrt(variance + epsilon);
        return [theta - velocity, square, ...mean, velocity];
      };
    }
    case 'adam':
    case 'adamw': {
      const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, amsgrad } = optimizer;
      const alpha = (learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
      const keep = optimizer.kind === 'adamw' ? 1 - learningRate * (optimizer.weightDecay ?? 0.004) : 1;
      return (theta, g, old) => {
        const m = beta1 * old[0]! + (1 - beta1) * g;
        const v = beta2 * old[1]! + (1 - beta2) * g ** 2;
        const highest = amsgrad ? [Math.max(old[2]!, v)] : [];
        return [keep * theta - (alpha * m) / (Math.sqrt(highest[0] ?? v) + epsilon), m, v, ...highest];
      };
    }
    case 'l-bfgs':
      throw new TypeError('l-bfgs makes no steps of its own');
  }
}
