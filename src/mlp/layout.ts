import { keyedRandom } from '../rdd/random.js';
import type { Network } from './network.js';

/** Where one parameter array lies in the flat `theta`: `theta[offset … offset + size)`, row-major. */
export interface Parameter {
  readonly name: string;
  /** `[in, out]` of a kernel, `[out]` of a bias. */
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
}

/** One dense layer: `activation(x · kernel + bias)`. */
export interface LayerParameters {
  readonly kernel: Parameter;
  readonly bias: Parameter;
}

/** The table of a network's parameters. All exchange, checkpoints and optimizers see only `theta` and this table. */
export interface Layout {
  readonly layers: readonly LayerParameters[];
  /** kernel 0, bias 0, kernel 1, … : ascending, without gaps. */
  readonly parameters: readonly Parameter[];
  /** Length of `theta`. */
  readonly length: number;
}

/**
 * The layout of a network's parameters: kernel, then bias, layer by layer.
 *
 * @throws RangeError when a width is not a positive integer
 * @example layoutOf({ inputs: 4, hidden: [], outputs: 3, loss: 'softmax-cross-entropy' }).length // 4 * 3 + 3
 */
export function layoutOf(network: Network): Layout {
  const widths = [network.inputs, ...network.hidden.map((layer) => layer.units), network.outputs];
  for (const width of widths)
    if (!Number.isSafeInteger(width) || width < 1)
      throw new RangeError(`network widths must be positive integers, got ${widths.join('-')}`);
  let offset = 0;
  const place = (name: string, ...shape: number[]): Parameter => {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    offset += size;
    return { name, shape, offset: offset - size, size };
  };
  const layers = widths.slice(1).map((outputs, layer) => ({
    kernel: place(`layer${layer}/kernel`, widths[layer]!, outputs),
    bias: place(`layer${layer}/bias`, outputs),
  }));
  return { layers, parameters: layers.flatMap(({ kernel, bias }) => [kernel, bias]), length: offset };
}

/**
 * How kernels begin, uniform in ±limit. `glorot-uniform` (Glorot and Bengio 2010; Keras' default for Dense):
 * limit = sqrt(6 / (in + out)). `he-uniform` (He et al. 2015; for relu): limit = sqrt(6 / in). Biases begin at 0.
 */
export type Initializer = 'glorot-uniform' | 'he-uniform';

/**
 * Initial parameters, keyed by (seed, layer): the same on every machine, and a layer's values do not depend on the
 * layers around it.
 *
 * @param initializer default: `he-uniform` for relu layers, `glorot-uniform` for all others
 */
export function initialTheta(network: Network, seed: number, initializer?: Initializer): Float32Array {
  const layout = layoutOf(network);
  const theta = new Float32Array(layout.length);
  layout.layers.forEach(({ kernel }, layer) => {
    const [fanIn, fanOut] = kernel.shape as [number, number];
    const kind = initializer ?? (network.hidden[layer]?.activation === 'relu' ? 'he-uniform' : 'glorot-uniform');
    const limit = Math.sqrt(6 / (kind === 'he-uniform' ? fanIn : fanIn + fanOut));
    const random = keyedRandom(seed, 'initial-theta', layer);
    for (let i = kernel.offset; i < kernel.offset + kernel.size; i++) theta[i] = (2 * random.uniform() - 1) * limit;
  });
  return theta;
}
