import { describe, expect, it } from 'vitest';
import { EarlyStopping } from './early-stopping.js';

const ended = (stopping: EarlyStopping, values: readonly number[]) => values.findIndex((v) => stopping.observe(v).stop);

describe('EarlyStopping', () => {
  it('waits for as long as it is told', () => {
    expect(ended(new EarlyStopping('min', 1, 0), [3, 2, 2])).toBe(2);
    expect(ended(new EarlyStopping('min', 3, 0), [3, 2, 4, 1, 1, 1, 1])).toBe(6);
    expect(ended(new EarlyStopping('max', 2, 0), [0.1, 0.5, 0.4, 0.6])).toBe(-1);
  });

  it('takes a small gain for none, but its weights for the best', () => {
    const stopping = new EarlyStopping('min', 2, 0.1);
    expect(stopping.observe(1)).toEqual({ best: true, stop: false });
    expect(stopping.observe(0.95)).toEqual({ best: true, stop: false });
    expect(stopping.observe(0.92)).toEqual({ best: true, stop: true });
    expect(stopping.bestIndex).toBe(2);
  });

  it('small gains add up', () => {
    expect(ended(new EarlyStopping('min', 2, 0.1), [1, 0.95, 0.89, 0.85, 0.78])).toBe(-1);
  });

  it('forgets what is to be observed again', () => {
    const stopping = new EarlyStopping('min', 2, 0);
    for (const value of [3, 1, 2, 2]) stopping.observe(value);
    stopping.forgetFrom(4);
    expect(stopping.values).toEqual([3, 1, 2, 2]);
    stopping.forgetFrom(1);
    expect(stopping.values).toEqual([3]);
    expect(ended(stopping, [2, 4, 4])).toBe(2);
  });

  it('NaN is never better, and the first of equals is the best', () => {
    const stopping = new EarlyStopping('max', 3, 0);
    expect(stopping.observe(Number.NaN)).toEqual({ best: false, stop: false });
    stopping.observe(0.5);
    expect(stopping.observe(0.5)).toEqual({ best: false, stop: false });
    expect(stopping.bestIndex).toBe(1);
    expect(stopping.values).toEqual([Number.NaN, 0.5, 0.5]);
  });
});
