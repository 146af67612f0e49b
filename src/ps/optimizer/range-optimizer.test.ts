import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyedRandom } from '../../rdd/random.js';
import { CHUNK, slices } from '../slices.js';
import { javascriptKernels } from '../vector/javascript-kernels.js';
import { vectorKernels } from '../vector/vector-kernels.js';
import { RangeOptimizer, type Segment } from './range-optimizer.js';
import { EXAMPLE_OPTIMIZERS } from './testing/optimizers.js';
import { referenceApply } from './testing/reference-step.js';
import { clipScale, type UpdateSpec } from './update-spec.js';

const ADAM = { kind: 'adam', learningRate: 0.01 } as const;

const numbers = (length: number, key: number) => {
  const random = keyedRandom(3, 'optimizer-test', key);
  return Float32Array.from({ length }, () => 4 * random.uniform() - 2);
};

/** Segments of the given lengths, kinds in turn. */
function segmentsOf(lengths: readonly number[], kinds: readonly Segment['kind'][]): Segment[] {
  let from = 0;
  return lengths.map((length, i) => {
    from += length;
    return { from: from - length, to: from, kind: kinds[i % kinds.length]! };
  });
}

/** Three steps with theta cut at `cuts`; the bytes of theta and all slots afterwards. */
function run(spec: UpdateSpec, segments: readonly Segment[], cuts: readonly number[], kernels = vectorKernels()) {
  const length = segments.at(-1)!.to;
  const bounds = [0, ...cuts, length];
  const theta = numbers(length, 0);
  const owners = bounds
    .slice(1)
    .map((to, i) => new RangeOptimizer(spec, segments, { from: bounds[i]!, to }, { kernels, stepsPerEpoch: 2 }));
  for (let step = 1; step <= 3; step++) {
    const sum = numbers(length, step);
    const parts = owners.map(({ range }) => sum.subarray(range.from, range.to));
    const norms = spec.clipNorm === undefined ? [] : owners.flatMap((owner, i) => [...owner.norms(parts[i]!)]);
    const scale = spec.clipNorm === undefined ? 1 : clipScale(spec.clipNorm, norms, 7);
    owners.forEach((owner, i) => {
      owner.update(theta.subarray(owner.range.from, owner.range.to), parts[i]!, 7, step, { scale });
    });
  }
  const slots = owners[0]!.slots.flatMap((_, k) => owners.map((owner) => owner.slots[k]!));
  return Buffer.concat([theta, ...slots].map((values) => Buffer.from(values.buffer))).toString('base64');
}

