/**
 * Optimizers as data. Names, defaults and formulas are Keras', in the order of operations of TensorFlow's own training ops
 * (`ResourceApply…`), so that both give equal bits. Where PyTorch's formulas differ, it is said; both agree as epsilon → 0
 * and, with momentum, as long as the learning rate stays the same (PyTorch multiplies the velocity by the current rate, Keras
 * adds the rate's share of each gradient into it).
 */
export type OptimizerSpec = Sgd | Adagrad | Rmsprop | Adam | AdamW | Lbfgs;

/** `v = momentum v - rate g; theta += v`; Nesterov: `theta += momentum v - rate g`. */
export interface Sgd {
  readonly kind: 'sgd';
  readonly learningRate: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Nesterov's momentum. Default false. */
  readonly nesterov?: boolean;
}

/** Duchi et al. 2011: `a += g²; theta -= rate g / (√a + epsilon)`. */
export interface Adagrad {
  readonly kind: 'adagrad';
  readonly learningRate: number;
  /** What the accumulator begins with. Default 0.1 (PyTorch: 0). */
  readonly initialAccumulator?: number;
  /** Default 1e-7 (PyTorch: 1e-10). */
  readonly epsilon?: number;
}

/**
 * Tieleman and Hinton 2012: `s = rho s + (1 - rho) g²; v = momentum v + rate g / √(s + epsilon); theta -= v`
 * (PyTorch: `√s + epsilon`).
 */
export interface Rmsprop {
  readonly kind: 'rmsprop';
  readonly learningRate: number;
  /** Default 0.9 (PyTorch: alpha, 0.99). */
  readonly rho?: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Default 1e-7. */
  readonly epsilon?: number;
  /** Divides by the root of the variance, not of the second moment. Default false. */
  readonly centered?: boolean;
}

/**
 * Kingma and Ba 2015, the form before section 2.1's end: `alpha = rate √(1 - beta2^t) / (1 - beta1^t)`,
 * `theta -= alpha m / (√v + epsilon)` (PyTorch divides v by `1 - beta2^t` before epsilon is added).
 */
export interface Adam extends Moments {
  readonly kind: 'adam';
}

/** Loshchilov and Hutter 2019: Adam after `theta *= 1 - rate weightDecay`, on kernels. */
export interface AdamW extends Moments {
  readonly kind: 'adamw';
  /** Default 0.004 (PyTorch: 0.01). */
  readonly weightDecay?: number;
}

interface Moments {
  readonly learningRate: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-7 (PyTorch: 1e-8). */
  readonly epsilon?: number;
  /** Reddi et al. 2018: the highest v so far in place of v. Default false. */
  readonly amsgrad?: boolean;
}

/** Limited-memory BFGS over all rows at once, with a line search: see lbfgs.ts. Has no learning rate and no schedule. */
export interface Lbfgs {
  readonly kind: 'l-bfgs';
  /** Corrections kept. Default 10. */
  readonly memory?: number;
  /** Relative change of the loss, and relative norm of the gradient, below which it has converged. Default 1e-6. */
  readonly tolerance?: number;
}

/** A vector of theta's length that an optimizer keeps. */
export interface SlotSpec {
  readonly name: string;
  readonly initial: number;
}

/**
 * The optimizer's slots, in order.
 *
 * @example optimizerSlots({ kind: 'adam', learningRate: 1e-3 }) // [{ name: 'm', initial: 0 }, { name: 'v', initial: 0 }]
 */
export function optimizerSlots(optimizer: OptimizerSpec): readonly SlotSpec[] {
  const zeros = (...names: string[]) => names.map((name) => ({ name, initial: 0 }));
  switch (optimizer.kind) {
    case 'sgd':
      return optimizer.momentum ? zeros('velocity') : [];
    case 'adagrad':
      return [{ name: 'accumulator', initial: optimizer.initialAccumulator ?? 0.1 }];
    case 'rmsprop':
      return optimizer.centered ? zeros('square', 'mean', 'velocity') : zeros('square', 'velocity');
    case 'adam':
    case 'adamw':
      return zeros('m', 'v', ...(optimizer.amsgrad ? ['highest'] : []));
    case 'l-bfgs':
      return [];
  }
}
