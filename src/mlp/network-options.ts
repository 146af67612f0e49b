import type { Initializer } from './initializers.js';
import type { Activation, BatchNormalization, HiddenLayer, LayerNormalization, Loss, Network } from './network.js';
import type { Form, Forms } from './options.js';
import { requireAddressable } from './training-memory.js';

/** Options of an estimator that describe its network. */
export interface NetworkOptions {
  /**
   * The hidden layers: numbers of units, which take `activation`, `normalization` and `dropout` from the options beside, or
   * layers described one by one. Default [100], as scikit-learn.
   */
  readonly hidden?: readonly (number | HiddenLayer)[];
  /** Of hidden layers given as numbers. Default relu. */
  readonly activation?: Activation;
  /** Of hidden layers given as numbers, between product and activation. Default none. */
  readonly normalization?: 'batch' | 'layer' | BatchNormalization | LayerNormalization;
  /** Of hidden layers given as numbers: the share of their values that a training step leaves out. Default 0. */
  readonly dropout?: number;
  /** Default: `he-uniform` below relu and its relatives, `glorot-uniform` else. */
  readonly kernelInitializer?: Initializer;
  /** Default `zeros`. */
  readonly biasInitializer?: Initializer;
}

const anything: Form = [() => true, ''];
const HIDDEN: Form = [
  (value) =>
    Array.isArray(value) &&
    value.every((layer) => (typeof layer === 'object' ? layer !== null : Number.isSafeInteger(layer) && layer >= 1)),
  'an array of layer sizes, whole numbers of at least 1, or of layers',
];

/** What is inside them is checked as part of a network. */
export const NETWORK_FORMS: Forms<NetworkOptions> = {
  hidden: HIDDEN,
  activation: anything,
  normalization: anything,
  dropout: anything,
  kernelInitializer: anything,
  biasInitializer: anything,
};

/** Pure. */
export function networkOf(
  options: NetworkOptions,
  inputs: number,
  outputs: number,
  loss: Loss,
  classWeights?: readonly number[],
): Network {
  const { hidden = [100], activation = 'relu', normalization, dropout } = options;
  const { kernelInitializer, biasInitializer } = options;
  const given = { kernelInitializer, biasInitializer, classWeights };
  const layers = hidden.map(
    (layer): HiddenLayer =>
      typeof layer === 'number' ? { units: layer, activation, ...defined({ normalization, dropout }) } : layer,
  );
  return { inputs, hidden: layers, outputs, loss, ...defined(given) };
}

/** Networks go into the numerical plan: what is not given must not be there. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** Before any data is read. @throws TypeError, RangeError naming what does not fit */
export function checkNetworkOptions(owner: string, options: NetworkOptions, outputs: number, loss: Loss): void {
  try {
    requireAddressable(networkOf(options, 1, outputs, loss));
  } catch (error) {
    const Kind = error instanceof RangeError ? RangeError : TypeError;
    throw new Kind(`${owner}: ${(error as Error).message}`);
  }
}