describe('RangeOptimizer', () => {
  const extras: Omit<UpdateSpec, 'optimizer'>[] = [
    {},
    { clipNorm: 0.5, l2: 1e-3 },
    { clipValue: 0.1, l1: 1e-3, weightDecay: 0.01, schedule: { kind: 'cosine', over: { epochs: 3 } } },
  ];
  const kinds: Segment['kind'][] = ['kernel', 'bias', 'statistic', 'kernel', 'kernel'];

  it.each(EXAMPLE_OPTIMIZERS)('gives the same bits for every cutting, natively and in JavaScript: %o', (optimizer) => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 6 }),
        fc.nat({ max: 4 }),
        fc.constantFrom(...extras),
        fc.array(fc.nat({ max: 9 }), { maxLength: 3 }),
        (lengths, turn, extra, cuts) => {
          const segments = segmentsOf(lengths, [...kinds.slice(turn), ...kinds]);
          const length = segments.at(-1)!.to;
          const spec = { optimizer, ...extra };
          const places = [...new Set(cuts)].map((cut) => cut * CHUNK).filter((cut) => cut > 0 && cut < length);
          const whole = run(spec, segments, []);
          expect(
            run(
              spec,
              segments,
              places.sort((a, b) => a - b),
            ),
          ).toEqual(whole);
          expect(run(spec, segments, [], javascriptKernels)).toEqual(whole);
        },
      ),
      { numRuns: 8, seed: 11 },
    );
  });

  it.each(EXAMPLE_OPTIMIZERS)('is the reference in float32: %o', (optimizer) => {
    const n = 50;
    const owner = new RangeOptimizer({ optimizer }, [{ from: 0, to: n, kind: 'kernel' }], { from: 0, to: n });
    const theta = numbers(n, 0);
    let expected: Float64Array = Float64Array.from([theta, ...owner.slots].flatMap((values) => [...values]));
    for (let step = 1; step <= 20; step++) {
      const gradient = numbers(n, step);
      expected = referenceApply(optimizer, expected, gradient, step);
      owner.update(theta, gradient, 1, step);
    }
    [theta, ...owner.slots].forEach((values, k) => {
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[k * n + i]!, 4);
    });
  });

  it('may be cut anywhere where no norm is needed', () => {
    const segments = segmentsOf([5000, 100, 3000], ['kernel', 'bias']);
    const spec = { optimizer: ADAM, l2: 0.1 };
    expect(run(spec, segments, [3, 5001, 8000])).toEqual(run(spec, segments, []));
    const odd = new RangeOptimizer(spec, segments, { from: 3, to: 8100 });
    expect(() => odd.norms(new Float32Array(8097))).toThrow('a range cannot begin at 3');
  });

  it('decays kernels only, and lets statistics follow without clipping', () => {
    const segments = [
      ...segmentsOf([2, 2], ['kernel', 'bias']),
      { from: 4, to: 6, kind: 'statistic', momentum: 0.75 } as const,
    ];
    const optimizer = { kind: 'sgd', learningRate: 0.5 } as const;
    const spec = { optimizer, l2: 1, clipValue: 1 };
    const theta = Float32Array.of(1, 2, 1, 2, 1, 2);
    new RangeOptimizer(spec, segments, { from: 0, to: 6 }).update(theta, Float32Array.of(8, 0, 8, 0, 8, 0), 2, 1);
    expect([...theta]).toEqual([1 - 0.5 * (1 + 1), 2 - 0.5 * 2, 1 - 0.5, 2, 1 - 0.25 * 4, 2]);
  });

  it('adds the gradient of |W| and decays by the rate', () => {
    const segments = segmentsOf([3], ['kernel']);
    const optimizer = { kind: 'sgd', learningRate: 0.5 } as const;
    const theta = Float32Array.of(4, -4, 0);
    const owner = new RangeOptimizer({ optimizer, l1: 1, weightDecay: 0.5 }, segments, { from: 0, to: 3 });
    owner.update(theta, new Float32Array(3), 1, 1);
    expect([...theta]).toEqual([4 * 0.75 - 0.5, -4 * 0.75 + 0.5, 0]);
  });

  it('leaves statistics out of the norm, and clips the mean gradient to it', () => {
    const segments = segmentsOf([4000, 200, 3900], ['kernel', 'statistic', 'bias']);
    const sum = new Float32Array(8100).fill(2);
    const spec = { optimizer: { kind: 'sgd', learningRate: 1 } as const, clipNorm: 1 };
    const owner = new RangeOptimizer(spec, segments, { from: 0, to: 8100 });
    expect([...owner.norms(sum)]).toEqual([4 * 4000, 4 * 3900 + 4 * 0 + 4 * (8100 - CHUNK - 3900 - 104)]);
    expect(clipScale(1, [4 * 7900], 2)).toBeCloseTo(1 / Math.sqrt(7900), 7);
    expect(clipScale(100, [4 * 7900], 2)).toBe(1);
  });

  it('lets statistics follow beside l-bfgs, which has no rate of its own', () => {
    const segments = segmentsOf([2, 2], ['kernel', 'statistic']);
    const owner = new RangeOptimizer({ optimizer: { kind: 'l-bfgs' } }, segments, { from: 0, to: 4 });
    const theta = Float32Array.of(1, 2, 3, 4);
    expect(() => owner.update(theta, new Float32Array(4), 1, 1)).toThrow('l-bfgs has no learning rate');
    owner.update(theta, Float32Array.of(100, 100, 100, 200), 1, 1, { rate: 0 });
    expect(theta).toEqual(Float32Array.of(1, 2, 3 - 100 * (1 - 0.99), 4 - 200 * (1 - 0.99)));
  });

  it('does nothing for a step without rows', () => {
    const [segment] = segmentsOf([3], ['kernel']);
    const owner = new RangeOptimizer({ optimizer: ADAM }, [segment!], { from: 0, to: 3 });
    const theta = Float32Array.of(1, 2, 3);
    owner.update(theta, new Float32Array(3), 0, 1);
    expect([...theta]).toEqual([1, 2, 3]);
  });

  it('owns empty ranges: more members than chunks', () => {
    const segments = segmentsOf([100], ['kernel']);
    const cuts = slices(100, 3);
    expect(cuts.map(({ from, to }) => to - from)).toContain(0);
    for (const range of cuts)
      new RangeOptimizer({ optimizer: ADAM }, segments, range).norms(new Float32Array(range.to - range.from));
  });
});
