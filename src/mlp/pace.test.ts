import { describe, expect, it } from 'vitest';
import { numericalPlan } from './numerical-plan.js';
import { Pace } from './pace.js';

const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const input = { rows: 100, batchSize: 10, epochs: 3, seed: 0, network, optimizer, shards: 4 };

/** Of steps whose noise scale is exactly so many rows: with |G|² = 1, tr(Σ) of so much, and sums at their means. */
function total(rows: number, noise: number) {
  const square = rows ** 2 + rows * noise;
  const between = 3 * noise + square / rows;
  return { rows, weight: rows, lossSum: rows, spread: { shards: 4, between }, square };
}

describe('Pace', () => {
  it('knows from plan and step alone where a training stands', () => {
    const pace = new Pace(numericalPlan(input), false, 17);
    expect([pace.epoch, pace.last, pace.batch, pace.over]).toEqual([1, 20, 10, false]);
    expect(pace.place(17)).toMatchObject({ epoch: 1, from: 7, to: 8 });
    expect(pace.rate).toBeUndefined();
    expect(pace.state()).toBeUndefined();
    expect(new Pace(numericalPlan(input), false, 30).over).toBe(true);
  });

  it('counts merges where shards make steps of their own', () => {
    const pace = new Pace(numericalPlan({ ...input, local: { kind: 'average', steps: 4 } }), false, 4);
    expect([pace.epoch, pace.last]).toEqual([1, 6]);
    expect(pace.place(5)).toMatchObject({ epoch: 1, from: 8, to: 10 });
    const whole = new Pace(numericalPlan({ ...input, local: { kind: 'average', steps: 'partition' } }), false, 2);
    expect(whole.place(2)).toMatchObject({ epoch: 2, from: 0, to: 10 });
  });

  it('lets the batch follow the noise scale, by its growth at most, and the steps of the epoch with it', () => {
    const plan = numericalPlan({ ...input, adaptive: { baseBatch: 10, max: 50, growth: 3 } });
    const pace = new Pace(plan, true, 0);
    const batches: number[] = [];
    for (const noise of [1000, 37, 5]) {
      const { last } = pace;
      for (let step = pace.epoch === 0 ? 0 : last - 1; step < last; step++) pace.add(total(pace.batch, noise));
      expect(pace.noiseScale).toBeGreaterThan(0);
      pace.endEpoch(last);
      batches.push(pace.batch);
    }
    expect(batches[0]).toBe(30);
    expect(batches[1]).toBe(50);
    expect(batches[2]).toBe(50);
    expect(pace.place(pace.last - 1).plan).toMatchObject({ batch: 50, stepsPerEpoch: 2 });
    expect(pace.over).toBe(true);
  });

  it('never makes the batch smaller, and leaves it where no noise is known', () => {
    const plan = numericalPlan({ ...input, adaptive: { baseBatch: 10, max: 50 } });
    const quiet = new Pace(plan, true, 0);
    quiet.add(total(10, 2));
    quiet.endEpoch(10);
    expect(quiet.batch).toBe(10);
    const unknown = new Pace(plan, true, 0);
    unknown.endEpoch(10);
    expect(unknown.batch).toBe(10);
  });

  it('takes the batches of a list, and the last of them for all that follows', () => {
    const plan = numericalPlan({ ...input, epochs: 5, adaptive: { baseBatch: 10, batches: [10, 25, 20] } });
    const pace = new Pace(plan, true, 0);
    const seen: number[][] = [];
    for (let epoch = 0; epoch < 5; epoch++) {
      seen.push([pace.batch, pace.last]);
      pace.add(total(pace.batch, 1000));
      pace.endEpoch(pace.last);
    }
    expect(seen.map(([batch]) => batch)).toEqual([10, 25, 20, 20, 20]);
    expect(seen.map(([, last]) => last)).toEqual([10, 14, 19, 24, 29]);
  });

  it('leaves a batch by goodput to those who measure, and keeps what they choose', () => {
    const plan = numericalPlan({ ...input, adaptive: { baseBatch: 10, max: 50, by: 'goodput' } });
    const pace = new Pace(plan, true, 0);
    pace.add(total(10, 1000));
    pace.endEpoch(10);
    expect(pace.batch).toBe(10);
    pace.choose(40);
    expect([pace.last, pace.place(10).plan.stepsPerEpoch]).toEqual([13, 3]);
    expect(new Pace(plan, true, 10, JSON.parse(JSON.stringify(pace.state()))).batch).toBe(40);
  });

  it("multiplies the rate by AdaScale's gain; of Adam by its root", () => {
    const rateAfter = (kind: 'sgd' | 'adam') => {
      const plan = numericalPlan({ ...input, optimizer: { kind, learningRate: 0.1 }, adaptive: { baseBatch: 5 } });
      const pace = new Pace(plan, true, 0);
      expect(pace.rate).toBe(0.1); // nothing is known yet
      pace.add(total(10, 5));
      return pace.rate!;
    };
    // σ² = 5/5, μ² = 1, twice the base batch: 2 / 1.5.
    expect(rateAfter('sgd')).toBeCloseTo(0.1 * (2 / 1.5), 12);
    expect(rateAfter('adam')).toBeCloseTo(0.1 * Math.sqrt(2 / 1.5), 12);
  });

  it('goes on from its state, through JSON', () => {
    const plan = numericalPlan({ ...input, adaptive: { baseBatch: 5, max: 50 } });
    const whole = new Pace(plan, true, 0);
    let parts = new Pace(plan, true, 0);
    for (let step = 0; step < 12; step++) {
      for (const pace of [whole, parts]) {
        pace.add(total(10, 30 + step));
        if (step + 1 === pace.last) pace.endEpoch(step + 1);
      }
      parts = new Pace(plan, true, step + 1, JSON.parse(JSON.stringify(parts.state())));
      expect(parts.state()).toEqual(whole.state());
      expect(parts.rate).toBe(whole.rate);
      expect(parts.place(step + 1)).toEqual(whole.place(step + 1));
    }
    expect(whole.batch).toBe(20);
  });
});
