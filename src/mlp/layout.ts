import type { Segment } from '../ps/optimizer/range-optimizer.js';
import { keyedRandom } from '../rdd/random.js';
import { drawInitial, type Initializer } from './initializers.js';
import {
  type Activation,
  activationOf,
  type CompleteActivation,
  type DenseBlock,
  type HiddenLayer,
  type Network,
} from './network.js';
import { checkNetwork } from './network-checks.js';

/** Where one parameter array lies in the flat `theta`: `theta[offset … offset + size)`, row-major. */
export interface Parameter {
  readonly name: string;
  /** `[in, out]` of a kernel, `[units]` of all others. */
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
  /** Kernels are decayed; biases, and normalisation's gammas and betas, are not; statistics are no weights at all. */
  readonly kind: 'kernel' | 'bias' | 'statistic';
  readonly initializer: Initializer;
  /** Of a statistic: how much of it an update keeps. */
  readonly momentum?: number;
}

/**
 * The layers a network is computed by, one after the other, every default filled in. This list is all that compilers,
 * exporters and references read: blocks are taken apart here.
 */
export type Layer =
  | { readonly kind: 'dense'; readonly kernel: Parameter; readonly bias: Parameter }
  | {
      readonly kind: 'batch-normalization';
      readonly gamma: Parameter;
      readonly beta: Parameter;
      readonly mean: Parameter;
      readonly variance: Parameter;
      readonly momentum: number;
      readonly epsilon: number;
    }
  | {
      readonly kind: 'layer-normalization';
      readonly gamma: Parameter;
      readonly beta: Parameter;
      readonly epsilon: number;
    }
  | { readonly kind: 'activation'; readonly activation: CompleteActivation }
  /** Of `units` values a row; `number` keys its draws: its place among the network's dropouts. */
  | { readonly kind: 'dropout'; readonly rate: number; readonly units: number; readonly number: number };

/** The table of a network's parameters. All exchange, checkpoints and optimizers see only `theta` and this table. */
export interface Layout {
  /** The last is the dense output layer. */
  readonly layers: readonly Layer[];
  /** In the order of the layers that hold them, ascending, without gaps. */
  readonly parameters: readonly Parameter[];
  /** Length of `theta`. */
  readonly length: number;
}

/**
 * The layout of a network's parameters: `layer0/kernel`, `layer0/bias`, …, numbered as the hidden layers are, the output
 * layer last.
 *
 * @throws RangeError, TypeError as `checkNetwork`
 * @example layoutOf({ inputs: 4, hidden: [], outputs: 3, loss: 'softmax-cross-entropy' }).length // 4 * 3 + 3
 */
export function layoutOf(network: Network): Layout {
  checkNetwork(network);
  const placing = new Placing(network);
  network.hidden.forEach((layer, i) => void placing.add(layer, `layer${i}`));
  placing.add({ units: network.outputs }, `layer${network.hidden.length}`);
  const { layers, parameters, length } = placing;
  return { layers, parameters, length };
}

/** The parameters of a layer, in their order within theta. */
export function parametersOf(layer: Layer): readonly Parameter[] {
  switch (layer.kind) {
    case 'dense':
      return [layer.kernel, layer.bias];
    case 'batch-normalization':
      return [layer.gamma, layer.beta, layer.mean, layer.variance];
    case 'layer-normalization':
      return [layer.gamma, layer.beta];
    default:
      return [];
  }
}

/** Theta's parts that are updated by one rule: neighbours of one kind are one segment. */
export function segmentsOf({ parameters }: Layout): Segment[] {
  const segments: (Segment & { to: number })[] = [];
  for (const { kind, offset, size, momentum } of parameters) {
    const last = segments.at(-1);
    if (last && last.kind === kind && last.momentum === momentum) last.to = offset + size;
    else segments.push({ from: offset, to: offset + size, kind, ...(momentum !== undefined && { momentum }) });
  }
  return segments;
}

