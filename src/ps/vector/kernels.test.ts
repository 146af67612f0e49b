import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nativeAddon } from '../../native/addon.js';
import { CHUNK } from '../slices.js';
import { javascriptKernels } from './javascript-kernels.js';
import { ADD, CONSTANT, CONSTANTS, STEP_RULES, type VectorKernels } from './kernels.js';
import { nativeKernels } from './native-kernels.js';
import { vectorKernels } from './vector-kernels.js';

const native = nativeKernels();
const SPECIAL = [0, -0, 1, -1, Number.NaN, Infinity, -Infinity, 1e-45, -1e-40, 1.17e-38, 3.4e38, -3.4e38, 0.1];

/** Numbers of all magnitudes, special ones among them where asked for; repeatable from the seed. */
function numbers(length: number, seed: number, special: boolean, buffer?: ArrayBufferLike, offset = 0): Float32Array {
  const values = buffer ? new Float32Array(buffer as ArrayBuffer, offset, length) : new Float32Array(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < length; i++) {
    const value = (random() - 0.5) * 10 ** Math.floor(random() * (special ? 80 : 6) - (special ? 45 : 3));
    values[i] = special && random() < 0.05 ? SPECIAL[Math.floor(random() * SPECIAL.length)]! : value;
  }
  return values;
}

/** The first index at which bits differ, or -1; NaNs are alike: which one comes out is left to the processor. */
function firstDifference(x: Float32Array, y: Float32Array): number {
  return x.findIndex((value, i) => !Object.is(value, y[i]));
}

const vectors = fc.record({
  length: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(1023, 1025, CHUNK - 1, CHUNK, 2 * CHUNK + 17)),
  seed: fc.nat(),
  special: fc.boolean(),
  offset: fc.integer({ min: 0, max: 20 }).map((elements) => elements * 4),
  shared: fc.boolean(),
});
type Vectors = typeof vectors extends fc.Arbitrary<infer T> ? T : never;

/** The same vectors twice: at an odd place of a buffer, and in arrays of their own. */
function copies({ length, seed, special, offset, shared }: Vectors, count: number): [Float32Array[], Float32Array[]] {
  const bytes = offset + length * 4;
  const placed = Array.from({ length: count }, (_, i) =>
    numbers(length, seed + i, special, shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes), offset),
  );
  return [placed, placed.map((values) => values.slice())];
}

/** Both do the same to the same vectors, and return the same. */
function agree(count: number, run: (kernels: VectorKernels, arrays: Float32Array[]) => unknown): void {
  fc.assert(
    fc.property(vectors, (shape) => {
      const [ours, theirs] = copies(shape, count);
      expect(run(native!, ours)).toEqual(run(javascriptKernels, theirs));
      ours.forEach((values, i) => {
        expect(firstDifference(values, theirs[i]!)).toBe(-1);
      });
    }),
    { numRuns: 60, seed: 7 },
  );
}

