import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Chunks, rowsOf } from '../chunks.js';
import { Pairs } from '../columns.js';
import { emptyState, fuse } from '../fuse.js';
import { Combination, type MergePairs } from './combination.js';
import { cutByHash } from './cut-by-hash.js';
import { join } from './join.js';

const loop = fuse([], { kind: 'combine', merge: (a: number, b: number) => a + b }, 'test');
const toPairs = fuse([], { kind: 'pairs' }, 'test');
const merge: MergePairs = (pairs, table) => loop(pairs, { ...emptyState(), into: table });

function combined(pieces: readonly Pairs[]): Map<unknown, unknown> {
  const combination = new Combination();
  for (const piece of pieces) {
    const state = { ...emptyState(), into: combination.into };
    (combination.buffers ? toPairs : loop)(piece, state);
    combination.afterPiece(merge);
  }
  return new Map([...combination.pairs(merge)].flatMap((pairs) => pairs.toArray()));
}

it('combines the same with one table and with many', () => {
  const keys = Float64Array.from({ length: 120_000 }, (_, i) => (i * 7919) % 70_001);
  const pieces = [0, 1, 2, 3].map(
    (k) => new Pairs(keys.subarray(30_000 * k, 30_000 * (k + 1)), new Float64Array(30_000).fill(k + 1)),
  );
  const expected = new Map<number, number>();
  for (const [i, key] of keys.entries()) expected.set(key, (expected.get(key) ?? 0) + 1 + Math.floor(i / 30_000));
  expect(combined(pieces)).toEqual(expected);
  const texts = new Pairs(['late'], [1]); // of another kind, when there are many tables
  expect(combined([...pieces, texts, texts])).toEqual(new Map<unknown, number>([...expected, ['late', 2]]));
});

it('cuts rows by hash, equal keys into one part, in their old order', () => {
  const rows = fc.array(fc.tuple(fc.oneof(fc.nat({ max: 9 }), fc.constantFrom('a', 'b')), fc.integer()), {
    maxLength: 50,
  });
  fc.assert(
    fc.property(rows, (list) => {
      const pairs = new Pairs(
        list.map(([key]) => key),
        list.map(([, value]) => value),
      );
      const parts = cutByHash(pairs).map((part) => part.toArray());
      expect(parts.flat()).toHaveLength(list.length);
      for (const part of parts)
        for (const [key] of part) expect(part.filter(([k]) => k === key)).toEqual(list.filter(([k]) => k === key));
    }),
    { seed: 1 },
  );
});

it('joins sides that are cut as it joins small ones', async () => {
  const side = async function* (rows: number, step: number): Chunks {
    const keys = Float64Array.from({ length: rows }, (_, i) => (i * step) % 40_009);
    for (let from = 0; from < rows; from += 25_000)
      yield new Pairs(keys.subarray(from, from + 25_000), Float64Array.from(keys.subarray(from, from + 25_000).keys()));
  };
  const found: unknown[] = [];
  for await (const chunk of join([side(30_000, 3), side(50_000, 7)], 'all', 'join', {} as never))
    found.push(...rowsOf(chunk));
  const count = (rows: number, step: number) => {
    const counts = new Map<number, number>();
    for (let i = 0; i < rows; i++) counts.set((i * step) % 40_009, (counts.get((i * step) % 40_009) ?? 0) + 1);
    return counts;
  };
  const [left, right] = [count(30_000, 3), count(50_000, 7)];
  let expected = 0;
  for (const key of new Set([...left.keys(), ...right.keys()]))
    expected += (left.get(key) ?? 1) * (right.get(key) ?? 1);
  expect(found).toHaveLength(expected);
  expect(found.filter((row) => (row as any)[1][0] === undefined)).toHaveLength(
    [...right].reduce((sum, [key, n]) => sum + (left.has(key) ? 0 : n), 0),
  );
});
