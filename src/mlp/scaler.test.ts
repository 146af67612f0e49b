import { describe, expect, it } from 'vitest';
import { keyedRandom } from '../rdd/random.js';
import { ColumnMoments, StandardScalerModel } from './scaler.js';

function matrixOf(rows: number, columns: number): Float32Array {
  const random = keyedRandom(1, 'matrix');
  return Float32Array.from({ length: rows * columns }, (_, i) => (random.uniform() - 0.3) * 10 ** (i % columns));
}

describe('ColumnMoments', () => {
  it('gives hand-computed means and deviations, and 1 for constant columns', () => {
    const scaler = new ColumnMoments(3).add(Float32Array.of(1, 7, 0.1, 3, 7, 0.1, 5, 7, 0.1), 3).finish();
    expect([...scaler.mean]).toEqual([3, 7, Math.fround(0.1)]);
    expect([...scaler.deviation]).toEqual([Math.sqrt(8 / 3), 1, 1]);
  });

  it('does not depend on the partitions, not by one bit', () => {
    const [rows, columns] = [301, 5];
    const matrix = matrixOf(rows, columns);
    const whole = new ColumnMoments(columns).add(matrix, rows);
    for (const size of [1, 7, 64, 300]) {
      const merged = new ColumnMoments(columns);
      for (let from = Math.floor((rows - 1) / size) * size; from >= 0; from -= size) {
        const part = matrix.subarray(from * columns, Math.min(from + size, rows) * columns);
        const moments = new ColumnMoments(columns).add(part, part.length / columns);
        merged.merge(ColumnMoments.fromBytes(moments.toBytes()));
      }
      expect(merged.count).toBe(rows);
      expect(merged.toBytes()).toEqual(whole.toBytes());
      expect(merged.finish()).toEqual(whole.finish());
    }
  });

  it('keeps a small deviation around a large mean', () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => 2 ** 23 + (i % 2));
    expect(new ColumnMoments(1).add(values, 1000).finish().deviation[0]).toBe(0.5);
  });

  it('refuses no rows and values that are not finite', () => {
    expect(() => new ColumnMoments(2).finish()).toThrow('no rows');
    expect(() => new ColumnMoments(2).add(Float32Array.of(1, Number.NaN), 1).finish()).toThrow('column 1');
    expect(() => new ColumnMoments(2).add(Float32Array.of(Number.NEGATIVE_INFINITY, 1), 1).finish()).toThrow(
      'column 0',
    );
  });
});

describe('StandardScalerModel', () => {
  it('scales to mean 0 and deviation 1', () => {
    const [rows, columns] = [500, 4];
    const scaler = new ColumnMoments(columns).add(matrixOf(rows, columns), rows).finish();
    const scaled = scaler.scaleInPlace(matrixOf(rows, columns), rows);
    const again = new ColumnMoments(columns).add(scaled, rows).finish();
    for (let column = 0; column < columns; column++) {
      expect(again.mean[column]).toBeCloseTo(0, 6);
      expect(again.deviation[column]).toBeCloseTo(1, 6);
    }
    expect(() => scaler.scaleInPlace(new Float32Array(7), 2)).toThrow('2 rows of 4 columns need 8 values, got 7');
  });

  it('survives JSON', () => {
    const scaler = new ColumnMoments(2).add(Float32Array.of(1, 0.1, 2, 0.7), 2).finish();
    expect(StandardScalerModel.fromJSON(JSON.parse(JSON.stringify(scaler)))).toEqual(scaler);
  });
});
