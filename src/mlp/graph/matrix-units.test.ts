import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { alignedFloats } from '../../ps/float-bytes.js';
import { nativeAddon } from '../../ps/native-addon.js';
import { loadNative, nativeState, type TensorFlow } from '../native.js';
import { GraphBuilder, type GraphNode, type Signature, type Tensor } from './graph-builder.js';
import { onMatrixUnits, type Terms } from './matrix-units.js';
import { batchMatMul, gather, matMul, placeholder, plain } from './ops.js';
import { GraphSession } from './session.js';

process.env.TF_NUM_INTRAOP_THREADS = '1';

const signature = (outputs: Record<string, Tensor>): Signature => ({ inputs: {}, outputs });
const summary = (nodes: readonly GraphNode[]) =>
  nodes
    .filter(({ op }) => op !== 'Placeholder')
    .map(({ name, op, inputs, attributes: { epilogue } }) =>
      [name, op, ...inputs, ...(epilogue ? Object.values(epilogue) : [])].join(' '),
    );

describe('onMatrixUnits', () => {
  const matrices = (g: GraphBuilder) =>
    ['x', 'w', 'b', 'dy'].map((name) => placeholder(g, name, 'float32', [-1, -1])) as [Tensor, Tensor, Tensor, Tensor];

  it('makes one op of a product, its bias and its relu, and of a product and the relu that its gradient goes back through', () => {
    const g = new GraphBuilder();
    const [x, w, b, dy] = matrices(g);
    const y = plain(g, 'Relu', [plain(g, 'BiasAdd', [matMul(g, x, w), b])]);
    const back = plain(g, 'ReluGrad', [matMul(g, dy, w, { transposeB: true }), y]);
    expect(summary(onMatrixUnits(g.nodes, [signature({ y, back })], 3))).toEqual([
      'Relu SheafMatMul x:0 w:0 b:0 bias_relu',
      'ReluGrad SheafMatMul dy:0 w:0 Relu:0 where_positive',
    ]);
  });

  it('takes rows from where they are, and says where results are wanted', () => {
    const g = new GraphBuilder();
    const [x, w, b] = matrices(g);
    const rows = placeholder(g, 'rows', 'int32', [-1]);
    const chosen = gather(g, x, rows);
    const y = plain(g, 'BiasAdd', [matMul(g, chosen, w), b]);
    const back = matMul(g, chosen, y, { transposeA: true });
    const twice = matMul(g, y, w);
    const nodes = onMatrixUnits(g.nodes, [signature({ y, back, twice, again: twice })], 3);
    expect(summary(nodes).filter((line) => line.includes('SheafMatMul'))).toEqual([
      'BiasAdd SheafMatMul x:0 w:0 rows:0 b:0 bias',
      'MatMul_1 SheafMatMul x:0 BiasAdd:0 rows:0 none',
      'MatMul_2 SheafMatMul BiasAdd:0 w:0 none',
    ]);
    expect(nodes.flatMap(({ attributes: { destination } }) => destination ?? [])).toEqual([
      { int: 0 },
      { int: 1 },
      { int: -1 },
    ]);
    const several = onMatrixUnits(g.nodes, [signature({ y }), signature({ back })], 3);
    expect(several.flatMap(({ attributes: { destination } }) => destination ?? [])).not.toContainEqual({ int: 0 });
  });

  it('leaves what somebody else needs too, or a call fetches', () => {
    const g = new GraphBuilder();
    const [x, w, b] = matrices(g);
    const z = plain(g, 'BiasAdd', [matMul(g, x, w), b]);
    const y = plain(g, 'Relu', [z]);
    const fetched = matMul(g, y, w);
    const shifted = plain(g, 'BiasAdd', [fetched, b]);
    expect(summary(onMatrixUnits(g.nodes, [signature({ z, y, fetched, shifted })], 3))).toEqual([
      'BiasAdd SheafMatMul x:0 w:0 b:0 bias',
      'Relu Relu BiasAdd:0',
      'MatMul_1 SheafMatMul Relu:0 w:0 none',
      'BiasAdd_1 BiasAdd MatMul_1:0 b:0',
    ]);
  });
});

