import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { nativeAddon } from '../../native/addon.js';
import { alignedFloats } from '../../ps/float-bytes.js';
import type { Precision } from '../backend.js';
import { loadLibrary, loadNative, nativeState, type TensorFlowLibrary } from '../native.js';
import { GraphBuilder, type GraphNode, type Signature, type Tensor } from './graph-builder.js';
import { onMatrixUnits } from './matrix-units.js';
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
    expect(summary(onMatrixUnits(g.nodes, [signature({ y, back })], 'float32'))).toEqual([
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
    const nodes = onMatrixUnits(g.nodes, [signature({ y, back, twice, again: twice })], 'float32');
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
    const several = onMatrixUnits(g.nodes, [signature({ y }), signature({ back })], 'float32');
    expect(several.flatMap(({ attributes: { destination } }) => destination ?? [])).not.toContainEqual({ int: 0 });
  });

  it('leaves what somebody else needs too, or a call fetches', () => {
    const g = new GraphBuilder();
    const [x, w, b] = matrices(g);
    const z = plain(g, 'BiasAdd', [matMul(g, x, w), b]);
    const y = plain(g, 'Relu', [z]);
    const fetched = matMul(g, y, w);
    const shifted = plain(g, 'BiasAdd', [fetched, b]);
    expect(summary(onMatrixUnits(g.nodes, [signature({ z, y, fetched, shifted })], 'float32'))).toEqual([
      'BiasAdd SheafMatMul x:0 w:0 b:0 bias',
      'Relu Relu BiasAdd:0',
      'MatMul_1 SheafMatMul Relu:0 w:0 none',
      'BiasAdd_1 BiasAdd MatMul_1:0 b:0',
    ]);
  });
});

