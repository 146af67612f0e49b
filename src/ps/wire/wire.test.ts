import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../test/support/seeded.js';
import { Bf16Codec } from './bf16.js';
import { Float32Codec } from './float32.js';
import { kthLargest } from './largest.js';
import { ThresholdCodec, TopKCodec } from './sparse.js';
import type { WireCodec } from './wire-codec.js';

const float32 = fc.float({ noNaN: true, min: -1e6, max: 1e6 });
const vectors = fc.array(float32, { maxLength: 300 }).map((values) => Float32Array.from(values));

/** What the receiver reads, and the bytes it took. */
function travel(codec: WireCodec, values: Float32Array, offset = 0): { decoded: Float32Array; bytes: number } {
  const into = new Uint8Array(codec.maxBytes(values.length));
  const bytes = codec.encode(values, offset, into);
  const decoded = new Float32Array(values.length).fill(Number.NaN);
  codec.decode(into.slice(0, bytes), decoded);
  return { decoded, bytes };
}

describe('Float32Codec', () => {
  it('carries every bit', () => {
    fc.assert(
      fc.property(vectors, (values) => {
        const { decoded, bytes } = travel(new Float32Codec(), values);
        expect(decoded).toEqual(values);
        expect(bytes).toBe(4 * values.length);
      }),
    );
    expect(() => new Float32Codec().decode(new Uint8Array(7), new Float32Array(2))).toThrow('7 bytes are no 2 values');
  });
});

describe('Bf16Codec', () => {
  it('rounds to the nearest of 8 bits, ties to even, in half the bytes', () => {
    const values = Float32Array.of(
      1,
      -2.5,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      1 + 2 ** -8 + 2 ** -20,
      3.4e38,
      Infinity,
      -0,
      NaN,
    );
    const rounded = Float32Array.of(1, -2.5, 1, 1 + 2 ** -6, 1 + 2 ** -7, Infinity, Infinity, -0, NaN);
    const { decoded, bytes } = travel(new Bf16Codec(), values);
    expect(decoded).toEqual(rounded);
    expect(bytes).toBe(18);
    expect(() => new Bf16Codec().decode(new Uint8Array(3), new Float32Array(2))).toThrow('3 bytes are no 2 values');
  });

  it('is off by at most one part in 256', () => {
    fc.assert(
      fc.property(vectors, (values) => {
        const { decoded } = travel(new Bf16Codec(), values);
        values.forEach((value, i) => {
          if (Math.abs(value) > 1e-30) expect(Math.abs(decoded[i]! - value)).toBeLessThanOrEqual(Math.abs(value) / 256);
        });
      }),
    );
  });
});

describe('kthLargest', () => {
  it('is what sorting gives', () => {
    const few = fc.array(fc.oneof(float32, fc.constantFrom(0, 1, -1, 2, Infinity)), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(few, fc.nat(), (values, seed) => {
        const bits = new Int32Array(Float32Array.from(values).buffer);
        const k = 1 + (seed % bits.length);
        const magnitudes = Array.from(bits, (value) => value & 0x7fffffff).sort((a, b) => b - a);
        const magnitude = magnitudes[k - 1]!;
        expect(kthLargest(bits, k)).toEqual({
          magnitude,
          ties: k - magnitudes.filter((other) => other > magnitude).length,
        });
      }),
    );
  });
});

