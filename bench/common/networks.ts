import type { Network } from '../../src/mlp/network.js';

/** A classifier with hidden relu layers. @param widths of the layers, inputs and outputs among them */
export function reluClassifier(widths: readonly number[]): Network {
  return {
    inputs: widths[0]!,
    hidden: widths.slice(1, -1).map((units) => ({ units, activation: 'relu' })),
    outputs: widths.at(-1)!,
    loss: 'softmax-cross-entropy',
  };
}
