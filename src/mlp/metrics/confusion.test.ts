import { describe, expect, it } from 'vitest';
import { ClassificationScores } from './classification.js';
import { accuracy, argmaxRows, averageMetrics, type ConfusionMatrix, classMetrics, denseCounts } from './confusion.js';
import { formatConfusion } from './confusion-table.js';

function confusionMatrix(actual: readonly number[], predicted: readonly number[], classes: number): ConfusionMatrix {
  const probabilities = predicted.flatMap((k) => Array.from({ length: classes }, (_, label) => Number(label === k)));
  return new ClassificationScores(classes).add(actual, Float32Array.from(probabilities)).confusion();
}

const macroF1 = (of: ConfusionMatrix) => averageMetrics(of, classMetrics(of)).macro.f1;

// Actual cat, dog, bird; counted by hand.
const actual = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2];
const predicted = [0, 0, 0, 1, 1, 1, 0, 2, 1, 1];
const matrix = confusionMatrix(actual, predicted, 3);

describe('classification metrics', () => {
  it('counts answers', () => {
    expect([...denseCounts(matrix)]).toEqual([3, 1, 0, 1, 2, 0, 0, 2, 1]);
    expect(accuracy(matrix)).toBe(0.6);
  });

  it('gives precision, recall and F1 of each class', () => {
    const [cat, dog, bird] = classMetrics(matrix);
    expect(cat).toEqual({ precision: 3 / 4, recall: 3 / 4, f1: 6 / 8, support: 4 });
    expect(dog).toEqual({ precision: 2 / 5, recall: 2 / 3, f1: 4 / 8, support: 3 });
    expect(bird).toEqual({ precision: 1, recall: 1 / 3, f1: 2 / 4, support: 3 });
    expect(macroF1(matrix)).toBeCloseTo((0.75 + 0.5 + 0.5) / 3, 15);
  });

  it('takes quotients by zero for zero, and leaves classes that never occur out of the mean', () => {
    const never = confusionMatrix([0, 1], [0, 0], 3);
    expect(classMetrics(never)).toEqual([
      { precision: 1 / 2, recall: 1, f1: 2 / 3, support: 1 },
      { precision: 0, recall: 0, f1: 0, support: 1 },
      { precision: 0, recall: 0, f1: 0, support: 0 },
    ]);
    expect(macroF1(never)).toBeCloseTo(1 / 3, 15);
    const none = confusionMatrix([], [], 2);
    expect([accuracy(none), macroF1(none)]).toEqual([0, 0]);
  });

  it('chooses the highest probability, the first of equals', () => {
    expect([...argmaxRows([0.2, 0.5, 0.3, 0.4, 0.2, 0.4], 3)]).toEqual([1, 0]);
  });

  it('prints a table', () => {
    expect(formatConfusion(matrix, ['cat', 'dog', 'bird'])).toBe(
      [
        'actual \\ predicted  cat  dog  bird  precision  recall     F1',
        'cat                   3    1     0      0.750   0.750  0.750',
        'dog                   1    2     0      0.400   0.667  0.500',
        'bird                  0    2     1      1.000   0.333  0.500',
      ].join('\n'),
    );
  });

  it('prints of many classes each one, and what is most often mistaken', () => {
    const names = Array.from({ length: 60 }, (_, k) => `c${k}`);
    const [actual, predicted] = [names.map((_, k) => k), names.map((_, k) => (k < 50 ? k : 59 - (k % 2)))];
    const lines = formatConfusion(confusionMatrix([...actual, 50], [...predicted, 59], 60), names).split('\n');
    expect(lines[0]).toBe('class  rows  precision  recall     F1');
    expect(lines[51]).toBe('c50       2      0.000   0.000  0.000');
    expect(lines.slice(61, 63)).toEqual(['actual  most often taken for  rows', 'c50                      c59     2']);
    expect(lines).toHaveLength(61 + 1 + 10);
  });
});