describe('sparse codecs', () => {
  it('send what is largest and keep the rest', () => {
    const codec = new TopKCodec(0.25, 8);
    const values = Float32Array.of(1, -9, 3, 0, 0, 8, 0, 3);
    const { decoded, bytes } = travel(codec, values);
    expect([...decoded]).toEqual([0, -9, 0, 0, 0, 8, 0, 0]);
    expect([...codec.residual]).toEqual([1, 0, 3, 0, 0, 0, 0, 3]);
    expect(bytes).toBe(4 + 2 * 8);
    // Of equal ones the first; 3 + 1 outgrows the other 3.
    expect([...travel(codec, Float32Array.of(0, 0, 0, 0, 0, 0, 0, 1)).decoded]).toEqual([0, 0, 3, 0, 0, 0, 0, 4]);

    const threshold = new ThresholdCodec(2, 3);
    expect([...travel(threshold, Float32Array.of(1.5, -2, 0)).decoded]).toEqual([0, -2, 0]);
    expect([...travel(threshold, Float32Array.of(1.5, 1, 0)).decoded]).toEqual([3, 0, 0]);
  });

  it('send all values where that is shorter, and whatever is NaN', () => {
    const { bytes, decoded } = travel(new TopKCodec(1, 5), Float32Array.of(1, 2, 3, 4, 5));
    expect([bytes, ...decoded]).toEqual([24, 1, 2, 3, 4, 5]);
    expect(travel(new ThresholdCodec(100, 4), Float32Array.of(1, NaN, 2, 3)).decoded).toEqual(
      Float32Array.of(0, NaN, 0, 0),
    );
    expect(travel(new TopKCodec(0.1, 4), Float32Array.of(1e30, NaN, 2, 3)).decoded).toEqual(
      Float32Array.of(0, NaN, 0, 0),
    );
  });

  it('lose nothing in the long run: what was decoded and the residual add up to what was given', () => {
    const codecs = fc.oneof(
      fc.double({ min: 0.001, max: 1, noNaN: true }).map((ratio) => (length: number) => new TopKCodec(ratio, length)),
      fc.double({ min: 1e-3, max: 1e3, noNaN: true }).map((tau) => (length: number) => new ThresholdCodec(tau, length)),
    );
    const lengths = fc.integer({ min: 0, max: 200 });
    fc.assert(
      fc.property(codecs, lengths, fc.nat(1000), fc.nat(200), (codecOf, length, seed, cut) => {
        const random = seeded(seed);
        const codec = codecOf(length);
        const given = new Float64Array(length);
        const arrived = new Float64Array(length);
        const at = Math.min(cut, length);
        for (let step = 0; step < 12; step++) {
          const values = Float32Array.from({ length }, () => (random() - 0.5) * 100);
          for (let i = 0; i < length; i++) given[i] = given[i]! + values[i]!;
          // Two ranges to two owners: the residual is one.
          for (const [from, to] of [
            [0, at],
            [at, length],
          ] as const) {
            const { decoded, bytes } = travel(codec, values.subarray(from, to), from);
            expect(bytes).toBeLessThanOrEqual(codec.maxBytes(to - from));
            for (let i = from; i < to; i++) arrived[i] = arrived[i]! + decoded[i - from]!;
          }
        }
        given.forEach((value, i) => void expect(arrived[i]! + codec.residual[i]!).toBeCloseTo(value, 2));
      }),
    );
  });

  it('go on from a saved residual as if nothing had happened', () => {
    const random = seeded(5);
    const values = Array.from({ length: 6 }, () => Float32Array.from({ length: 50 }, () => random() - 0.5));
    const through = new TopKCodec(0.1, 50);
    const sent = values.map((vector) => travel(through, vector).decoded);
    const first = new TopKCodec(0.1, 50);
    for (const vector of values.slice(0, 3)) travel(first, vector);
    const resumed = new TopKCodec(0.1, 50);
    resumed.residual.set(first.residual);
    expect(values.slice(3).map((vector) => travel(resumed, vector).decoded)).toEqual(sent.slice(3));
  });

  it('minimise a quadratic with one value in a hundred sent, by error feedback only', () => {
    const length = 1000;
    const random = seeded(7);
    const curvature = Float32Array.from({ length }, () => 0.5 + random());
    const target = Float32Array.from({ length }, () => random() - 0.5);
    const distance = (codec: TopKCodec, forget: boolean) => {
      const theta = new Float32Array(length);
      for (let step = 0; step < 4000; step++) {
        const gradient = theta.map((value, i) => curvature[i]! * (value - target[i]!));
        const { decoded } = travel(codec, gradient);
        if (forget) codec.residual.fill(0);
        for (let i = 0; i < length; i++) theta[i]! -= 0.01 * decoded[i]!;
      }
      return Math.hypot(...theta.map((value, i) => value - target[i]!)) / Math.hypot(...target);
    };
    expect(distance(new TopKCodec(0.01, length), false)).toBeLessThan(1e-3);
    // The same without feedback is far from there.
    expect(distance(new TopKCodec(0.01, length), true)).toBeGreaterThan(0.1);
  });

  it('refuse what is no encoding, and settings that make none', () => {
    const codec = new TopKCodec(0.5, 4);
    const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
    expect(() => codec.decode(words(2, 0, 1, 5), new Float32Array(4))).toThrow(
      '16 bytes are no sparse vector of 4 values',
    );
    expect(() => codec.decode(words(1, 4, 0), new Float32Array(4))).toThrow(
      'index 4 lies outside a vector of 4 values',
    );
    expect(() => codec.decode(new Uint8Array(0), new Float32Array(4))).toThrow('0 bytes are no sparse vector');
    expect(() => new TopKCodec(0, 4)).toThrow('the share of values must be in (0, 1], got 0');
    expect(() => new TopKCodec(1.5, 4)).toThrow('got 1.5');
    expect(() => new ThresholdCodec(-1, 4)).toThrow('the threshold must be a positive number, got -1');
  });
});
