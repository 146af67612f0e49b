import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MLPClassifier } from '../classifier.js';
import { Pipeline } from '../pipeline/pipeline.js';
import { MLPRegressor } from '../regressor.js';
import { allotment } from './allotment.js';
import { CrossValidator } from './cross-validator.js';
import { bestOf, measured } from './metric.js';
import { ParamGridBuilder, paramGrid } from './param-grid.js';
import { isDrawn, ShuffledRanks } from './ranks.js';
import { stratification } from './select.js';
import { isKept, placeAt } from './split-step.js';
import { groupFolds, heldOutGroups } from './splits.js';
import { type Place, StratifiedRanks, strataOf } from './strata.js';
import { TrainValidationSplit } from './train-validation-split.js';

describe('parameter grids', () => {
  it('hold every combination', () => {
    expect(paramGrid({ a: [1, 2], b: ['x', 'y'] })).toEqual([
      { a: 1, b: 'x' },
      { a: 1, b: 'y' },
      { a: 2, b: 'x' },
      { a: 2, b: 'y' },
    ]);
    expect(paramGrid({})).toEqual([{}]);
    const built = new ParamGridBuilder()
      .addGrid('hidden', [[16], [32]])
      .baseOn({ seed: 1 })
      .build();
    expect(built).toEqual([
      { hidden: [16], seed: 1 },
      { hidden: [32], seed: 1 },
    ]);
    expect(() => paramGrid({ a: [] })).toThrow('paramGrid: a needs an array of values to try, not []');
  });
});

describe('rows held out', () => {
  const rows = fc.integer({ min: 1, max: 9000 });
  const seeds = fc.integer({ min: 0, max: 1000 });

  it('ranks are a permutation, whatever order rows are asked in', () => {
    fc.assert(
      fc.property(rows, seeds, (count, seed) => {
        const ranks = new ShuffledRanks(count, seed);
        const all = Array.from({ length: count }, (_, row) => ranks.of(row));
        expect(new Set(all).size).toBe(count);
        expect(Math.max(...all)).toBe(count - 1);
        expect(new ShuffledRanks(count, seed).of(count - 1)).toBe(all.at(-1));
      }),
      { numRuns: 20 },
    );
  });

  it('every row is in one of the folds, which differ by a row at most', () => {
    fc.assert(
      fc.property(rows, seeds, fc.integer({ min: 2, max: 7 }), (count, seed, folds) => {
        const ranks = new ShuffledRanks(count, seed);
        const sizes = new Array<number>(folds).fill(0);
        let misplaced = 0;
        for (let row = 0; row < count; row++) {
          const rank = ranks.of(row);
          const held = sizes.map((_, fold) => isKept(placeAt(rank), { folds, fold, part: 'validation' }));
          const trained = sizes.map((_, fold) => isKept(placeAt(rank), { folds, fold, part: 'train' }));
          if (held.filter(Boolean).length !== 1 || held.some((each, fold) => each === trained[fold])) misplaced++;
          sizes[held.indexOf(true)]!++;
        }
        expect(misplaced).toBe(0);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 20 },
    );
  });

  it('a share of the rows is exactly that', () => {
    const drawn = Array.from({ length: 1001 }, (_, rank) => isDrawn(rank, 0.25)).filter(Boolean);
    expect(drawn).toHaveLength(250);
    expect(Array.from({ length: 10 }, (_, rank) => isDrawn(rank, 1 - 0.9)).filter(Boolean)).toHaveLength(1);
  });
});

describe('folds of classes', () => {
  const labels = fc.array(fc.constantFrom('a', 'b', 'c', 'rare'), { minLength: 1, maxLength: 60 });

  /** Places of all rows, cut into partitions at these rows. */
  function placesOf(rows: readonly string[], cuts: readonly number[], seed: number): Place[] {
    const ends = [...cuts, rows.length];
    const parts = ends.map((end, p) => rows.slice(ends[p - 1] ?? 0, end));
    const counts = parts.map((part) => {
      const own = new Map<string, number>();
      for (const label of part) own.set(label, (own.get(label) ?? 0) + 1);
      return own;
    });
    const strata = JSON.parse(JSON.stringify(strataOf('label', counts)));
    return parts.flatMap((part, p) => {
      const ranks = new StratifiedRanks(strata, p, seed);
      return part.map((label) => ranks.next(label));
    });
  }

  it('have each class as often as the others, but for a row, for every partitioning', () => {
    fc.assert(
      fc.property(labels, fc.nat(100), fc.integer({ min: 2, max: 5 }), fc.nat(), (rows, seed, folds, cut) => {
        const places = placesOf(rows, [], seed);
        expect(places.map(({ at }) => at).sort((a, b) => a - b)).toEqual(rows.map((_, row) => row));
        const at = cut % (rows.length + 1);
        expect(placesOf(rows, [0, at, at], seed)).toEqual(places);
        for (const label of [undefined, ...new Set(rows)]) {
          const sizes = new Array<number>(folds).fill(0);
          places.forEach((place, row) => {
            if (label === undefined || rows[row] === label) sizes[place.at % folds]!++;
          });
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('a share of each class is exactly that, whatever its size', () => {
    fc.assert(
      fc.property(labels, fc.nat(100), fc.double({ min: 0.05, max: 0.95, noNaN: true }), (rows, seed, share) => {
        const classes = [...new Set(rows)].sort();
        const sizes = classes.map((label) => rows.filter((each) => each === label).length);
        const held = allotment(sizes, share, seed);
        const shares = held.map((count, k) => count / sizes[k]!);
        const kept = placesOf(rows, [], seed).map((place) => isKept(place, { shares, part: 'validation' }));
        for (const [k, label] of classes.entries())
          expect(kept.filter((each, row) => each && rows[row] === label)).toHaveLength(held[k]!);
      }),
    );
  });

  it('follow the seed', () => {
    const rows = Array.from({ length: 40 }, (_, row) => (row % 3 ? 'a' : 'b'));
    expect(placesOf(rows, [], 1)).not.toEqual(placesOf(rows, [], 2));
  });
});

describe('groups held out', () => {
  const groups = fc
    .dictionary(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 50 }), { minKeys: 3, maxKeys: 30 })
    .map((each) => new Map(Object.entries(each)));

  it('each in one fold, folds about as large', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 2, max: 3 }), (sizes, folds) => {
        const assigned = groupFolds(sizes, folds, 1);
        expect(assigned.flat().sort()).toEqual([...sizes.keys()].sort());
        const rows = assigned.map((names) => names.reduce((sum, name) => sum + sizes.get(name)!, 0));
        expect(Math.max(...rows) - Math.min(...rows)).toBeLessThanOrEqual(Math.max(...sizes.values()));
        expect(groupFolds(new Map([...sizes].reverse()), folds, 1)).toEqual(assigned);
      }),
    );
  });

  it('at least one, never all, no more rows than asked for unless it is one', () => {
    fc.assert(
      fc.property(groups, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (sizes, share) => {
        const held = heldOutGroups(sizes, share, 3);
        expect(held.length).toBeGreaterThan(0);
        expect(held.length).toBeLessThan(sizes.size);
        const total = [...sizes.values()].reduce((sum, each) => sum + each, 0);
        const rows = held.reduce((sum, name) => sum + sizes.get(name)!, 0);
        if (held.length > 1) expect(rows).toBeLessThanOrEqual(share * total);
      }),
    );
  });
});

