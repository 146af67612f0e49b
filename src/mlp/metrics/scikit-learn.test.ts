import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClassificationScores } from './classification.js';
import { denseCounts } from './confusion.js';
import { ManyLabelScores } from './many-label.js';
import { ascending, meanAreas, Negatives, positivesOf, type ScoredRows, ScoreList, weightUnit } from './ranking.js';
import { RegressionErrors } from './regression.js';

/** Made by test/mlp/scikit-learn/make.py; those with `weights` by scikit-learn's sample_weight. */
const expected = JSON.parse(
  readFileSync(new URL('../../../test/mlp/scikit-learn/expected.jsonl', import.meta.url), 'utf8'),
);

const cases = (all: readonly any[], size: string) =>
  all.map((each): [number, string, any] => [each[size], each.weights ? 'weighted' : 'plain', each]);

/** Numbers within 1e-12 of one another, everything else equal. */
function expectClose(found: unknown, wanted: unknown, path = ''): void {
  if (typeof wanted === 'number') expect(Math.abs((found as number) - wanted), path).toBeLessThan(1e-12);
  else
    for (const [key, value] of Object.entries(wanted as object))
      expectClose((found as Record<string, unknown>)[key], value, `${path}.${key}`);
}

/** Cut into parts at these places, in the order of their ends. */
function parts<T>(values: readonly T[], width: number): T[][] {
  const rows = values.length / width;
  const places = [0, 0, 1, Math.floor(rows / 3), rows].map((row) => row * width);
  return places.slice(1).map((to, k) => values.slice(places[k], to));
}

/** Weights of the parts' rows. */
const weightParts = (weights: readonly number[] | undefined, count: number) =>
  weights ? parts(weights, 1).map((part) => Float64Array.from(part)) : new Array<undefined>(count).fill(undefined);

interface Scored {
  readonly truth: (row: number, k: number) => boolean;
  readonly probabilities: Float32Array;
  readonly weights?: readonly number[];
}

/** Areas as a partitioned table gives them, by a list of each class's own scores and a pass over all others. */
function areas({ truth, probabilities, weights }: Scored, columns: readonly number[], classes: number, cuts: number[]) {
  const rows = probabilities.length / classes;
  const places = [...cuts, rows];
  const pieces = places.map((to, p) => Array.from({ length: to - (places[p - 1] ?? 0) }, (_, i) => to - 1 - i));
  const lists = columns.map((k) =>
    pieces.map((piece): ScoredRows => {
      const list = new ScoreList();
      for (const row of piece) if (truth(row, k)) list.add(probabilities[row * classes + k]!, weights?.[row]);
      return list.toState();
    }),
  );
  const positives = positivesOf(lists.map(ascending));
  const unit = weights ? weightUnit(weights.reduce((sum, each) => sum + each, 0)) : 0;
  const all = new Negatives(positives);
  for (const piece of pieces) {
    const own = new Negatives(positives);
    for (const row of piece)
      columns.forEach((k, c) => {
        const weight = weights?.[row] ?? 1;
        if (!truth(row, k))
          own.add(c, probabilities[row * classes + k]!, unit ? Math.round(weight / unit) * unit : weight);
      });
    all.merge(own.counts);
  }
  return meanAreas(positives, all);
}

