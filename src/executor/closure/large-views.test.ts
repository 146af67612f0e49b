import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeValue, encodeParts } from './index.js';

const LARGE = (1 << 16) + 8;
const KINDS = { Float64Array, Float32Array, Uint16Array, Uint8Array, BigInt64Array, Buffer, DataView };

/** Stands for a view of `bytes` bytes, behind `before` others. */
class Spec {
  constructor(
    readonly kind: keyof typeof KINDS,
    readonly bytes: number,
    readonly before: number,
  ) {}

  view(): ArrayBufferView {
    const { buffer } = Uint8Array.from({ length: this.before + this.bytes }, (_, i) => i % 251);
    if (this.kind === 'Buffer') return Buffer.from(buffer, this.before, this.bytes);
    if (this.kind === 'DataView') return new DataView(buffer, this.before, this.bytes);
    const Kind = KINDS[this.kind] as Float64ArrayConstructor;
    return new Kind(buffer, this.before, this.bytes / Kind.BYTES_PER_ELEMENT);
  }
}

function built(value: unknown): unknown {
  if (value instanceof Spec) return value.view();
  if (Array.isArray(value)) return value.map(built);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, built(each)]));
}

const specs = fc
  .tuple(
    fc.constantFrom(...(Object.keys(KINDS) as (keyof typeof KINDS)[])),
    fc.constantFrom(0, 24, LARGE, LARGE + 40),
    fc.constantFrom(0, 8),
  )
  .map((spec) => new Spec(...spec));
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    specs,
    fc.string(),
    fc.double(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

it('keeps values with views of any kind and size, wherever the bytes lie', () => {
  fc.assert(
    fc.property(values, fc.nat({ max: 9 }), (spec, shift) => {
      const value = built(spec);
      const bytes = Buffer.concat([Buffer.alloc(shift), ...encodeParts(value)]).subarray(shift);
      expect(isDeepStrictEqual(decodeValue(bytes), value)).toBe(true);
    }),
    { seed: 1, numRuns: 150 },
  );
});

it('copies no large array, neither when it is written nor when it is read', () => {
  const vector = Float64Array.from({ length: LARGE }, (_, i) => i);
  const parts = encodeParts([vector, 'x']);
  expect(parts.some(({ buffer }) => buffer === vector.buffer)).toBe(true);
  const bytes = new Uint8Array(Buffer.concat(parts));
  const [read] = decodeValue(bytes) as [Float64Array];
  expect(read).toEqual(vector);
  expect(read.buffer).toBe(bytes.buffer);
});

it('encodes functions too', () => {
  const [square] = decodeValue(Buffer.concat(encodeParts([(x: number) => x * x]))) as [(x: number) => number];
  expect(square(3)).toBe(9);
});
