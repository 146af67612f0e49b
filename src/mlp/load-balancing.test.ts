import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SlotKey } from '../scheduler/task-set.js';
import { dealAnew, dealShards, type Load, mostLoaded, type Situation } from './load-balancing.js';

const slotsOf = (count: number) => Array.from({ length: count }, (_, k): SlotKey => `a#${k}`);
const sizes = (deal: readonly Load[]) => deal.map(({ range }) => range.to - range.from);

describe('dealShards', () => {
  it('deals to the slots in their order, equally where nothing is known', () => {
    expect(dealShards(4, slotsOf(2))).toEqual([
      { slot: 'a#0', range: { from: 0, to: 2 } },
      { slot: 'a#1', range: { from: 2, to: 4 } },
    ]);
    expect(dealShards(2, slotsOf(3)).map(({ slot }) => slot)).toEqual(['a#0', 'a#1']);
  });

  it('keeps speeds by slot, whoever stands beside it; an unknown slot is one in the middle', () => {
    const speeds = new Map<SlotKey, number>([
      ['a#0', 1],
      ['a#1', 0.25],
      ['a#3', 1],
    ]);
    expect(sizes(dealShards(9, ['a#0', 'a#1', 'a#2', 'a#3'].slice(0, 3) as SlotKey[], speeds))).toEqual([4, 1, 4]);
    expect(sizes(dealShards(5, ['a#1', 'a#3'], speeds))).toEqual([1, 4]);
  });

  it('takes the fastest where slots are more than shards', () => {
    const speeds = new Map<SlotKey, number>([['a#0', 0.5]]);
    expect(dealShards(2, slotsOf(3), new Map([...speeds, ['a#1', 1]])).map(({ slot }) => slot)).toEqual(['a#1', 'a#2']);
  });
});

/** Slots whose shards take so many milliseconds each, dealt equally unless a deal is given. */
function situation(shardMs: readonly number[], more: Partial<Situation> = {}): Situation {
  const slots = slotsOf(shardMs.length);
  const { deal = dealShards(more.shards ?? 8, slots) } = more;
  const ms = deal.map(({ range }, k) => (range.to - range.from) * shardMs[k]!);
  const computeMs = new Map(deal.map(({ slot }, k) => [slot, ms[k]!]));
  const times = { rows: 100, stepMs: 1 + Math.max(...ms), computeMs };
  return {
    shards: 8,
    slots,
    deal,
    times,
    speeds: new Map(),
    stepsLeft: 1000,
    forming: { shardMs: 400, restMs: 200 },
    ...more,
  };
}

describe('mostLoaded', () => {
  it('is what a slot has that it had not', () => {
    const deal = (...ends: readonly number[]) =>
      ends.map((to, k) => ({ slot: `a#${k}` as const, range: { from: ends[k - 1] ?? 0, to } }));
    expect(mostLoaded(deal(4, 8), [])).toBe(4);
    expect(mostLoaded(deal(6, 8), deal(4, 8))).toBe(2);
    expect(mostLoaded(deal(4, 8), deal(4, 8))).toBe(0);
    expect(mostLoaded(deal(1, 4, 8), deal(3, 6, 8))).toBe(2);
  });
});

describe('dealAnew', () => {
  it('moves shards from a slow slot to a fast one, and says why', () => {
    const next = dealAnew(situation([10, 30]))!;
    expect(sizes(next.deal)).toEqual([6, 2]);
    expect(next.reason).toBe(
      'slot a#1 takes 3.0 times as long a shard as slot a#0; a step about 61 ms instead of 120, which saves 60 s; dealing anew takes about 1 s',
    );
    expect(dealShards(8, slotsOf(2), next.speeds, [])).toEqual(next.deal);
  });

  it('moves them back when the slot is as fast as others again', () => {
    const { deal, speeds } = dealAnew(situation([10, 30]))!;
    expect(sizes(dealAnew(situation([10, 10], { deal, speeds }))!.deal)).toEqual([4, 4]);
  });

  it('does so only where it saves twice what it costs, and 15 % of a step', () => {
    expect(dealAnew(situation([10, 30], { stepsLeft: 33 }))).toBeUndefined();
    expect(dealAnew(situation([10, 30], { stepsLeft: 34 }))).toBeDefined();
    expect(
      dealAnew(situation([10, 30], { forming: { shardMs: 0, restMs: Number.POSITIVE_INFINITY } })),
    ).toBeUndefined();
    const { times } = situation([10, 30]);
    expect(dealAnew(situation([10, 30], { times: { ...times, stepMs: 401 } }))).toBeUndefined();
    expect(dealAnew(situation([10, 30], { times: { ...times, stepMs: 399 } }))).toBeDefined();
  });

  it('leaves alone what noise makes of equal slots, and where there is nothing to move', () => {
    const noisy = fc.array(fc.double({ min: 10, max: 11.7, noNaN: true }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(noisy, fc.constantFrom(8, 16, 64), (shardMs, shards) => {
        expect(dealAnew(situation(shardMs, { shards, stepsLeft: 1e9 }))).toBeUndefined();
      }),
    );
    expect(dealAnew(situation([10, 90], { shards: 2 }))).toBeUndefined();
    expect(dealAnew(situation([0, 0]))).toBeUndefined();
  });

  it('never goes on moving where times are what they were: the deal it makes is one that it leaves', () => {
    const times = fc.array(fc.constantFrom(10, 12, 15, 20, 40, 200), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(times, fc.constantFrom(5, 8, 13, 32), (shardMs, shards) => {
        const next = dealAnew(situation(shardMs, { shards, stepsLeft: 1e9 }));
        if (!next) return;
        const { deal, speeds } = next;
        expect(dealAnew(situation(shardMs, { shards, deal, speeds, stepsLeft: 1e9 }))).toBeUndefined();
      }),
    );
  });

  it('gives the place of a slow slot to one that has none, and waits for a loss to be seen', () => {
    const three = situation([10, 30], { shards: 2, slots: slotsOf(3) });
    expect(dealAnew(three)!.deal.map(({ slot }) => slot)).toEqual(['a#0', 'a#2']);
    expect(dealAnew(situation([10, 30], { slots: ['a#1'] }))).toBeUndefined();
  });
});