describe.runIf(nativeState().installed && nativeAddon()?.hasMatrixUnits())('SheafMatMul', () => {
  let tf: TensorFlow;
  beforeAll(async () => {
    tf = await loadNative();
  });

  type Shape = readonly number[];
  interface Asked {
    readonly rows: number;
    readonly columns: number;
    readonly inner: number;
    readonly transposeA: boolean;
    readonly transposeB: boolean;
    readonly networks?: number;
  }
  const size = (shape: Shape) => shape.reduce((product, length) => product * length, 1);
  /** Numbers of all magnitudes that gradients have, the same for a seed. */
  const values = (length: number, seed: number) =>
    Float32Array.from({ length }, (_, i) => {
      const noise = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
      return (noise - Math.floor(noise) - 0.5) * 2 ** (((i * 7 + seed) % 13) - 6);
    });

  function compute(asked: Asked, terms: Terms, build: 'none' | 'bias' | 'bias_relu' | 'where_positive' = 'none') {
    const { rows, columns, inner, transposeA, transposeB, networks } = asked;
    const stack = networks === undefined ? [] : [networks];
    const shapes: Record<string, Shape> = {
      a: [...stack, ...(transposeA ? [inner, rows] : [rows, inner])],
      b: [...stack, ...(transposeB ? [columns, inner] : [inner, columns])],
      bias: [columns],
      y: [rows, columns],
    };
    const g = new GraphBuilder();
    const inputs = Object.fromEntries(
      Object.entries(shapes).map(([name, s]) => [name, placeholder(g, name, 'float32', s)]),
    );
    const multiply = networks === undefined ? matMul : batchMatMul;
    const product = multiply(g, inputs.a!, inputs.b!, { transposeA, transposeB });
    const biased = () => plain(g, 'BiasAdd', [product, inputs.bias!]);
    const output = {
      none: () => product,
      bias: biased,
      bias_relu: () => plain(g, 'Relu', [biased()]),
      where_positive: () => plain(g, 'ReluGrad', [product, inputs.y!]),
    }[build]();
    const session = new GraphSession(tf, g.nodes, { run: { inputs, outputs: { output } } }, terms);
    const fed = Object.fromEntries(
      Object.entries(shapes).map(([name, shape], i) => [name, { values: values(size(shape), i), shape }]),
    );
    const [result] = session.run('run', fed) as [Float32Array];
    session.dispose();
    return { result, fed: fed as Record<string, { values: Float32Array; shape: Shape }> };
  }

  /** In float64: the product, and the sum of its addends' absolute values. */
  function exactly({ rows, columns, inner, transposeA, transposeB }: Asked, a: Float32Array, b: Float32Array) {
    const at = (i: number, j: number) => {
      let sum = 0;
      let absolute = 0;
      for (let k = 0; k < inner; k++) {
        const addend = a[transposeA ? k * rows + i : i * inner + k]! * b[transposeB ? j * inner + k : k * columns + j]!;
        sum += addend;
        absolute += Math.abs(addend);
      }
      return { sum, absolute };
    };
    return Array.from({ length: rows * columns }, (_, p) => at(Math.floor(p / columns), p % columns));
  }

  const asked = fc.record({
    rows: fc.integer({ min: 1, max: 150 }),
    columns: fc.integer({ min: 1, max: 70 }),
    inner: fc.integer({ min: 1, max: 300 }),
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
  });

  // Three terms: within some roundings of float32. Two leave 2^-16 of each factor and their product, one 2^-8.
  it.each([
    [3, 2 ** -21],
    [2, 2 ** -14],
    [1, 2 ** -6.9],
  ] as const)('is as exact as it says with %i terms, whatever the shapes', (terms, bound) => {
    fc.assert(
      fc.property(asked, (shape) => {
        const { result, fed } = compute(shape, terms);
        exactly(shape, fed.a!.values, fed.b!.values).forEach(({ sum, absolute }, i) => {
          expect(Math.abs(result[i]! - sum)).toBeLessThanOrEqual(bound * absolute);
        });
      }),
      { numRuns: 12, seed: 7 },
    );
  });

  it('is more exact with three terms than float32 arithmetic, over a long sum', () => {
    const shape = { rows: 8, columns: 8, inner: 4000, transposeA: false, transposeB: false };
    const { result, fed } = compute(shape, 3);
    const [a, b] = [fed.a!.values, fed.b!.values];
    const exact = exactly(shape, a, b);
    const plainly = exact.map((_, p) => {
      let sum = 0;
      for (let k = 0; k < 4000; k++)
        sum = Math.fround(sum + Math.fround(a[(p >> 3) * 4000 + k]! * b[k * 8 + (p & 7)]!));
      return sum;
    });
    const error = (given: ArrayLike<number>) => Math.hypot(...exact.map(({ sum }, i) => given[i]! - sum));
    expect(error(result)).toBeLessThan(error(plainly));
  });

  it('blocks of large products fit together', () => {
    const shape = { rows: 2300, columns: 600, inner: 300, transposeA: true, transposeB: false };
    const { result, fed } = compute(shape, 3);
    const tensors = [tf.tensor2d(fed.a!.values, [300, 2300]), tf.tensor2d(fed.b!.values, [300, 600])] as const;
    const expected = tf.matMul(...tensors, true).dataSync();
    expect(result.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)).toBeLessThan(0.02);
  });

  it('gives a row the bits it has alone', () => {
    const all = { rows: 100, columns: 40, inner: 77, transposeA: false, transposeB: false };
    const { result } = compute(all, 3);
    const { result: few } = compute({ ...all, rows: 3 }, 3);
    expect(few).toEqual(result.subarray(0, 3 * 40));
  });

  it('gives each of many products the bits it has alone', () => {
    const one = { rows: 20, columns: 30, inner: 40, transposeA: false, transposeB: true };
    const { result, fed } = compute({ ...one, networks: 3 }, 3);
    const { result: first, fed: alone } = compute(one, 3);
    expect(fed.a!.values.subarray(0, 800)).toEqual(alone.a!.values);
    expect(result.subarray(0, 600)).toEqual(first);
  });

  it.each(['bias', 'bias_relu', 'where_positive'] as const)('finishes as separate operations would: %s', (epilogue) => {
    const shape = { rows: 37, columns: 53, inner: 20, transposeA: false, transposeB: false };
    const { result: product, fed } = compute(shape, 3);
    const { result } = compute(shape, 3, epilogue);
    const expected = product.map((value, i) => {
      if (epilogue === 'where_positive') return fed.y!.values[i]! > 0 ? value : 0;
      const biased = value + fed.bias!.values[i % 53]!;
      return epilogue === 'bias_relu' ? Math.max(0, biased) : biased;
    });
    expect(result).toEqual(expected);
  });

  it('chooses rows as a gather before it would, for one product or many, and writes where it is told to', () => {
    const inputs = (g: GraphBuilder, rank: number) => ({
      x: placeholder(g, 'x', 'float32', [9, 40]),
      rows: placeholder(g, 'rows', 'int32', rank === 2 ? [-1] : [2, -1]),
      w: placeholder(g, 'w', 'float32', rank === 2 ? [40, 5] : [2, 40, 5]),
    });
    for (const rank of [2, 3]) {
      const stack = rank === 2 ? [] : [2];
      const rows = Int32Array.of(8, 0, 3, 3, 5, 7);
      const fed = {
        x: { values: values(360, 1), shape: [9, 40] },
        rows: { values: rows, shape: [...stack, rank === 2 ? 6 : 3] },
        w: { values: values(rank === 2 ? 200 : 400, 2), shape: [...stack, 40, 5] },
      };
      const run = (terms: Terms | undefined, into: Float32Array, wrong?: Int32Array) => {
        const g = new GraphBuilder();
        const { x, w, rows } = inputs(g, rank);
        const y = (rank === 2 ? matMul : batchMatMul)(g, gather(g, x, rows), w);
        const session = new GraphSession(tf, g.nodes, { run: { inputs: { x, rows, w }, outputs: { y } } }, terms);
        const feeds = wrong ? { ...fed, rows: { ...fed.rows, values: wrong } } : fed;
        try {
          return session.run('run', feeds, [into])[0]!;
        } finally {
          session.dispose();
        }
      };
      const into = alignedFloats(30);
      const expected = run(undefined, new Float32Array(30));
      expect(run(3, into)).toBe(into);
      into.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 3);
      });
      // Not aligned: copied.
      expect(run(3, new Float32Array(31).subarray(1))).toEqual(into);
      expect(() => run(3, into, Int32Array.of(8, 0, 3, 3, 5, 9))).toThrow('there is no row of a chosen number');
    }
  });

  it('keeps numbers that are none, and infinities, from becoming numbers', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => placeholder(g, name, 'float32', [2, 2])) as [Tensor, Tensor];
    const session = new GraphSession(tf, g.nodes, { run: { inputs: { a, b }, outputs: { y: matMul(g, a, b) } } }, 3);
    const run = (...left: number[]) =>
      session.run('run', {
        a: { values: Float32Array.from(left), shape: [2, 2] },
        b: { values: Float32Array.of(1, 2, 3, 4), shape: [2, 2] },
      })[0]!;
    expect(run(Number.NaN, 1, 1, 1)).toEqual(Float32Array.of(Number.NaN, Number.NaN, 4, 6));
    expect([...run(Number.POSITIVE_INFINITY, 1, 1, 1)].slice(0, 2).some(Number.isFinite)).toBe(false);
    session.dispose();
  });

  it('takes numbers too small for their terms to be normal for what they are, or 0', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => placeholder(g, name, 'float32', [1, 32])) as [Tensor, Tensor];
    const y = matMul(g, a, b, { transposeB: true });
    const session = new GraphSession(tf, g.nodes, { run: { inputs: { a, b }, outputs: { y } } }, 3);
    const tiny = Float32Array.from({ length: 32 }, (_, i) => 2 ** -110 * (1 + i / 37));
    const huge = new Float32Array(32).fill(2 ** 100);
    const run = { a: { values: tiny, shape: [1, 32] }, b: { values: huge, shape: [1, 32] } };
    const expected = tiny.reduce((sum, value) => sum + value, 0) * 2 ** 100;
    expect(session.run('run', run)[0]![0]! / expected).toBeCloseTo(1, 4);
    session.dispose();
  });

  it('says what is wrong with its inputs', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => placeholder(g, name, 'float32', [-1, -1])) as [Tensor, Tensor];
    const session = new GraphSession(tf, g.nodes, { run: { inputs: { a, b }, outputs: { y: matMul(g, a, b) } } }, 3);
    const six = { values: new Float32Array(6), shape: [2, 3] };
    expect(() => session.run('run', { a: six, b: six })).toThrow("the matrices' inner dimensions differ");
    session.dispose();
  });
});
