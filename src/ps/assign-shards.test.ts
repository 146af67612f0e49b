import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards, type ShardRange } from './assign-shards.js';
import { subtreeRoots } from './tree.js';

/** Every way to cut G shards into contiguous ranges. */
function* cuts(G: number, members: number, least: number, from = 0): Generator<ShardRange[]> {
  if (members === 1) {
    if (G - from >= least) yield [{ from, to: G }];
    return;
  }
  for (let to = from + least; to <= G; to++)
    for (const rest of cuts(G, members - 1, least, to)) yield [{ from, to }, ...rest];
}

const range = ({ from, to }: ShardRange) => Array.from({ length: to - from }, (_, k) => from + k);
const size = ({ from, to }: ShardRange) => to - from;
const load = (deal: readonly ShardRange[], speeds: readonly number[]) =>
  Math.max(...deal.map((each, m) => size(each) / speeds[m]!));

/** Whether nobody would be done earlier with another's last shard than that one is. */
function isEven(deal: readonly ShardRange[], speeds: readonly number[], least: number): boolean {
  const given = deal.map((each, m) => (size(each) > least ? size(each) / speeds[m]! : 0));
  const next = deal.map((each, m) => (size(each) + 1) / speeds[m]!);
  return Math.max(...given) <= Math.min(...next);
}
const nodes = (deal: readonly ShardRange[], G: number) =>
  deal.reduce((sum, each) => sum + subtreeRoots(range(each), G).length, 0);
const moved = (deal: readonly ShardRange[], held: readonly ShardRange[]) =>
  deal.reduce((sum, each, m) => sum + range(each).filter((s) => s < held[m]!.from || s >= held[m]!.to).length, 0);

/** Compares number by number, the first that differs deciding. */
function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, k) => value !== b[k]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}

const shards = fc.integer({ min: 1, max: 11 });
const speeds = fc.array(fc.constantFrom(1, 1.21, 2, 3, 5), { minLength: 1, maxLength: 4 });
const cutsAt = fc.array(fc.nat(11), { minLength: 3, maxLength: 3 });

describe('assignShards by speed', () => {
  it('makes the largest load least; then the fewest sums; then the fewest shards move', () => {
    fc.assert(
      fc.property(shards, speeds, cutsAt, (G, speeds, cutsAt) => {
        const bounds = [0, ...cutsAt.map((cut) => Math.min(cut, G)).sort((a, b) => a - b), G];
        const held = speeds.map((_, m) => ({ from: bounds[m]!, to: bounds[m + 1]! }));
        const least = speeds.length <= G ? 1 : 0;
        const all = [...cuts(G, speeds.length, least)];
        const even = all.filter((deal) => isEven(deal, speeds, least));
        const value = (deal: readonly ShardRange[]) => [load(deal, speeds), nodes(deal, G), moved(deal, held)];
        const dealt = assignShards(G, speeds, held);
        expect(even).toContainEqual(dealt);
        expect(load(dealt, speeds)).toBe(Math.min(...all.map((deal) => load(deal, speeds))));
        expect(value(dealt)).toEqual(even.map(value).sort(compare)[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('is the deal by count where all are equally fast, in whatever unit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 70 }),
        fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
        (G, members, speed) => {
          expect(assignShards(G, Array(members).fill(speed))).toEqual(assignShards(G, members));
        },
      ),
    );
  });

  it.each([
    [8, [3, 1], [6, 2]],
    [8, [1, 3], [2, 6]],
    [16, [1, 1, 0.5], [6, 7, 3]],
    [2, [1, 1e-9], [1, 1]],
    [2, [1, 0.1, 1], [1, 0, 1]],
  ])('of %i shards to speeds %j gives %j', (G, speeds, sizes) => {
    expect(assignShards(G, speeds).map(size)).toEqual(sizes);
  });

  it('leaves shards where they are when it may as well', () => {
    const deal = (...ends: readonly number[]) => ends.map((to, m) => ({ from: ends[m - 1] ?? 0, to }));
    for (const held of [deal(2, 5, 8), deal(3, 6, 8)]) expect(assignShards(8, [1, 1, 1], held)).toEqual(held);
  });

  it('refuses nobody, and who never gets done', () => {
    expect(() => assignShards(4, [])).toThrow('at least one member');
    for (const speed of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => assignShards(4, [1, speed])).toThrow(`positive and finite, got ${speed}`);
  });
});
