import { describe, expect, it } from 'vitest';
import type { LineageNode } from './lineage.js';
import { partitionCount, partitionInput } from './partition-input.js';
import type { Step } from './step.js';

let ids = 0;

function node(step: Step, parents: LineageNode[] = [], splits?: string[]): LineageNode {
  return { id: ids++, name: `${step.kind} at x:${ids}`, step, parents, splits };
}

const source = (...splits: string[]) =>
  node({ kind: 'source', source: { module: 'm', options: null, batches: false } }, [], splits);
const map = (parent: LineageNode) => node({ kind: 'map', fn: (x) => x }, [parent]);
const union = (...parents: LineageNode[]) => node({ kind: 'union' }, parents);

describe('partitions of a lineage', () => {
  it('are counted and found through unions', () => {
    const a = source('a0', 'a1');
    const b = source('b0');
    const inner = union(map(a), b);
    const top = map(union(map(inner), a));
    expect(partitionCount(top)).toBe(5);
    expect(partitionInput(top, 1)).toEqual({
      partition: 1,
      choice: 0,
      of: { partition: 1, choice: 0, of: { partition: 1, split: 'a1' } },
    });
    expect(partitionInput(top, 2)).toEqual({
      partition: 2,
      choice: 0,
      of: { partition: 2, choice: 1, of: { partition: 0, split: 'b0' } },
    });
    expect(partitionInput(top, 4)).toEqual({ partition: 4, choice: 1, of: { partition: 1, split: 'a1' } });
    expect(() => partitionInput(top, 5)).toThrow(RangeError);
  });

  it('of a union of unions are those of one union, but for what is persisted between', () => {
    const [a, b, c] = [source('a0', 'a1'), source('b0'), source('c0')];
    const inner = union(a, b);
    const top = union(inner, c);
    expect(partitionCount(top)).toBe(4);
    expect(partitionInput(top, 2)).toEqual({ partition: 2, choice: 1, of: { partition: 0, split: 'b0' } });
    expect(partitionInput(top, 3)).toEqual({ partition: 3, choice: 2, of: { partition: 0, split: 'c0' } });
    inner.persisted = { level: 'MEMORY', scope: 's' };
    expect(partitionInput(top, 3)).toEqual({ partition: 3, choice: 1, of: { partition: 0, split: 'c0' } });
  });

  it('are not known before the sources are planned, and are then', () => {
    const unplanned = source();
    unplanned.splits = undefined;
    const top = union(map(unplanned), source('b'));
    expect(() => partitionCount(top)).toThrow('are not planned yet');
    unplanned.splits = ['a', 'b'];
    expect(partitionCount(top)).toBe(3);
  });

  it('are found in long chains and in unions of unions', () => {
    let top = source('first');
    for (let k = 0; k < 3000; k++) top = union(map(top), source(`${k}`));
    expect(partitionCount(top)).toBe(3001);
    let input = partitionInput(top, 0);
    while (input.of) input = input.of;
    expect(input.split).toBe('first');
  });
});
