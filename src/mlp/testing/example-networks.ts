import { ACTIVATIONS, type Activation, type HiddenLayer, LOSSES, type Loss, type Network } from '../network.js';

/** Small networks that together use every activation, loss and layer: what backends and the reference are compared on. */

export const ACTIVATION_FORMS: readonly Activation[] = [
  ...ACTIVATIONS,
  { kind: 'leaky-relu', negativeSlope: 0.01 },
  { kind: 'elu', alpha: 0.5 },
  { kind: 'gelu', approximate: true },
];

export const LOSS_FORMS: readonly Loss[] = [
  ...LOSSES,
  { kind: 'softmax-cross-entropy', labelSmoothing: 0.1 },
  { kind: 'binary-cross-entropy', labelSmoothing: 0.2, positiveWeights: [1, 3, 0.5] },
  { kind: 'huber', delta: 0.3 },
];

const LAYER_FORMS: readonly (readonly HiddenLayer[])[] = [
  [],
  [{ units: 6, activation: 'tanh', normalization: 'batch' }],
  [{ units: 6, activation: 'tanh', normalization: 'layer' }],
  [{ units: 6, activation: 'tanh', dropout: 0.3 }],
  [
    { units: 6, activation: 'gelu', normalization: 'batch', dropout: 0.2 },
    { units: 5, activation: 'tanh', normalization: { kind: 'layer-normalization', epsilon: 0.1 }, dropout: 0.5 },
  ],
  [
    { kind: 'dropout', rate: 0.25 },
    { kind: 'batch-normalization', momentum: 0.5, epsilon: 0.01 },
    { units: 6 },
    { kind: 'activation', activation: 'tanh' },
    { kind: 'layer-normalization' },
  ],
];

const network = (hidden: readonly HiddenLayer[], loss: Loss): Network => ({ inputs: 7, hidden, outputs: 3, loss });

export const EXAMPLE_NETWORKS: readonly Network[] = [
  ...ACTIVATION_FORMS.map((activation) =>
    network(
      [
        { units: 6, activation },
        { units: 5, activation },
      ],
      'softmax-cross-entropy',
    ),
  ),
  ...LOSS_FORMS.map((loss) => network([{ units: 6, activation: 'tanh' }], loss)),
  ...LAYER_FORMS.map((hidden) => network(hidden, 'softmax-cross-entropy')),
  ...LAYER_FORMS.map((hidden) => network(hidden, 'mean-squared-error')),
  { ...network([{ units: 6, activation: 'relu' }], 'softmax-cross-entropy'), classWeights: [0.5, 2, 0] },
  { inputs: 1, hidden: [{ units: 4, activation: 'tanh' }], outputs: 1, loss: 'mean-squared-error' },
  {
    inputs: 7,
    hidden: [{ units: 4, activation: 'relu' }],
    outputs: 1,
    loss: 'binary-cross-entropy',
    classWeights: [1, 3],
  },
];

export function describeNetwork({ inputs, hidden, outputs, loss, classWeights }: Network): string {
  const layers = hidden.map((layer) => JSON.stringify(layer).replaceAll('"', ''));
  const more = classWeights ? `, class weights ${classWeights}` : '';
  return `${[inputs, ...layers, outputs].join(' ')}, ${JSON.stringify(loss).replaceAll('"', '')}${more}`;
}