describe('metrics are those of scikit-learn, whole and merged from parts', () => {
  it.each(cases(expected.classification, 'classes'))('of %d classes, %s', (classes, _, given) => {
    const { truth, confusion, metrics, weights } = given;
    const { rocAuc, prAuc, ...rest } = metrics;
    const probabilities = Float32Array.from(given.probabilities);
    const whole = new ClassificationScores(classes).add(truth, probabilities, weights && Float64Array.from(weights));
    expectClose(whole.metrics(), rest);
    expectClose([...denseCounts(whole.confusion())], confusion);
    const merged = new ClassificationScores(classes);
    const rows = parts(truth as number[], 1);
    const scores = parts(given.probabilities as number[], classes);
    const weighed = weightParts(weights, rows.length);
    for (const [k, part] of [...rows.entries()].reverse())
      merged.merge(new ClassificationScores(classes).add(part, Float32Array.from(scores[k]!), weighed[k]).toState());
    expect(merged.metrics()).toEqual(whole.metrics());
    const columns = classes === 2 ? [1] : Array.from({ length: classes }, (_, k) => k);
    const scored = { truth: (row: number, k: number) => truth[row] === k, probabilities, weights };
    const once = areas(scored, columns, classes, []);
    expectClose(once, { rocAuc, prAuc });
    expect(areas(scored, columns, classes, [0, 1, 7, 30])).toEqual(once);
  });

  it.each(cases(expected.manyLabel, 'labels'))('of %d labels, %s', (labels, _, given) => {
    const { truth, metrics, weights } = given;
    const { rocAuc, prAuc, ...rest } = metrics;
    const probabilities = Float32Array.from(given.probabilities);
    const whole = new ManyLabelScores(labels, 0.5).add(truth, probabilities, weights && Float64Array.from(weights));
    expectClose(whole.metrics(), rest);
    const merged = new ManyLabelScores(labels, 0.5);
    const scores = parts(given.probabilities as number[], labels);
    const rows = parts(truth as number[], labels);
    const weighed = weightParts(weights, rows.length);
    for (const [k, part] of rows.entries())
      merged.merge(new ManyLabelScores(labels, 0.5).add(part, Float32Array.from(scores[k]!), weighed[k]).toState());
    expect(merged.metrics()).toEqual(whole.metrics());
    const columns = Array.from({ length: labels }, (_, k) => k);
    const scored = { truth: (row: number, k: number) => truth[row * labels + k] === 1, probabilities, weights };
    expectClose(areas(scored, columns, labels, [5, 50]), { rocAuc, prAuc });
  });

  it.each(cases(expected.regression, 'targets'))('of %d targets, %s', (targets, _, given) => {
    const { truth, predictions, metrics, weights } = given;
    const whole = new RegressionErrors(targets).add(truth, predictions, weights);
    // The mean of squares about 10^6 is exact here, not in NumPy: R² differs by the rounding of its squares.
    expectClose(whole.metrics(), metrics);
    const merged = new RegressionErrors(targets);
    const guesses = parts(predictions as number[], targets);
    const rows = parts(truth as number[], targets);
    const weighed = weightParts(weights, rows.length);
    for (const [k, part] of [...rows.entries()].reverse())
      merged.merge(new RegressionErrors(targets).add(part, guesses[k]!, weighed[k]).toState());
    expect(merged.metrics()).toEqual(whole.metrics());
  });
});

describe('at the edge', () => {
  const areasOfPair = (truth: number[], probabilities: number[]) =>
    areas({ truth: (row) => truth[row] === 1, probabilities: Float32Array.from(probabilities) }, [1], 2, []);

  it('no rows', () => {
    expect(new RegressionErrors(2).metrics()).toMatchObject({ rows: 0, mse: Number.NaN, r2: Number.NaN });
    expect(new ClassificationScores(3).metrics()).toMatchObject({ rows: 0, accuracy: 0, logLoss: Number.NaN });
    expect(areasOfPair([], [])).toEqual({ rocAuc: Number.NaN, prAuc: Number.NaN });
  });

  it('rows that all weigh nothing', () => {
    const weights = Float64Array.of(0, 0);
    expect(new RegressionErrors(1).add([5, 5], [5, 5], weights).metrics()).toMatchObject({ rows: 2, mse: Number.NaN });
    const scores = new ClassificationScores(2).add([1, 0], Float32Array.of(0, 1, 1, 0), weights);
    expect(scores.weight).toBe(0);
    expect(scores.confusion().cells).toEqual([]);
  });

  it('a constant truth', () => {
    expect(new RegressionErrors(1).add([5, 5], [5, 5]).metrics()).toMatchObject({ r2: 1, explainedVariance: 1 });
    expect(new RegressionErrors(1).add([5, 5], [4, 4]).metrics()).toMatchObject({ r2: 0, explainedVariance: 1 });
  });

  it('one class only: no pairs to rank', () => {
    expect(areasOfPair([1, 1], [0.4, 0.6, 0.2, 0.8])).toEqual({ rocAuc: Number.NaN, prAuc: Number.NaN });
    expect(areasOfPair([0, 0], [0.4, 0.6, 0.2, 0.8])).toEqual({ rocAuc: Number.NaN, prAuc: Number.NaN });
  });

  it('a class never seen: wrong, with probability 0', () => {
    const scores = new ClassificationScores(2).add([2, 0], Float32Array.of(1, 0, 1, 0));
    expect(scores.metrics(true)).toMatchObject({ rows: 2, accuracy: 0.5 });
    expect(scores.metrics(true).logLoss).toBeCloseTo(52 * Math.LN2 * 0.5, 10);
    expect([...denseCounts(scores.confusion(true))]).toEqual([1, 0, 0, 0, 0, 0, 1, 0, 0]);
  });

  it('ten thousand classes: as many cells as rows', () => {
    const classes = 10_000;
    const scores = new ClassificationScores(classes);
    const probabilities = new Float32Array(2 * classes);
    probabilities[7] = probabilities[classes + 9_999] = 1;
    const { perClass, accuracy, macro } = scores.add([7, 3], probabilities).metrics();
    expect(scores.confusion().cells).toEqual([
      { actual: 3, predicted: 9_999, count: 1 },
      { actual: 7, predicted: 7, count: 1 },
    ]);
    expect({ accuracy, classes: perClass.length, f1: macro.f1 }).toEqual({ accuracy: 0.5, classes, f1: 1 / 3 });
  });

  it('scores that are no numbers', () => {
    expect(() => new ScoreList().add(Number.NaN, 1)).toThrow('a score is not a number');
  });
});
