import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { totalBytes } from './choose-partitions.js';
import { nextRoundBytes, notWorthProbing, type ProbeRound, unitRun } from './probe-plan.js';

const even = (count: number, bytes: number) => Array.from({ length: count }, (_, index) => ({ bytes, index }));

describe('notWorthProbing', () => {
  it('gives a reason where measuring costs more than it brings', () => {
    expect(notWorthProbing(even(500, 1000), 2)).toBe('500 kB are too little to measure');
    expect(notWorthProbing(even(24, 1e9), 2)).toBe('24 pieces on 2 slots are too few to measure');
    expect(notWorthProbing(even(360, 6e5), 2)).toBeUndefined();
  });
});

describe('nextRoundBytes', () => {
  const units = even(2000, 500_000);

  /** Rounds on slots of a given speed, until it is enough. */
  function rounds(msPerByte: number, slots = 2, of = units): ProbeRound[] {
    const done: ProbeRound[] = [];
    for (let bytes = nextRoundBytes(done, of, slots); bytes; bytes = nextRoundBytes(done, of, slots))
      done.push({ bytes, ms: bytes * msPerByte });
    return done;
  }

  it('doubles from one unit on', () => {
    const sizes = rounds(1e-5).map(({ bytes }) => bytes);
    expect(sizes[0]).toBe(500_000);
    expect(sizes.length).toBeGreaterThan(2);
    for (const [k, bytes] of sizes.slice(1).entries()) expect(bytes).toBe(2 * sizes[k]!);
  });

  it('takes a fifth of a second, or a twentieth of a long stage; with the tasks that count', () => {
    for (const speed of [1e-6, 1e-5, 1e-4, 1e-3]) {
      const done = rounds(speed);
      const spent = done.reduce((sum, { ms }) => sum + ms, 0) + 2 * done.at(-1)!.ms;
      expect(spent).toBeLessThanOrEqual(Math.max(200, (0.05 * totalBytes(units) * speed) / 2));
    }
  });

  it('never reads more than a quarter of the input', () => {
    const small = even(50, 30_000);
    const read = rounds(1e-9, 2, small).reduce((sum, { bytes }) => sum + bytes, 0) * 2;
    expect(read).toBeLessThanOrEqual(totalBytes(small) / 4);
  });
});

describe('unitRun', () => {
  it('takes whole neighbouring units of about the size asked for, at least one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 100 }),
        fc.nat(1000),
        fc.nat(5_000_000),
        (sizes, place, bytes) => {
          const units = sizes.map((each, index) => ({ bytes: each, index }));
          const split = unitRun(units, place, bytes);
          const first = split.units[0]!.index as number;
          expect(split.units).toEqual(units.slice(first, first + split.units.length));
          expect(split.bytes).toBe(totalBytes(split.units));
          if (split.units.length > 1) expect(split.bytes).toBeLessThanOrEqual(bytes + Math.max(...sizes) / 2);
        },
      ),
    );
  });

  it('spreads places evenly', () => {
    const starts = Array.from({ length: 10 }, (_, place) => unitRun(even(100, 1), place, 0).units[0]!.index as number);
    const gaps = [...starts].sort((a, b) => a - b).map((start, k, all) => (all[k + 1] ?? 100) - start);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * 10);
  });
});
