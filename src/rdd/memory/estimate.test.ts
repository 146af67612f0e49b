import { type RecordBatch, Table, tableFromArrays, tableFromIPC, tableToIPC, vectorFromArray } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { NumberRange } from '../chunks.js';
import { Pairs } from '../columns.js';
import { estimateBytes, estimateValue } from './estimate.js';

const numbers = (length: number) => Float64Array.from({ length }, (_, i) => i);

describe('typed chunks', () => {
  it('are exact', () => {
    expect(estimateBytes(numbers(1000))).toBe(8000);
    expect(estimateBytes(new Pairs(numbers(1000), numbers(1000)))).toBe(16_000);
    expect(estimateBytes(new NumberRange(0, 1, 0, 10 ** 9))).toBeLessThan(100);
  });

  it('show a part of a buffer, or keep the whole of it, once', () => {
    const whole = numbers(1000);
    const parts = [whole.subarray(0, 10), whole.subarray(10, 20)];
    expect(parts.map((part) => estimateBytes(part))).toEqual([80, 80]);
    const seen = new Set<ArrayBufferLike>();
    expect(parts.map((part) => estimateBytes(part, seen))).toEqual([8000, 0]);
  });
});

describe('record batches', () => {
  const table = tableFromArrays({ x: new Float32Array(1024), y: new Int32Array(1024) });
  const batch = table.batches[0]!;

  it('are their buffers', () => {
    expect(estimateBytes(batch)).toBeGreaterThanOrEqual(8192);
    expect(estimateBytes(batch)).toBeLessThan(8192 + 200);
  });

  it('count what their columns share once', () => {
    const label = vectorFromArray(Array.from({ length: 1000 }, (_, i) => `a long label, number ${i % 500}`));
    const two = new Table({ a: label, b: label }).batches[0]!;
    const one = new Table({ a: label }).batches[0]!;
    const dictionary = label.data[0]!.dictionary!.byteLength;
    expect(estimateBytes(two)).toBeLessThan(2 * estimateBytes(one) - dictionary * 0.9);
  });

  it('that are views of one stream keep all of it, once', () => {
    const stream = tableToIPC(table, 'stream');
    const [read] = tableFromIPC(stream).batches as RecordBatch[];
    const seen = new Set<ArrayBufferLike>();
    const total = estimateBytes(read!, seen) + estimateBytes(read!.slice(0, 10), seen);
    expect(total).toBeGreaterThanOrEqual(stream.length);
    expect(total).toBeLessThan(2 * stream.length);
    expect(estimateBytes(read!.slice(0, 10))).toBeLessThan(500);
  });
});

describe('plain rows', () => {
  it('cost what V8 takes for them, within a tenth (measured on Node 20)', () => {
    const near = (rows: unknown[], measured: number) => {
      expect(estimateBytes(rows) / measured).toBeGreaterThan(0.9);
      expect(estimateBytes(rows) / measured).toBeLessThan(1.1);
    };
    const many = <T>(make: (i: number) => T) => Array.from({ length: 200_000 }, (_, i) => make(i));
    near(
      many((i) => i),
      1.59e6,
    );
    near(
      many((i) => [`key${i}`, i + 0.5]),
      23.05e6,
    );
    near(
      many((i) => ({ id: i, name: `name${i}`, score: i * 1.1, ok: true })),
      22.31e6,
    );
  });

  it('scale with rows that are large, and survive cycles and odd values', () => {
    const row = Array.from({ length: 100_000 }, (_, i) => i + 0.5);
    expect(estimateBytes([row, row])).toBeGreaterThan(1_600_000);
    const cycle: Record<string, unknown> = { wide: Object.fromEntries(row.slice(0, 1000).map((x) => [`k${x}`, x])) };
    cycle.self = cycle;
    expect(estimateBytes([cycle])).toBeGreaterThan(20_000);
    expect(estimateBytes([])).toBeLessThan(100);
    for (const value of [null, undefined, true, 1n, new Date(), new Set(['x']), new Map([[1, 2]]), new Uint8Array(9)])
      expect(estimateValue(value)).toBeGreaterThanOrEqual(0);
    expect(estimateValue('ж'.repeat(100))).toBe(216);
  });

  it('are not all looked at', () => {
    let looked = 0;
    const rows = Array.from({ length: 10_000 }, () => ({
      get x() {
        looked++;
        return 1;
      },
    }));
    estimateBytes(rows);
    expect(looked).toBeLessThan(100);
  });
});