describe.runIf(nativeAddon())('native kernels give the bits of the JavaScript ones', () => {
  it('are chosen', () => {
    expect(vectorKernels().name).toBe('native');
  });

  it.each(STEP_RULES)('step: %s', (rule) => {
    const spread = [0.9, 3, 0.5, 1e-3, 1e-4, 0.999, 0.01, 0.1, 0.001, 0.9];
    fc.assert(
      fc.property(
        vectors,
        fc.subarray([0, 1, 2, 3, 4, 5]),
        fc.double({ noNaN: true, min: 0, max: 1 }),
        (shape, used, cut) => {
          const [ours, theirs] = copies(shape, 5);
          const constants = new Float32Array(CONSTANTS);
          constants.set(spread);
          for (const [index, absent] of [1, 1, Infinity, 0, 0, 1].entries())
            if (!used.includes(index)) constants[index] = absent;
          const from = Math.floor(cut * shape.length);
          for (const [kernels, [theta, sum, ...slots]] of [
            [native!, ours],
            [javascriptKernels, theirs],
          ] as const)
            kernels.step(rule, constants, theta!, sum!, slots, from, shape.length);
          ours.forEach((values, i) => {
            expect(firstDifference(values, theirs[i]!)).toBe(-1);
          });
        },
      ),
      { numRuns: 40, seed: 7 },
    );
  });

  it('step of what is still to be added up', () => {
    const vectors4 = fc.record({ length: fc.constantFrom(1, 40, 1023, 1025, 2 * CHUNK + 17), seed: fc.nat() });
    fc.assert(
      fc.property(vectors4, ({ length, seed }) => {
        const [theta, slot, ...sums] = [0, 1, 2, 3, 4].map((k) => numbers(length, seed + k, true));
        const constants = Float32Array.of(12, 1, Infinity, 0, 0, 1, 0.1, 0.9, 0, 0);
        const order = Int32Array.of(0, 1, ADD, 2, ADD);
        const added = sums[0]!.slice();
        for (const sum of sums.slice(1)) javascriptKernels.addInto(added, sum);
        const [expected, kept] = [theta!.slice(), slot!.slice()];
        javascriptKernels.step('momentum', constants, expected, added, [kept], 0, length);
        const before = sums.map((sum) => sum.slice());
        for (const kernels of [native!, javascriptKernels]) {
          const [ours, own] = [theta!.slice(), slot!.slice()];
          kernels.step('momentum', constants, ours, { vectors: sums, order }, [own], 0, length);
          expect(firstDifference(ours, expected)).toBe(-1);
          expect(firstDifference(own, kept)).toBe(-1);
          expect(sums).toEqual(before);
        }
      }),
      { numRuns: 30, seed: 7 },
    );
  });

  it.each([1, 2, 256, 2 ** 24, 2 ** 100, 2 ** -100, 2 ** 127, 3, 240])('step: means over a weight of %d', (weight) => {
    const constants = Float32Array.of(weight, 1, Infinity, 0, 0, 1, 1, 0, 0, 0);
    const sum = numbers(500, 3, true);
    const [ours, theirs] = [native!, javascriptKernels].map((kernels) => {
      const theta = new Float32Array(500);
      kernels.step('descent', constants, theta, sum, [], 0, 500);
      return theta;
    });
    expect(firstDifference(ours!, theirs!)).toBe(-1);
  });

  it('addInto', () => agree(2, (kernels, [x, y]) => kernels.addInto(x!, y!)));
  it('addScaled', () => agree(2, (kernels, [x, y]) => kernels.addScaled(x!, 0.1, y!)));
  it('scale', () => agree(1, (kernels, [x]) => kernels.scale(x!, 1 / 3)));
  it('dot', () => agree(2, (kernels, [x, y]) => kernels.dot(x!, y!)));
  it('absMax', () => agree(1, (kernels, [x]) => kernels.absMax(x!)));
  it('firstNonFinite', () => agree(1, (kernels, [x]) => kernels.firstNonFinite(x!)));
  it('sumSquares', () =>
    agree(1, (kernels, [x]) => {
      const out = new Float64Array(Math.ceil(x!.length / CHUNK));
      kernels.sumSquares(x!, out);
      return out;
    }));
  it('packBf16, unpackBf16', () =>
    agree(1, (kernels, [x]) => {
      const packed = new Uint16Array(x!.length);
      kernels.packBf16(x!, packed);
      kernels.unpackBf16(packed, x!);
      return packed;
    }));

  it('work in memory that processes share', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sheaf-kernels-'));
    const file = join(folder, 'shared');
    writeFileSync(file, new Uint8Array(4 * 105));
    const [here, there] = [0, 1].map(() => new Float32Array(nativeAddon()!.map(file, 4 * 105), 4 * 5, 100));
    here!.fill(1);
    native!.addInto(there!, new Float32Array(100).fill(2));
    expect(here).toEqual(new Float32Array(100).fill(3));
    rmSync(folder, { recursive: true });
  });

  it('refuse what would write where it must not', () => {
    const [short, long] = [new Float32Array(3), new Float32Array(4)];
    const constants = new Float32Array(CONSTANTS);
    expect(() => native!.addInto(long, short)).toThrow(RangeError);
    expect(() => native!.addInto(long, new Float64Array(4) as never)).toThrow(RangeError);
    expect(() => native!.step('adam', constants, long, long, [long], 0, 4)).toThrow("the rule's slots");
    expect(() => native!.step('descent', constants, long, short, [], 0, 4)).toThrow(RangeError);
    const ordered = (...order: number[]) => ({ vectors: [long, long], order: Int32Array.from(order) });
    for (const wrong of [[], [2], [-2], [0, 1], [0, ADD], [ADD], [0, 1, ADD, ADD, 0]])
      expect(() => native!.step('descent', constants, long, ordered(...wrong), [], 0, 4)).toThrow('order of additions');
    expect(() =>
      native!.step('descent', constants, long, { vectors: [long, short], order: Int32Array.of(0) }, [], 0, 4),
    ).toThrow(RangeError);
    expect(() => native!.sumSquares(long, new Float64Array(0))).toThrow(RangeError);
    expect(() => native!.packBf16(long, new Uint16Array(3))).toThrow(RangeError);
  });
});

