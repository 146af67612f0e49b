import { expect, it } from 'vitest';
import { classesOf, lessonOf } from './classifier.js';
import type { PartitionSummary } from './summarise.js';

it('orders classes the same way whatever partition they were met in', () => {
  const labels = ['10', '1.0', '2', '1', '01'];
  for (let k = 0; k < labels.length; k++) {
    const parts = [...labels.slice(k), ...labels.slice(0, k)].map((label) => ({ [label]: 1 }));
    expect(classesOf(parts)).toEqual(['01', '1', '1.0', '2', '10']);
  }
  expect(classesOf([{ b: 1 }, { '10': 1, '9': 2 }])).toEqual(['10', '9', 'b']);
});

it('refuses weights of classes by which no row counts: their mean loss would be no number', () => {
  const part = {
    rows: 2,
    labels: { a: 1, b: 1 },
    labelForm: 'class',
    labelType: 'text',
  } as unknown as PartitionSummary;
  expect(() => lessonOf([part], 'y', { classWeights: { a: 0, b: 0 } })).toThrow(
    'classWeights gives the weight 0 to every class of column "y"',
  );
  expect(lessonOf([part], 'y', { classWeights: { a: 0 } }).classWeights).toEqual([0, 1]);
  const idle = { ...part, weightyLabels: ['a'] } as PartitionSummary;
  expect(() => lessonOf([idle], 'y', { classWeights: { a: 0, b: 2 } })).toThrow(
    'classWeights gives the weight 0 to each class that has rows of any weight of column "y"',
  );
  expect(lessonOf([idle], 'y', { classWeights: { a: 2, b: 0 } }).classWeights).toEqual([2, 0]);
});

it('refuses too many classes however they are spread over partitions', () => {
  const part = (from: number, count: number) =>
    ({
      rows: count,
      labels: Object.fromEntries(Array.from({ length: count }, (_, k) => [`${from + k}`, 1])),
      labelForm: 'class',
      labelType: 'number',
    }) as unknown as PartitionSummary;
  expect(lessonOf([part(0, 5000), part(5000, 5000)], 'y', {}).outputs).toBe(10_000);
  expect(() => lessonOf([part(0, 5000), part(5000, 5001)], 'y', {})).toThrow(
    'MLPClassifier.fit: column "y" holds more than 10000 different labels',
  );
});
