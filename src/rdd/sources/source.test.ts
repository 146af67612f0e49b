import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namedIn, packUnits, SourceError } from './source.js';

const units = (...bytes: number[]) => bytes.map((b, index) => ({ bytes: b, index }));
const shape = (splits: ReturnType<typeof packUnits>) => splits.map((split) => split.units.map((unit) => unit.bytes));

describe('packUnits', () => {
  it('balances bytes with contiguous splits', () => {
    expect(shape(packUnits(units(5, 5, 5, 5), 2))).toEqual([
      [5, 5],
      [5, 5],
    ]);
    expect(shape(packUnits(units(100, 1, 1, 1), 2))).toEqual([[100], [1, 1, 1]]);
    expect(shape(packUnits(units(1, 1, 1, 100), 2))).toEqual([[1, 1, 1], [100]]);
    expect(packUnits(units(3, 4), 1)).toEqual([{ bytes: 7, units: units(3, 4) }]);
  });

  it('gives fewer splits than wanted when there are fewer units, and spreads empty ones', () => {
    expect(shape(packUnits(units(9, 9), 8))).toEqual([[9], [9]]);
    expect(packUnits([], 4)).toEqual([]);
    expect(shape(packUnits(units(0, 0, 0, 0), 2))).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it('refuses a number of partitions that is none', () => {
    expect(() => packUnits(units(1), 0)).toThrow('at least 1');
    expect(() => packUnits(units(1), 1.5)).toThrow('1.5');
  });

  it('keeps every unit in order, leaves no split empty and none far above its share', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (bytes, partitions) => {
        const all = units(...bytes);
        const splits = packUnits(all, partitions);
        expect(splits.flatMap((split) => split.units)).toEqual(all);
        expect(splits.length).toBe(Math.min(partitions, bytes.length));
        expect(splits.every((split) => split.units.length > 0)).toBe(true);
        const weights = bytes.map((b) => Math.max(b, 1));
        const bound = weights.reduce((a, b) => a + b, 0) / partitions + Math.max(0, ...weights);
        if (bytes.length >= partitions)
          for (const split of splits) if (split.units.length > 1) expect(split.bytes).toBeLessThanOrEqual(bound + 1e-9);
      }),
    );
  });
});

describe('SourceError', () => {
  it('shows no password and no signature', () => {
    const error = new SourceError('https://me:word@host/a.csv?signature=abc, line 3: wrong');
    expect(error.message).toBe('https://host/a.csv?…, line 3: wrong');
    expect(error.stack).not.toMatch(/word|abc/);
  });
});

it('says where the program reads what cannot be read', async () => {
  const cause = new Error('EACCES');
  const reading = namedIn('csv at job.ts:1', Promise.reject(new SourceError('a.csv: locked', { cause })));
  await expect(reading).rejects.toMatchObject({ message: 'a.csv: locked (in csv at job.ts:1)', cause });
  await expect(namedIn('csv at job.ts:1', Promise.reject(cause))).rejects.toBe(cause);
});
