import { CONSTANT, CONSTANTS, type StepRule } from '../vector/kernels.js';
import type { OptimizerSpec } from './optimizer.js';

const { fround, sqrt } = Math;

/** The loop that carries an optimizer out, and those of its constants that stay the same from step to step. */
export interface StepPlan {
  readonly rule: StepRule;
  readonly constants: Float32Array;
}

/** Of l-bfgs, which makes no steps of its own (see lbfgs.ts), a descent: with rate 0 only statistics follow. */
export function stepPlan(optimizer: OptimizerSpec): StepPlan {
  switch (optimizer.kind) {
    case 'sgd': {
      const { momentum = 0, nesterov = false } = optimizer;
      return plan(momentum === 0 ? 'descent' : nesterov ? 'nesterov' : 'momentum', momentum);
    }
    case 'adagrad':
      return plan('adagrad', optimizer.epsilon ?? 1e-7);
    case 'rmsprop': {
      const { rho = 0.9, momentum = 0, epsilon = 1e-7, centered = false } = optimizer;
      return plan(centered ? 'rmsprop-centered' : 'rmsprop', 1 - fround(rho), epsilon, momentum);
    }
    case 'adam':
    case 'adamw': {
      const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, amsgrad = false } = optimizer;
      return plan(amsgrad ? 'adam-amsgrad' : 'adam', 1 - fround(beta1), 1 - fround(beta2), epsilon);
    }
    case 'l-bfgs':
      return plan('descent');
  }
}

/** A plain descent by `rate` times the mean. */
export function descentPlan(rate: number): StepPlan {
  const { rule, constants } = plan('descent');
  constants[CONSTANT.rate] = rate;
  return { rule, constants };
}

function plan(rule: StepRule, a = 0, b = 0, c = 0): StepPlan {
  const constants = new Float32Array(CONSTANTS);
  constants[CONSTANT.scale] = 1;
  constants[CONSTANT.clip] = Infinity;
  constants[CONSTANT.keep] = 1;
  constants[CONSTANT.a] = a;
  constants[CONSTANT.b] = b;
  constants[CONSTANT.c] = c;
  return { rule, constants };
}

/**
 * The rate a step's loop multiplies by: Adam's bias corrections are part of it, in float32 as TensorFlow's op computes them.
 *
 * @param step counts from 1
 */
export function stepRate(optimizer: OptimizerSpec, rate: number, step: number): number {
  if (optimizer.kind !== 'adam' && optimizer.kind !== 'adamw') return fround(rate);
  const { beta1 = 0.9, beta2 = 0.999 } = optimizer;
  const correction1 = fround(1 - fround(power(beta1, step)));
  const correction2 = fround(1 - fround(power(beta2, step)));
  return fround(fround(fround(rate) * fround(sqrt(correction2))) / correction1);
}

/** base^exponent in float64 by squaring: the same bits in every engine, which `**` does not promise. */
export function power(base: number, exponent: number): number {
  let result = 1;
  for (let rest = exponent, square = base; rest > 0; rest = Math.floor(rest / 2), square *= square)
    if (rest % 2 === 1) result *= square;
  return result;
}
