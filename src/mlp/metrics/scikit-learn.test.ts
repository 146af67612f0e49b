import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClassificationScores } from './classification.js';
import { ManyLabelScores } from './many-label.js';
import { RegressionErrors } from './regression.js';

const expected = JSON.parse(
  readFileSync(new URL('../../../test/mlp/scikit-learn/expected.jsonl', import.meta.url), 'utf8'),
);

const cases = (all: readonly any[], size: string) => all.map((each): [number, any] => [each[size], each]);

/** Numbers within 1e-12 of one another, everything else equal. */
function expectClose(found: unknown, wanted: unknown, path = ''): void {
  if (typeof wanted === 'number') expect(Math.abs((found as number) - wanted), path).toBeLessThan(1e-12);
  else
    for (const [key, value] of Object.entries(wanted as object))
      expectClose((found as Record<string, unknown>)[key], value, `${path}.${key}`);
}

/** Cut into parts at these places, each through JSON as between processes. */
function parts<T>(values: readonly T[], width: number): T[][] {
  const rows = values.length / width;
  const places = [0, 0, 1, Math.floor(rows / 3), rows].map((row) => row * width);
  return places.slice(1).map((to, k) => values.slice(places[k], to));
}

describe('metrics are those of scikit-learn, whole and merged from parts', () => {
  it.each(cases(expected.classification, 'classes'))('of %d classes', (classes, given) => {
    const { truth, confusion, metrics } = given;
    const probabilities = Float32Array.from(given.probabilities);
    const whole = new ClassificationScores(classes, true).add(truth, probabilities);
    expectClose(whole.metrics(), metrics);
    expect([...whole.confusion().counts]).toEqual(confusion);
    const merged = new ClassificationScores(classes, true);
    const rows = parts(truth as number[], 1);
    const scores = parts(given.probabilities as number[], classes);
    for (const [k, part] of [...rows.entries()].reverse())
      merged.merge(new ClassificationScores(classes, true).add(part, Float32Array.from(scores[k]!)).toState());
    expect(merged.metrics()).toEqual(whole.metrics());
    const { rocAuc: _, prAuc: __, ...rest } = whole.metrics();
    expect(new ClassificationScores(classes, false).add(truth, probabilities).metrics()).toEqual(rest);
  });

  it.each(cases(expected.manyLabel, 'labels'))('of %d labels', (labels, given) => {
    const { truth, metrics } = given;
    const whole = new ManyLabelScores(labels, 0.5, true).add(truth, Float32Array.from(given.probabilities));
    expectClose(whole.metrics(), metrics);
    const merged = new ManyLabelScores(labels, 0.5, true);
    const scores = parts(given.probabilities as number[], labels);
    for (const [k, part] of parts(truth as number[], labels).entries())
      merged.merge(new ManyLabelScores(labels, 0.5, true).add(part, Float32Array.from(scores[k]!)).toState());
    expect(merged.metrics()).toEqual(whole.metrics());
  });

  it.each(cases(expected.regression, 'targets'))('of %d targets', (targets, given) => {
    const { truth, predictions, metrics } = given;
    const whole = new RegressionErrors(targets).add(truth, predictions);
    // The mean of squares about 10^6 is exact here, not in NumPy: R² differs by the rounding of its squares.
    expectClose(whole.metrics(), metrics);
    const merged = new RegressionErrors(targets);
    const guesses = parts(predictions as number[], targets);
    for (const [k, part] of [...parts(truth as number[], targets).entries()].reverse())
      merged.merge(new RegressionErrors(targets).add(part, guesses[k]!).toState());
    expect(merged.metrics()).toEqual(whole.metrics());
  });
});

describe('at the edge', () => {
  it('no rows', () => {
    expect(new RegressionErrors(2).metrics()).toMatchObject({ rows: 0, mse: Number.NaN, r2: Number.NaN });
    expect(new ClassificationScores(3, true).metrics()).toMatchObject({ rows: 0, accuracy: 0, rocAuc: Number.NaN });
  });

  it('a constant truth', () => {
    expect(new RegressionErrors(1).add([5, 5], [5, 5]).metrics()).toMatchObject({ r2: 1, explainedVariance: 1 });
    expect(new RegressionErrors(1).add([5, 5], [4, 4]).metrics()).toMatchObject({ r2: 0, explainedVariance: 1 });
  });

  it('one class only: no pairs to rank', () => {
    const scores = new ClassificationScores(2, true).add([1, 1], Float32Array.of(0.4, 0.6, 0.2, 0.8));
    expect(scores.metrics()).toMatchObject({ accuracy: 1, rocAuc: Number.NaN, prAuc: Number.NaN });
  });

  it('a class never seen: wrong, with probability 0', () => {
    const scores = new ClassificationScores(2, false).add([2, 0], Float32Array.of(1, 0, 1, 0));
    expect(scores.metrics(true)).toMatchObject({ rows: 2, accuracy: 0.5 });
    expect(scores.metrics(true).logLoss).toBeCloseTo(52 * Math.LN2 * 0.5, 10);
    expect([...scores.confusion(true).counts]).toEqual([1, 0, 0, 0, 0, 0, 1, 0, 0]);
  });

  it('scores that are no numbers', () => {
    const scores = new ClassificationScores(2, true);
    expect(() => scores.add([1], Float32Array.of(Number.NaN, Number.NaN))).toThrow(
      'the score of row 0 is not a number',
    );
  });
});