describe.runIf(nativeState().installed && nativeAddon()?.hasMatrixUnits())('SheafMatMul', () => {
  let library: TensorFlowLibrary;
  beforeAll(async () => {
    library = await loadLibrary();
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
  /** Numbers alike, the same for a seed. */
  const values = (length: number, seed: number) =>
    Float32Array.from({ length }, (_, i) => {
      const noise = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
      return noise - Math.floor(noise) - 0.5;
    });
  /** Of all magnitudes that gradients have. */
  const mixed = (length: number, seed: number) =>
    values(length, seed).map((value, i) => value * 2 ** (((i * 7 + seed) % 13) - 6));

  function compute(
    asked: Asked,
    precision: Precision,
    build: 'none' | 'bias' | 'bias_relu' | 'where_positive' = 'none',
    numbers = values,
  ) {
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
    const session = new GraphSession(library, g.nodes, { run: { inputs, outputs: { output } } }, precision);
    const fed = Object.fromEntries(
      Object.entries(shapes).map(([name, shape], i) => [name, { values: numbers(size(shape), i), shape }]),
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

  // Within some roundings of float32; of a factor bfloat16 leaves 2^-8.
  it.each([
    ['float32', 'alike', values, 2 ** -21],
    ['float32', 'of many magnitudes', mixed, 2 ** -20],
    ['bf16', 'of many magnitudes', mixed, 2 ** -8],
  ] as const)('%s is as exact as it says with numbers %s, whatever the shapes', (precision, _, numbers, bound) => {
    fc.assert(
      fc.property(asked, (shape) => {
        const { result, fed } = compute(shape, precision, 'none', numbers);
        const exact = exactly(shape, fed.a!.values, fed.b!.values);
        const error = Math.hypot(...exact.map(({ sum }, i) => result[i]! - sum));
        expect(error).toBeLessThanOrEqual(bound * Math.hypot(...exact.map(({ absolute }) => absolute)));
      }),
      { numRuns: 12, seed: 7 },
    );
  });

  it('is as exact when rows, columns and the inner dimension are given other powers of two', () => {
    const shape = { rows: 21, columns: 18, inner: 150, transposeA: false, transposeB: false };
    const exponent = (i: number) => ((i * 29) % 41) - 20;
    const { result, fed } = compute(shape, 'float32', 'none', (length, seed) =>
      values(length, seed).map((value, i) => {
        const inner = exponent(seed === 0 ? i % 150 : Math.floor(i / 18));
        return value * 2 ** (seed === 0 ? exponent(Math.floor(i / 150)) + inner : exponent(i % 18) - inner);
      }),
    );
    exactly(shape, fed.a!.values, fed.b!.values).forEach(({ sum, absolute }, i) => {
      expect(Math.abs(result[i]! - sum)).toBeLessThanOrEqual(2 ** -20 * absolute);
    });
  });

  it('is more exact than float32 arithmetic, over a long sum', () => {
    const shape = { rows: 8, columns: 8, inner: 4000, transposeA: false, transposeB: false };
    const { result, fed } = compute(shape, 'float32');
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

  it('fits the blocks of large products together', async () => {
    const shape = { rows: 2100, columns: 530, inner: 1100, transposeA: true, transposeB: false };
    const { result, fed } = compute(shape, 'float32');
    const tf = await loadNative();
    const tensors = [tf.tensor2d(fed.a!.values, [1100, 2100]), tf.tensor2d(fed.b!.values, [1100, 530])] as const;
    const expected = tf.matMul(...tensors, true).dataSync();
    expect(result.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)).toBeLessThan(1e-4);
  });

  it('gives a row the bits it has alone', () => {
    const all = { rows: 2100, columns: 40, inner: 77, transposeA: false, transposeB: false };
    const { result } = compute(all, 'float32');
    for (const [first, rows] of [
      [0, 3],
      [120, 20],
      [2040, 60],
    ] as const) {
      const { result: few } = compute({ ...all, rows }, 'float32', 'none', (length, seed) =>
        seed === 0 ? values(all.rows * all.inner, 0).slice(first * 77, (first + rows) * 77) : values(length, seed),
      );
      expect(few).toEqual(result.subarray(first * 40, (first + rows) * 40));
    }
  });

  it('loses nothing to large numbers of the left factor that only zeros of the right one meet', () => {
    const shape = { rows: 5, columns: 6, inner: 100, transposeA: false, transposeB: false };
    const { result } = compute(shape, 'float32', 'none', (length, seed) =>
      values(length, seed).map((value, i) => {
        if (seed === 0) return i % 100 === 9 ? value * 1e6 : value;
        return Math.floor(i / 6) === 9 ? 0 : value;
      }),
    );
    const { result: without } = compute(shape, 'float32', 'none', (length, seed) =>
      values(length, seed).map((value, i) => ((seed === 0 ? i % 100 : Math.floor(i / 6)) === 9 ? 0 : value)),
    );
    expect(result).toEqual(without);
  });

  it('gives each of many products the bits it has alone', () => {
    const one = { rows: 20, columns: 30, inner: 40, transposeA: false, transposeB: true };
    const { result, fed } = compute({ ...one, networks: 3 }, 'float32');
    const { result: first, fed: alone } = compute(one, 'float32');
    expect(fed.a!.values.subarray(0, 800)).toEqual(alone.a!.values);
    expect(result.subarray(0, 600)).toEqual(first);
  });

  it.each(['bias', 'bias_relu', 'where_positive'] as const)('finishes as separate operations would: %s', (epilogue) => {
    const shape = { rows: 37, columns: 53, inner: 20, transposeA: false, transposeB: false };
    const { result: product, fed } = compute(shape, 'float32');
    const { result } = compute(shape, 'float32', epilogue);
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
      const run = (units: Precision | undefined, into: Float32Array, wrong?: Int32Array) => {
        const g = new GraphBuilder();
        const { x, w, rows } = inputs(g, rank);
        const y = (rank === 2 ? matMul : batchMatMul)(g, gather(g, x, rows), w);
        const session = new GraphSession(library, g.nodes, { run: { inputs: { x, rows, w }, outputs: { y } } }, units);
        const feeds = wrong ? { ...fed, rows: { ...fed.rows, values: wrong } } : fed;
        try {
          return session.run('run', feeds, [into])[0]!;
        } finally {
          session.dispose();
        }
      };
      const into = alignedFloats(30);
      const expected = run(undefined, new Float32Array(30));
      expect(run('float32', into)).toBe(into);
      into.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 3);
      });
      // Not aligned: copied.
      expect(run('float32', new Float32Array(31).subarray(1))).toEqual(into);
      expect(() => run('float32', into, Int32Array.of(8, 0, 3, 3, 5, 9))).toThrow('there is no row of a chosen number');
    }
  });

  it('makes no number of rows and columns with one that is none, or infinite, and leaves the others', () => {
    const shape = { rows: 3, columns: 20, inner: 70, transposeA: false, transposeB: false };
    const { result } = compute(shape, 'float32');
    const { result: spoilt } = compute(shape, 'float32', 'none', (length, seed) => {
      const numbers = values(length, seed);
      numbers[seed === 0 ? 70 : 5] = seed === 0 ? Number.NaN : Number.NEGATIVE_INFINITY;
      return numbers;
    });
    const expected = result.map((value, p) => (Math.floor(p / 20) === 1 || p % 20 === 5 ? Number.NaN : value));
    spoilt.forEach((value, p) => {
      if (Number.isNaN(expected[p])) expect(value).toBeNaN();
      else expect(value).toBeCloseTo(expected[p]!, 5);
    });
  });

  it.each([0x7f800001, 0x7fc00000, 0x7fff8000, 0x7fffffff, 0xff800001, 0xffffffff])(
    'rounds the NaN %i to one, in either factor',
    (bits) => {
      const shape = { rows: 3, columns: 20, inner: 70, transposeA: false, transposeB: false };
      const { result } = compute(shape, 'bf16');
      const { result: spoilt } = compute(shape, 'bf16', 'none', (length, seed) => {
        const numbers = values(length, seed);
        new Uint32Array(numbers.buffer, numbers.byteOffset)[seed === 0 ? 70 : 5] = bits;
        return numbers;
      });
      const expected = result.map((value, p) => (Math.floor(p / 20) === 1 || p % 20 === 5 ? Number.NaN : value));
      expect(spoilt).toEqual(expected);
    },
  );

  it('takes very small and very large numbers for what they are', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => placeholder(g, name, 'float32', [1, 32])) as [Tensor, Tensor];
    const y = matMul(g, a, b, { transposeB: true });
    const session = new GraphSession(library, g.nodes, { run: { inputs: { a, b }, outputs: { y } } }, 'float32');
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
    const session = new GraphSession(
      library,
      g.nodes,
      { run: { inputs: { a, b }, outputs: { y: matMul(g, a, b) } } },
      'float32',
    );
    const six = { values: new Float32Array(6), shape: [2, 3] };
    expect(() => session.run('run', { a: six, b: six })).toThrow("the matrices' inner dimensions differ");
    session.dispose();
  });
});
