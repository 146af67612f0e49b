import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommitCosts, CommitInterval, guessCosts, stepsToCommit } from './commit-interval.js';
import type { Network } from './network.js';
import { numericalPlan } from './numerical-plan.js';

const seconds = fc.double({ min: 0.001, max: 100, noNaN: true });
const costs = fc.record({
  commit: seconds,
  step: fc.oneof(fc.constant(0), fc.double({ min: 1e-5, max: 100, noNaN: true })),
  trained: fc.double({ min: 0, max: 1e6, noNaN: true }),
  losses: fc.nat(1000),
  fruitless: fc.nat(8),
});
const left = fc.integer({ min: 1, max: 100_000 });
const more = fc.integer({ min: 1, max: 100 });

/** Ten seconds of updates, a tenth of a second a commit, five seconds between losses. */
const STORM: CommitCosts = { commit: 0.1, step: 0.01, trained: 300, losses: 71, fruitless: 0 };

describe('the updates up to the next commit', () => {
  it('take the root of twice what a commit costs times the time between losses', () => {
    expect(stepsToCommit(1000, STORM)).toBe(100);
    expect(stepsToCommit(1000, { ...STORM, commit: 0.4 })).toBe(200);
    expect(stepsToCommit(1000, { ...STORM, trained: 1380 })).toBe(200);
  });

  it('are at least one, and at most all that are left', () => {
    fc.assert(
      fc.property(left, costs, (all, known) => {
        const steps = stepsToCommit(all, known);
        expect(Number.isInteger(steps) && steps >= 1 && steps <= all).toBe(true);
      }),
    );
  });

  it('divide what is left evenly: no short rest', () => {
    expect([1050, 1040].map((all) => stepsToCommit(all, STORM))).toEqual([96, 104]);
    expect(stepsToCommit(140, STORM)).toBe(140);
  });

  it('are not more after more losses, or cheaper commits', () => {
    fc.assert(
      fc.property(left, costs, more, (all, known, n) => {
        const steps = stepsToCommit(all, known);
        expect(stepsToCommit(all, { ...known, losses: known.losses + n })).toBeLessThanOrEqual(steps);
        expect(stepsToCommit(all, { ...known, fruitless: known.fruitless + n })).toBeLessThanOrEqual(steps);
        expect(stepsToCommit(all, { ...known, commit: known.commit * n })).toBeGreaterThanOrEqual(steps);
        expect(stepsToCommit(all, { ...known, trained: known.trained * n })).toBeGreaterThanOrEqual(steps);
      }),
    );
  });

  it('take fifty times as long as the commit, while nothing has been lost', () => {
    fc.assert(
      fc.property(left, costs, (all, known) => {
        const steps = stepsToCommit(all, { ...known, losses: 0, fruitless: 0 });
        if (steps < all) expect(steps * known.step).toBeGreaterThanOrEqual(50 * known.commit * (1 - 1e-9));
      }),
    );
  });

  it('are half as many after each loss in a row, down to one: something fits between two losses', () => {
    const after = [0, 1, 2, 3, 7].map((fruitless) => stepsToCommit(1000, { ...STORM, fruitless }));
    expect(after).toEqual([100, 50, 25, 13, 1]);
  });
});

describe('CommitInterval', () => {
  const optimizer = { kind: 'sgd', learningRate: 0.1, momentum: 0.9 } as const;
  const planOf = (...hidden: number[]) => {
    const layers = hidden.map((units) => ({ kind: 'dense', units, activation: 'relu' }) as const);
    const network: Network = { inputs: 784, hidden: layers, outputs: 10, loss: 'softmax-cross-entropy' };
    return numericalPlan({ rows: 60_000, batchSize: 1000, epochs: 2, seed: 0, network, optimizer });
  };

  /** Costs after some rounds of 10 updates, 20 ms each, with 3 ms besides; a commit takes 7 ms more. */
  function measured(rounds: number) {
    let now = 1e12;
    const interval = new CommitInterval(planOf(8), () => now);
    interval.begin();
    for (let round = 0; round < rounds; round++) {
      now += 203;
      interval.ran(10, 3);
    }
    now += 7;
    interval.committed();
    const pass = (ms: number) => {
      now += ms;
    };
    return { interval, pass };
  }

  it('measures what an update and a commit take, and how long has been trained', () => {
    expect(measured(1).interval.costs).toEqual({ commit: 0.01, step: 0.02, trained: 0.21, losses: 0, fruitless: 0 });
    // Rounds that end for other reasons than a commit: what that takes is the last one's only.
    const { commit, step } = measured(5).interval.costs;
    expect([commit, step]).toEqual([0.01, 0.02]);
  });

  it('smooths what a commit takes, which a moment may stretch', () => {
    const { interval, pass } = measured(1);
    interval.begin();
    interval.ran(1);
    pass(90);
    interval.committed();
    expect(interval.costs.commit).toBeCloseTo(0.05, 10);
  });

  it('counts losses, the time before them, and those in a row', () => {
    const { interval, pass } = measured(1);
    pass(5000); // between a commit and the next round
    interval.begin();
    pass(2000);
    expect(interval.lost()).toBe(1);
    pass(3000); // forming a generation
    expect(interval.lost()).toBe(2);
    expect(interval.costs).toMatchObject({ losses: 2, fruitless: 2 });
    expect(interval.costs.trained).toBeCloseTo(2.21, 10);
    interval.begin();
    interval.ran(1);
    interval.committed();
    expect(interval.costs).toMatchObject({ losses: 2, fruitless: 0, commit: 0.0055 });
  });

  it('begins with a guess: what is done in a moment is not divided, what may take long is', () => {
    expect(stepsToCommit(60, guessCosts(planOf(32)))).toBe(60);
    expect(stepsToCommit(60, guessCosts(planOf(2500, 2000, 1500, 1000, 500)))).toBeLessThan(20);
  });
});
