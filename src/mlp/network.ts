/** A multilayer perceptron as data. @example { inputs: 228, hidden: [{ units: 128, activation: 'relu' }], outputs: 6, loss: 'softmax-cross-entropy' } */
export interface Network {
  readonly inputs: number;
  readonly hidden: readonly { readonly units: number; readonly activation: Activation }[];
  readonly outputs: number;
  readonly loss: Loss;
  /** L2 penalty, 0.5 * l2 * |W|^2 added to the mean loss (not on biases). Default 0. */
  readonly l2?: number;
}

export const ACTIVATIONS = ['relu', 'tanh', 'sigmoid', 'linear'] as const;
export type Activation = (typeof ACTIVATIONS)[number];
export type Loss = 'softmax-cross-entropy' | 'mean-squared-error';
