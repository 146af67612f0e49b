import { describe, expect, it } from 'vitest';
import { geometricMean, interval, meanOverFamilies } from '../common/statistics.js';
import { casesOf, sameCheck } from './cases.js';
import type { Cell, Table } from './measure.js';
import type { Peer } from './peers.js';
import { meanRatio, ratioInterval, report } from './report.js';

describe('statistics', () => {
  it('gives medians of odd and even numbers of values', () => {
    expect(interval([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
    expect(interval([4, 1, 2, 3]).median).toBe(2.5);
    expect(() => interval([])).toThrow(RangeError);
  });

  it('counts the cases of a family as one', () => {
    expect(geometricMean([1, 4])).toBeCloseTo(2);
    const ratios = [0.5, 0.5, 0.5].map((ratio) => ({ family: 'empty', ratio })).concat({ family: 'join', ratio: 2 });
    expect(meanOverFamilies(ratios)).toBeCloseTo(1);
  });
});

describe('sameCheck', () => {
  it('wants whole numbers equal and sums of doubles close', () => {
    expect(sameCheck([33333326666667], [33333326666667])).toBe(true);
    expect(sameCheck([33333326666667], [33333326666668])).toBe(false);
    expect(sameCheck([1000349.2843262837], [1000349.28432629])).toBe(true);
    expect(sameCheck([1000349.2843262837], [1000349.4])).toBe(false);
    expect(sameCheck([0.5], [0.5, 1.5])).toBe(false);
    expect(sameCheck([Number.NaN], [Number.NaN])).toBe(false);
  });
});

describe('report', () => {
  const peer = (id: string, beside?: Peer['beside']): Peer => ({
    id,
    title: id,
    beside,
    launch: () => ({ command: '', args: [] }),
  });
  const [sheaf, spark, plain] = [peer('sheaf-local'), peer('spark-local', 'sheaf-local'), peer('plain', 'sheaf-local')];
  const peers = [sheaf, spark, plain];
  const [first, second] = casesOf(undefined).filter(({ id }) => id === 'sortBy' || id === 'join') as [any, any];
  const cells = (...rows: [Peer, Cell][]) => new Map(rows);
  const table: Table = new Map([
    [
      first,
      cells(
        [sheaf, { ms: [10, 20, 30], processorMs: [30, 40, 70], peakBytes: 5e8 }],
        [spark, { ms: [100, 100, 100], processorMs: [], peakBytes: 1e9 }],
      ),
    ],
    [
      second,
      cells(
        [sheaf, { ms: [40, 40, 40], processorMs: [], spilledBytes: 3e6 }],
        [spark, { ms: [160, 80, 40], processorMs: [] }],
        [plain, { ms: [], processorMs: [], failure: 'out of memory' }],
      ),
    ],
  ]);

  it('takes ratios within rounds', () => {
    expect(ratioInterval(table, first, spark, peers)).toEqual({ median: 0.2, least: 0.1, most: 0.3 });
    expect(ratioInterval(table, second, plain, peers)).toBeUndefined();
    expect(meanRatio(table, spark, peers)!.least).toBeCloseTo(Math.sqrt(0.1 * 0.25));
    expect(meanRatio(table, plain, peers)).toBeUndefined();
  });

  it('compares the rounds that both have when a run was interrupted', () => {
    const partial: Table = new Map([
      [
        first,
        cells(
          [sheaf, { ms: [10, 20], processorMs: [] }],
          [spark, { ms: [100], processorMs: [] }],
          [plain, { ms: [], processorMs: [] }],
        ),
      ],
    ]);
    expect(ratioInterval(partial, first, spark, peers)).toEqual({ median: 0.1, least: 0.1, most: 0.1 });
    expect(report(partial, peers)).not.toContain('NaN');
  });

  it('shows what failed, what was spilled and what nobody measured', () => {
    const text = report(table, peers);
    expect(text).toContain('| sortBy of 2 M doubles | 20.0 [10.0, 30.0] | 100 [100, 100] |  |');
    expect(text).toContain('| 40.0 [40.0, 40.0] | 80.0 [40.0, 160] | failed |');
    expect(text).toContain('| sortBy of 2 M doubles | 40.0 |  |  |');
    expect(text).toContain('join, sheaf-local: 3 MB');
    expect(text).toContain('- join, plain: out of memory');
    expect(text).toContain('| **most** | 500 | 1000 |  |');
  });
});
