import { describe, expect, it } from 'vitest';
import type { SlotKey } from '../scheduler/task-set.js';
import { LoadBalancer } from './load-balancer.js';

const EPOCHS = 1000;
const PLAN = { shards: 8, rows: 800, epochs: EPOCHS };
const SLOTS: SlotKey[] = ['a#0', 'a#1'];

/** Trains on two slots. @param shardMs of each slot, in an epoch from 0 @returns epochs after which shards were dealt anew, and sizes */
function train(shardMs: (epoch: number, slot: number) => number, { epochs = EPOCHS, rounds = 4 } = {}) {
  const balancer = new LoadBalancer(PLAN);
  const dealt: [epoch: number, sizes: number[]][] = [];
  const form = () => {
    const deal = balancer.deal(SLOTS);
    balancer.formed(100, 50);
    return deal.map(({ range }) => range.to - range.from);
  };
  let sizes = form();
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let round = 0; round < rounds; round++) {
      const ms = sizes.map((size, slot) => size * shardMs(epoch, slot) * (4 / rounds));
      const computeMs = new Map(SLOTS.map((slot, k) => [slot, ms[k]!]));
      balancer.ran({ ms: Math.max(...ms), steps: 20 / rounds, rows: PLAN.rows / rounds, computeMs });
    }
    if (!balancer.dealAnew(SLOTS, epochs - epoch - 1)) continue;
    sizes = form();
    dealt.push([epoch + 1, sizes]);
  }
  return dealt;
}

describe('LoadBalancer', () => {
  it('deals anew after one epoch, once, where a slot is slow for good; after two of a single round', () => {
    const slow = (_: number, slot: number) => (slot === 1 ? 30 : 10);
    expect(train(slow)).toEqual([[1, [6, 2]]]);
    expect(train(slow, { rounds: 1 })).toEqual([[2, [6, 2]]]);
  });

  it('follows a slot that becomes slow, and one that recovers', () => {
    const times = (epoch: number, slot: number) => (slot === 0 && epoch >= 10 && epoch < 100 ? 30 : 10);
    expect(train(times).map(([, sizes]) => sizes)).toEqual([
      [2, 6],
      [4, 4],
    ]);
  });

  it('does nothing for equal slots, nor for a slot that is slow now and then', () => {
    expect(train(() => 10)).toEqual([]);
    expect(train((epoch, slot) => (slot === 0 && epoch % 2 === 0 ? 40 : 10), { rounds: 1 })).toEqual([]);
  });

  it('deals anew ever more seldom where the slow one is now this slot, now that', () => {
    const turns = (epoch: number, slot: number) => (Math.floor(epoch / 3) % 2 === slot ? 40 : 10);
    expect(train(turns).length).toBeLessThanOrEqual(Math.log2(EPOCHS));
  });

  it('does nothing where the epochs that are left are not worth it', () => {
    const slow = (_: number, slot: number) => (slot === 1 ? 30 : 10);
    expect(train(slow, { epochs: 1 })).toEqual([]);
  });
});
