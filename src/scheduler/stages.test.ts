import { expect, it } from 'vitest';
import type { LineageNode } from './lineage.js';
import { planStages, stageNodes } from './stages.js';
import type { Step } from './step.js';

let ids = 0;
const node = (step: Step, ...parents: LineageNode[]): LineageNode => {
  const id = ids++;
  const shuffle = { id, partitions: 2, partitioner: { kind: 'neighbours', maps: 2 } } as const;
  return {
    ...{ id, name: `${step.kind}`, step, parents, splits: [0, 1] },
    ...(step.kind === 'shuffle-read' ? { shuffle } : {}),
  };
};
const source = () => node({ kind: 'source', source: { module: 'm', options: null, batches: false } });
const map = (parent: LineageNode) => node({ kind: 'map', fn: (x) => x }, parent);
const shuffle = (parent: LineageNode) => node({ kind: 'shuffle-read' }, parent);

it('a chain without a shuffle is one stage', () => {
  const top = map(map(source()));
  const stage = planStages(top, { kind: 'count' });
  expect(stage).toMatchObject({ top, terminal: { kind: 'count' }, parents: [] });
  expect(stageNodes(stage)).toEqual([top.parents[0]!.parents[0], top.parents[0], top]);
});

it('ends a stage at each shuffle; a shuffle reached twice is one stage', () => {
  const first = shuffle(map(source()));
  const second = shuffle(map(first));
  const top = node({ kind: 'union' }, map(second), map(first), map(second));
  const stage = planStages(top, { kind: 'collect' });
  expect(stage.parents.map(({ top }) => top.id)).toEqual([second.parents[0]!.id, first.parents[0]!.id]);
  expect(stage.parents[0]!.parents).toEqual([stage.parents[1]]);
  expect(stage.parents[1]).toMatchObject({ terminal: { kind: 'shuffle-write', shuffle: first.shuffle }, parents: [] });
  expect(stageNodes(stage).filter(({ step }) => step.kind === 'source')).toEqual([]);
});