/**
 * Initial parameters, keyed by (seed, layer): the same on every machine, and a layer's values do not depend on the
 * layers around it.
 *
 * @param initializer of kernels for which the network names none
 */
export function initialTheta(network: Network, seed: number, initializer?: Initializer): Float32Array {
  const layout = layoutOf(network.kernelInitializer ? network : { ...network, kernelInitializer: initializer });
  const theta = new Float32Array(layout.length);
  for (const { name, shape, offset, kind, initializer } of layout.parameters) {
    const layer = Number.parseInt(name.slice('layer'.length), 10);
    const random = keyedRandom(seed, kind === 'kernel' ? 'initial-theta' : `initial-${name.split('/')[1]}`, layer);
    theta.set(drawInitial(initializer, shape, random), offset);
  }
  return theta;
}

/** Lays out one layer after the other; knows how wide the last one was. */
class Placing {
  readonly layers: Layer[] = [];
  readonly parameters: Parameter[] = [];
  length = 0;
  #width: number;
  #dropouts = 0;

  constructor(readonly network: Network) {
    this.#width = network.inputs;
  }

  add(layer: HiddenLayer, name: string): void {
    switch (layer.kind) {
      case undefined:
      case 'dense':
        this.#block(layer, name);
        return;
      case 'batch-normalization': {
        const { momentum = 0.99, epsilon = 1e-3 } = layer;
        const own = this.#normalization(name);
        const statistic = { kind: 'statistic', momentum } as const;
        const mean = this.#place(`${name}/moving-mean`, [this.#width], 'zeros', statistic);
        const variance = this.#place(`${name}/moving-variance`, [this.#width], 'ones', statistic);
        this.layers.push({ kind: layer.kind, ...own, mean, variance, momentum, epsilon });
        return;
      }
      case 'layer-normalization':
        this.layers.push({ kind: layer.kind, ...this.#normalization(name), epsilon: layer.epsilon ?? 1e-3 });
        return;
      case 'activation':
        this.layers.push({ kind: layer.kind, activation: activationOf(layer.activation) });
        return;
      case 'dropout':
        if (layer.rate > 0)
          this.layers.push({ kind: layer.kind, rate: layer.rate, units: this.#width, number: this.#dropouts });
        this.#dropouts++;
    }
  }

  #block({ units, activation, normalization, dropout, ...own }: DenseBlock, name: string): void {
    const { network } = this;
    const initializer = own.kernelInitializer ?? network.kernelInitializer ?? defaultInitializer(activation);
    const kernel = this.#place(`${name}/kernel`, [this.#width, units], initializer, { kind: 'kernel' });
    const biasInitializer = own.biasInitializer ?? network.biasInitializer ?? 'zeros';
    const bias = this.#place(`${name}/bias`, [units], biasInitializer, { kind: 'bias' });
    this.#width = units;
    this.layers.push({ kind: 'dense', kernel, bias });
    if (normalization)
      this.add(typeof normalization === 'string' ? { kind: `${normalization}-normalization` } : normalization, name);
    if (activationOf(activation).kind !== 'linear') this.add({ kind: 'activation', activation: activation! }, name);
    if (dropout !== undefined) this.add({ kind: 'dropout', rate: dropout }, name);
  }

  #normalization(name: string) {
    const gamma = this.#place(`${name}/gamma`, [this.#width], 'ones', { kind: 'bias' });
    const beta = this.#place(`${name}/beta`, [this.#width], 'zeros', { kind: 'bias' });
    return { gamma, beta };
  }

  #place(
    name: string,
    shape: readonly number[],
    initializer: Initializer,
    rest: Pick<Parameter, 'kind' | 'momentum'>,
  ): Parameter {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const parameter = { name, shape, offset: this.length, size, initializer, ...rest };
    this.length += size;
    this.parameters.push(parameter);
    return parameter;
  }
}

function defaultInitializer(activation: Activation | undefined): Initializer {
  const { kind } = activationOf(activation);
  return ['relu', 'leaky-relu', 'elu', 'gelu'].includes(kind) ? 'he-uniform' : 'glorot-uniform';
}