describe('choosing', () => {
  const GIVEN = { estimator: () => new MLPRegressor(), metric: 'rmse' } as const;

  it('with stratify: true needs classes', () => {
    const options = { ...GIVEN, stratify: true };
    expect(() => stratification('CrossValidator.fit', options, {})).toThrow(
      'CrossValidator.fit: stratify: true needs an estimator of classes, as MLPClassifier; leave it out',
    );
    const classes = { estimator: () => new Pipeline([new MLPClassifier()]), metric: 'accuracy' } as const;
    expect(stratification('', classes, { label: 'kind' })).toEqual({ strata: 'kind', insists: false });
    expect(stratification('', { ...classes, stratify: false }, {})).toEqual({ insists: false });
  });

  it('takes the first of the best, never NaN', () => {
    expect(bestOf([1, Number.NaN, 3, 3], 'max')).toBe(2);
    expect(bestOf([Number.NaN, 2, 1, 1], 'min')).toBe(2);
    expect(bestOf([Number.NaN], 'min')).toBe(-1);
    expect(() => measured({ rmse: 1, mae: 2 }, 'accuracy')).toThrow('not measured by "accuracy"; there are rmse, mae');
  });

  it.each([
    [() => new CrossValidator({ metric: 'accuracy' } as never), 'CrossValidator needs the option "estimator"'],
    [
      () => new CrossValidator({ estimator: () => 0, metric: 'f2' } as never),
      'metric must be one of accuracy, macroF1',
    ],
    [() => new CrossValidator({ fold: 3 } as never), 'no option "fold"; the options are estimator, grid'],
    [() => new CrossValidator({ folds: 1 } as never), 'folds must be a whole number of at least 2, not 1'],
    [() => new TrainValidationSplit({ trainRatio: 1 } as never), 'trainRatio must be a number above 0 and below 1'],
    [() => new TrainValidationSplit({ stratify: 1 } as never), 'stratify must be true or false'],
    [
      () => new TrainValidationSplit({ ...GIVEN, stratify: true, group: 'box' }),
      'stratify: true does not go with group',
    ],
    [() => new CrossValidator({ ...GIVEN, stratify: true, group: 'box' }), 'stratify: true does not go with group'],
    [() => new TrainValidationSplit({ grid: [] } as never), 'grid must be an array of objects'],
  ])('checks its options: %s', (make, message) => {
    expect(make).toThrow(message);
  });
});
