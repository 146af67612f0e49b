import { expect, it } from 'vitest';
import { classesOf } from './classifier.js';

it('orders classes the same way whatever partition they were met in', () => {
  const labels = ['10', '1.0', '2', '1', '01'];
  for (let k = 0; k < labels.length; k++) {
    const parts = [...labels.slice(k), ...labels.slice(0, k)].map((label) => ({ [label]: 1 }));
    expect(classesOf(parts)).toEqual(['01', '1', '1.0', '2', '10']);
  }
  expect(classesOf([{ b: 1 }, { '10': 1, '9': 2 }])).toEqual(['10', '9', 'b']);
});
