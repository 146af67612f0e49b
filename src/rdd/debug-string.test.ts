import { expect, it } from 'vitest';
import type { LineageNode } from '../scheduler/lineage.js';
import type { Step } from '../scheduler/step.js';
import { debugString, giveName } from './debug-string.js';

let ids = 0;
function node(operator: string, step: Step, parents: LineageNode[] = [], more: Partial<LineageNode> = {}): LineageNode {
  return { id: ids++, name: `${operator} at job.ts:1`, step, parents, ...more };
}
const leaf = (splits?: number) =>
  node('range', { kind: 'source', source: { module: '', options: null, batches: false } }, [], {
    splits: splits === undefined ? undefined : new Array(splits).fill(null),
  });
const map = (parent: LineageNode) => node('map', { kind: 'map', fn: String }, [parent]);

it('stands in blocks where rows move, and where there are several parents', () => {
  ids = 0;
  const left = map(leaf(2));
  const right = map(leaf(3));
  const union = node('union', { kind: 'union' }, [left, right, left], {
    persisted: { level: 'MEMORY', scope: 'app/rdd-1' },
  });
  giveName(right, 'right');
  expect(debugString(map(union))).toBe(
    [
      '(7) [5] map at job.ts:1',
      '  | [4] union at job.ts:1 [MEMORY]',
      '  +-(2) [1] map at job.ts:1',
      '  |   | [0] range at job.ts:1',
      '  +-(3) right [3] map at job.ts:1',
      '  |   | [2] range at job.ts:1',
      '  +-(2) [1] map at job.ts:1 (as above)',
    ].join('\n'),
  );
});

it('has a question mark for what is not planned, and no limit of depth', () => {
  let top = leaf();
  for (let i = 0; i < 10_000; i++) top = map(top);
  const lines = debugString(top).split('\n');
  expect(lines).toHaveLength(10_001);
  expect(lines[0]).toMatch(/^\(\?\) \[\d+\] map/);
});
