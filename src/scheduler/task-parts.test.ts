import { describe, expect, it } from 'vitest';
import type { SkewSplit } from './skew.js';
import { byPartition, cutAnew, taskParts } from './task-parts.js';

const split = (...ranges: [number, number][]): SkewSplit => ({ side: 0, ranges, bytes: 100, median: 10 });
const halves = new Map([[1, split([0, 2], [2, 4])]]);

describe('the tasks of a stage', () => {
  it('are a partition each; of a partition that is cut one a part, with keys of their own', () => {
    const plan = taskParts([0, 1, 2], 3, halves);
    expect(plan.map(({ key, partition, part }) => [key, partition, part])).toEqual([
      [0, 0, undefined],
      [1, 1, 0],
      [4, 1, 1],
      [2, 2, undefined],
    ]);
    expect(byPartition(plan, ({ key }) => key)).toEqual(
      new Map([
        [0, [0]],
        [1, [1, 4]],
        [2, [2]],
      ]),
    );
  });

  it('are done anew when their partition is cut otherwise now', () => {
    const before = taskParts([0, 1, 2], 3, halves);
    expect(cutAnew(before, taskParts([0, 1, 2], 3, halves), [0, 1, 4], 3)).toEqual([]);
    const thirds = taskParts([0, 1, 2], 3, new Map([[1, split([0, 1], [1, 3], [3, 4])]]));
    expect(cutAnew(before, thirds, [0, 1, 4], 3)).toEqual([1, 4]);
    expect(cutAnew(before, taskParts([0, 1, 2], 3, new Map()), [0, 4], 3)).toEqual([4]);
  });
});