describe.each([javascriptKernels, ...(native ? [native] : [])])('$name kernels', (kernels) => {
  it('round to the nearest bfloat16, ties to even', () => {
    const cases = new Map([
      [1, 0x3f80],
      [1 + 2 ** -8, 0x3f80], // half way: to even
      [1 + 3 * 2 ** -8, 0x3f82],
      [1 + 2 ** -8 + 2 ** -20, 0x3f81],
      [-1 - 2 ** -8 - 2 ** -20, 0xbf81],
      [3.4e38, 0x7f80], // above the largest: infinity
      [-Infinity, 0xff80],
      [1e-45, 0],
    ]);
    const packed = new Uint16Array(cases.size);
    kernels.packBf16(Float32Array.from(cases.keys()), packed);
    expect([...packed]).toEqual([...cases.values()]);
    const nan = new Uint16Array(1);
    kernels.packBf16(new Float32Array(Uint32Array.of(0x7f800001).buffer), nan);
    const back = new Float32Array(1);
    kernels.unpackBf16(nan, back);
    expect(back[0]).toBeNaN();
  });

  it('add every float32 operation rounded: no fused multiply-add', () => {
    const a = 1 + 2 ** -12;
    const x = Float32Array.of(-1);
    kernels.addScaled(x, a, Float32Array.of(a)); // a² is rounded to 1 + 2^-11 first
    expect(x[0]).toBe(2 ** -11);
  });

  it('sum squares exactly where float64 holds them, whatever the length', () => {
    for (const length of [0, 1, 15, 16, 17, 100, CHUNK, CHUNK + 1]) {
      const x = Float32Array.from({ length }, (_, i) => (i % 7) - 3);
      const out = new Float64Array(Math.ceil(length / CHUNK));
      kernels.sumSquares(x, out);
      const expected = x.reduce((sum, value) => sum + value * value, 0);
      expect(out.reduce((a, b) => a + b, 0)).toBe(expected);
      expect(kernels.dot(x, x)).toBe(expected);
    }
  });

  it('descend by the mean', () => {
    const constants = new Float32Array(CONSTANTS);
    constants[CONSTANT.weight] = 4;
    constants[CONSTANT.scale] = 1;
    constants[CONSTANT.clip] = Infinity;
    constants[CONSTANT.keep] = 1;
    constants[CONSTANT.rate] = 0.5;
    const theta = Float32Array.of(1, 1, 1);
    kernels.step('descent', constants, theta, Float32Array.of(8, 8, 8), [], 1, 2);
    expect([...theta]).toEqual([1, 0, 1]);
  });

  it('keep nothing in slots that is too small to be normal', () => {
    const constants = Float32Array.of(1, 1, Infinity, 0, 0, 1, 0.1, 0.9, 0, 0);
    const velocity = Float32Array.of(2 ** -126, -(2 ** -126), 2 ** -125, 2 ** -149, Number.NaN, -Infinity);
    kernels.step('momentum', constants, new Float32Array(6), new Float32Array(6), [velocity], 0, 6);
    expect([...velocity]).toEqual([0, 0, Math.fround(Math.fround(0.9) * 2 ** -125), 0, Number.NaN, -Infinity]);
  });

  it('find what is not finite', () => {
    const x = new Float32Array(10_000);
    expect(kernels.firstNonFinite(x)).toBe(-1);
    x[9_999] = Number.NaN;
    x[5_000] = -Infinity;
    expect(kernels.firstNonFinite(x)).toBe(5_000);
    expect(kernels.absMax(x)).toBeNaN();
    expect(kernels.absMax(x.subarray(0, 9_999))).toBe(Infinity);
  });
});
