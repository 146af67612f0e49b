import { describe, expect, it } from 'vitest';
import { RoundWindow } from './round-times.js';

const EPOCH = 160;
/** A round of so many rows, in which a row takes one slot as many milliseconds as `ms` says, and the other one 1. */
const round = (rows: number, ms: number, steps = rows / 10) => ({
  ...{ ms: rows * ms, steps, rows },
  computeMs: new Map([
    ['a#0', rows * ms],
    ['a#1', rows],
  ] as const),
});
const slow = (window: RoundWindow, epochs = 1) => window.times(epochs)?.computeMs.get('a#0');

describe('RoundWindow', () => {
  it('knows nothing before a whole epoch, of two rounds at least', () => {
    const window = new RoundWindow(EPOCH);
    expect(window.times(1)).toBeUndefined();
    window.add(round(80, 2));
    expect(window.times(1)).toBeUndefined();
    window.add(round(70, 2));
    expect(window.times(1)).toBeUndefined();
    window.add(round(10, 2));
    expect(window.times(1)).toEqual({
      ...{ rows: 10, stepMs: 20 },
      computeMs: new Map([
        ['a#0', 20],
        ['a#1', 10],
      ]),
    });
    const whole = new RoundWindow(EPOCH);
    whole.add(round(160, 2));
    expect(whole.times(1)).toBeUndefined();
    whole.add(round(160, 2));
    expect(slow(whole)).toBe(20);
  });

  it('takes medians, of two the shorter: what disturbs a round for a moment is forgotten', () => {
    const window = new RoundWindow(EPOCH);
    for (const ms of [9, 2]) window.add(round(160, ms));
    expect(slow(window)).toBe(20);
    const many = new RoundWindow(EPOCH);
    for (const ms of [2, 50, 2, 3, 2]) many.add(round(40, ms));
    expect(slow(many)).toBe(20);
  });

  it('forgets what is older than the epochs it is asked for', () => {
    const window = new RoundWindow(EPOCH);
    for (const ms of [1, 1, 1, 1, 5, 5, 5, 5]) window.add(round(80, ms));
    expect(slow(window, 3)).toBe(50);
    expect(slow(window, 2)).toBe(50);
    window.add(round(80, 1));
    window.add(round(80, 1));
    expect(slow(window)).toBe(10);
    window.clear();
    expect(window.times(1)).toBeUndefined();
  });

  it('takes short rounds together, steps of other lengths by their rows', () => {
    const window = new RoundWindow(EPOCH);
    // One of ten would be the middle one of ten; of what they come to it is the longer one.
    for (let k = 0; k < 20; k++) window.add(round(8, k % 2 === 0 ? 1 : 3, 1));
    const times = window.times(1)!;
    expect(times.rows).toBe(8);
    expect(times.computeMs.get('a#0')).toBe(16);
  });
});
