/**
 * Loops over flat vectors, native and in JavaScript, beside a copy of the same run (memcpy): bytes read and written a second.
 *
 *     npx tsx bench/vector-kernels.ts [repetitions, default 9]
 *
 * Peers are interleaved and medians compared, as a core of a shared machine varies by 20 % within moments. Two lengths: 64 k
 * values, which a second-level cache holds, and 16 M (64 MB a vector), which it does not.
 */
import { javascriptKernels } from '../src/ps/vector/javascript-kernels.js';
import { CONSTANT, CONSTANTS, STEP_RULES, type StepRule, type VectorKernels } from '../src/ps/vector/kernels.js';
import { nativeKernels } from '../src/ps/vector/native-kernels.js';

/** Float32 values read and written an element: theta and slots both, the gradient read. */
const STEP_TRAFFIC: Readonly<Record<StepRule, number>> = {
  ...{
    descent: 3,
    momentum: 5,
    nesterov: 5,
    adagrad: 5,
    rmsprop: 7,
    'rmsprop-centered': 9,
    adam: 7,
    'adam-amsgrad': 9,
  },
};

interface Case {
  readonly name: string;
  /** Float32 values read and written an element. */
  readonly traffic: number;
  readonly run: (kernels: VectorKernels) => void;
}

function casesOf(length: number): Case[] {
  const [x, y, m, v, h] = [1, 2, 3, 4, 5].map((k) =>
    Float32Array.from({ length }, (_, i) => ((i * k) % 97) / 97 + 0.01),
  );
  const squares = new Float64Array(Math.ceil(length / 4096));
  const packed = new Uint16Array(length);
  const constants = new Float32Array(CONSTANTS);
  constants[CONSTANT.weight] = 1;
  constants[CONSTANT.scale] = 1;
  constants[CONSTANT.clip] = Infinity;
  constants[CONSTANT.keep] = 1;
  constants.set([1e-6, 0.1, 0.001, 1e-7], CONSTANT.rate);
  const clipped = constants.slice();
  clipped.set([0.5, 0.5, 10, 1e-4, 0, 0.999]);
  return [
    { name: 'addInto', traffic: 3, run: (kernels) => kernels.addInto(x!, y!) },
    { name: 'addScaled', traffic: 3, run: (kernels) => kernels.addScaled(x!, 1e-9, y!) },
    { name: 'scale', traffic: 2, run: (kernels) => kernels.scale(x!, 1) },
    { name: 'sumSquares', traffic: 1, run: (kernels) => kernels.sumSquares(y!, squares) },
    { name: 'dot', traffic: 2, run: (kernels) => void kernels.dot(x!, y!) },
    { name: 'absMax', traffic: 1, run: (kernels) => void kernels.absMax(y!) },
    { name: 'firstNonFinite', traffic: 1, run: (kernels) => void kernels.firstNonFinite(y!) },
    { name: 'packBf16', traffic: 1.5, run: (kernels) => kernels.packBf16(y!, packed) },
    { name: 'unpackBf16', traffic: 1.5, run: (kernels) => kernels.unpackBf16(packed, x!) },
    ...STEP_RULES.map((rule) => ({
      name: `step: ${rule}`,
      traffic: STEP_TRAFFIC[rule],
      run: (kernels: VectorKernels) => kernels.step(rule, constants, x!, y!, [m!, v!, h!], 0, length),
    })),
    {
      name: 'step: adam; mean, scale, clip, l2, decay',
      traffic: STEP_TRAFFIC.adam,
      run: (kernels) => kernels.step('adam', clipped, x!, y!, [m!, v!], 0, length),
    },
  ];
}

function secondsPerCall(run: () => void, calls: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) run();
  return Number(process.hrtime.bigint() - start) / 1e9 / calls;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function measure(length: number, repetitions: number): void {
  const native = nativeKernels();
  const peers = [...(native ? [native] : []), javascriptKernels];
  const calls = Math.max(1, Math.round(4e6 / length));
  const from = new Float32Array(length).fill(1);
  const to = new Float32Array(length);
  const gigabytes = (traffic: number, seconds: number) => (traffic * 4 * length) / seconds / 1e9;
  console.log(`\n${length} values; ${repetitions} repetitions of ${calls} calls\n`);
  console.log('| loop | native GB/s | of a copy | JavaScript GB/s | native / JavaScript |');
  console.log('|---|---|---|---|---|');
  for (const { name, traffic, run } of casesOf(length)) {
    const copies: number[] = [];
    const times = peers.map(() => [] as number[]);
    for (const kernels of peers) run(kernels);
    for (let i = 0; i < repetitions; i++) {
      copies.push(secondsPerCall(() => to.set(from), calls));
      for (const [k, kernels] of peers.entries()) times[k]!.push(secondsPerCall(() => run(kernels), calls));
    }
    const [fast, slow] = times.length === 2 ? times.map(median) : [Number.NaN, median(times[0]!)];
    const cells = [
      name,
      gigabytes(traffic, fast!).toFixed(1),
      `${((100 * gigabytes(traffic, fast!)) / gigabytes(2, median(copies))).toFixed(0)} %`,
      gigabytes(traffic, slow!).toFixed(1),
      (slow! / fast!).toFixed(1),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

const repetitions = Number(process.argv[2] ?? 9);
for (const length of [2 ** 16, 2 ** 24]) measure(length, repetitions);
