import type { CompleteActivation } from '../network.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { constant, plain, select } from './ops.js';

/** What a function gives, and how a gradient goes back through it. Nodes nobody fetches cost nothing. */
export interface Activated {
  readonly y: Tensor;
  back(dy: Tensor): Tensor;
}

/** An activation is one entry. */
type Activate<K> = (g: GraphBuilder, z: Tensor, activation: Extract<CompleteActivation, { kind: K }>) => Activated;

/** An op whose gradient op takes its output (`Relu`), or its input (`Softplus`). */
const fromOutput =
  (op: string, gradientOp: string, order: (dy: Tensor, y: Tensor) => Tensor[]) =>
  (g: GraphBuilder, z: Tensor): Activated => {
    const y = plain(g, op, [z]);
    return { y, back: (dy) => plain(g, gradientOp, order(dy, y)) };
  };

const activations: { readonly [K in CompleteActivation['kind']]: Activate<K> } = {
  relu: fromOutput('Relu', 'ReluGrad', (dy, y) => [dy, y]),
  tanh: fromOutput('Tanh', 'TanhGrad', (dy, y) => [y, dy]),
  sigmoid: fromOutput('Sigmoid', 'SigmoidGrad', (dy, y) => [y, dy]),
  linear: (_g, z) => ({ y: z, back: (dy) => dy }),
  softplus: (g, z) => ({ y: plain(g, 'Softplus', [z]), back: (dy) => plain(g, 'SoftplusGrad', [dy, z]) }),
  'leaky-relu': (g, z, { negativeSlope }) => {
    const attributes = { T: { type: 'float32' }, alpha: { float: negativeSlope } } as const;
    return {
      y: g.emit('LeakyRelu', [z], ['float32'], attributes)[0],
      back: (dy) => g.emit('LeakyReluGrad', [dy, z], ['float32'], attributes)[0],
    };
  },
  elu: (g, z, { alpha }) => {
    if (alpha === 1) return fromOutput('Elu', 'EluGrad', (dy, y) => [dy, y])(g, z);
    const scale = constant(g, 'float32', alpha);
    const y = select(g, above0(g, z), z, plain(g, 'Mul', [plain(g, 'Elu', [z]), scale]));
    const slope = () => plain(g, 'Add', [y, scale]);
    return { y, back: (dy) => select(g, above0(g, z), dy, plain(g, 'Mul', [dy, slope()])) };
  },
  gelu: (g, z, { approximate }) => (approximate ? geluByTanh(g, z) : geluByErf(g, z)),
};

export function activate(g: GraphBuilder, z: Tensor, activation: CompleteActivation): Activated {
  return (activations[activation.kind] as Activate<typeof activation.kind>)(g, z, activation as never);
}

function above0(g: GraphBuilder, z: Tensor): Tensor {
  return g.emit('Greater', [z, constant(g, 'float32', 0)], ['bool'], { T: { type: 'float32' } })[0];
}

/** y = z P with P = (1 + erf(z / sqrt 2)) / 2, and dy/dz = P + z p, p the normal density. */
function geluByErf(g: GraphBuilder, z: Tensor): Activated {
  const times = (x: Tensor, factor: number) => plain(g, 'Mul', [x, constant(g, 'float32', factor)]);
  const half = constant(g, 'float32', 0.5);
  const probability = plain(g, 'Add', [times(plain(g, 'Erf', [times(z, Math.SQRT1_2)]), 0.5), half]);
  return {
    y: plain(g, 'Mul', [z, probability]),
    back(dy) {
      const density = times(plain(g, 'Exp', [times(plain(g, 'Square', [z]), -0.5)]), 1 / Math.sqrt(2 * Math.PI));
      return plain(g, 'Mul', [dy, plain(g, 'Add', [probability, plain(g, 'Mul', [z, density])])]);
    },
  };
}

/** y = z P with P = (1 + t) / 2, t = tanh(c (z + a z³)), and dy/dz = P + z (1 - t²) c (1 + 3 a z²) / 2. */
function geluByTanh(g: GraphBuilder, z: Tensor): Activated {
  const [c, a] = [Math.sqrt(2 / Math.PI), 0.044715];
  const times = (x: Tensor, factor: number) => plain(g, 'Mul', [x, constant(g, 'float32', factor)]);
  const plus = (x: Tensor, term: number) => plain(g, 'Add', [x, constant(g, 'float32', term)]);
  const square = plain(g, 'Square', [z]);
  const t = plain(g, 'Tanh', [plain(g, 'Mul', [z, plus(times(square, c * a), c)])]);
  const probability = plus(times(t, 0.5), 0.5);
  return {
    y: plain(g, 'Mul', [z, probability]),
    back(dy) {
      const inner = plus(times(square, 1.5 * c * a), 0.5 * c);
      const through = plain(g, 'TanhGrad', [t, plain(g, 'Mul', [z, inner])]);
      return plain(g, 'Mul', [dy, plain(g, 'Add', [probability, through])]);
    },
  };
}
