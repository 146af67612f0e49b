import { expect, it } from 'vitest';
import type { LineageNode } from './lineage.js';
import type { MapOutput } from './map-outputs.js';
import { partInput, skewedPartitions } from './skew.js';
import type { Stage } from './stages.js';
import type { Step } from './step.js';
import type { Terminal } from './terminal.js';

let nodes = 0;
const node = (step: Step, ...parents: LineageNode[]): LineageNode => ({ id: nodes++, name: step.kind, step, parents });
const reader = (id: number): LineageNode => ({
  ...node({ kind: 'shuffle-read' }),
  shuffle: { id, partitions: 3, partitioner: { kind: 'hash' } },
});
const fn = (x: unknown) => x;

function stage(keep: 'matched' | 'left' | 'right' | 'all', above: Step = { kind: 'map', fn }): Stage {
  const join = node({ kind: 'join', keep }, reader(0), reader(1));
  return { top: node(above, join), terminal: { kind: 'count' }, parents: [] };
}

/** Map outputs whose segments have these bytes: one row a map task, one number a reduce partition. */
const outputs = (...maps: number[][]): MapOutput[] =>
  maps.map((sizes) => ({
    block: { id: '', scope: '', bytes: 0, crc32: 0, at: [] },
    segments: sizes.map((bytes) => (bytes === 0 ? [] : [{ offset: 0, bytes, crc32: 0 }])),
  }));

const left = outputs([10, 400, 10], [10, 400, 10], [10, 0, 10], [10, 400, 10]);
const right = outputs([5, 5, 5], [5, 300, 5]);
const of = (shuffle: number) => (shuffle === 0 ? left : right);

it('cuts the large side of a join into ranges of segments about as large as the others are', () => {
  expect([...skewedPartitions(stage('matched'), of, 100)]).toEqual([
    [
      1,
      {
        side: 0,
        ranges: [
          [0, 1],
          [1, 2],
          [2, 3],
        ],
        bytes: 1505,
        median: 50,
      },
    ],
  ]);
  expect(skewedPartitions(stage('matched'), of, 700).get(1)!.ranges).toEqual([
    [0, 2],
    [2, 3],
  ]);
});

it('leaves alone what is not large, and what must be seen whole', () => {
  expect(skewedPartitions(stage('matched'), of, 2000).size).toBe(0);
  expect(skewedPartitions(stage('all'), of, 100).size).toBe(0);
  expect(skewedPartitions(stage('right'), of, 100).size).toBe(0); // its one large segment cannot be cut
  const whole: Step[] = [
    { kind: 'mapPartitions', fn, withIndex: false },
    { kind: 'sort', descending: false },
    { kind: 'union' },
  ];
  for (const step of whole) expect(skewedPartitions(stage('matched', step), of, 100).size).toBe(0);
  const numbered = {
    kind: 'shuffle-write',
    name: '',
    shuffle: { id: 2, partitions: 1, partitioner: { kind: 'deal', firstRows: [] } },
  };
  expect(skewedPartitions({ ...stage('matched'), terminal: numbered as Terminal }, of, 100).size).toBe(0);
  const balanced = () => outputs([50, 50, 50]);
  expect(skewedPartitions(stage('matched'), balanced, 10).size).toBe(0);
});

it('gives each part its range of the large side and all of the other', () => {
  const split = {
    side: 0,
    ranges: [
      [0, 2],
      [2, 3],
    ],
    bytes: 0,
    median: 0,
  } as const;
  expect(partInput({ partition: 1, parts: [{ partition: 1 }, { partition: 1 }] }, split, 1)).toEqual({
    partition: 1,
    parts: [{ partition: 1, segments: [2, 3] }, { partition: 1 }],
  });
});
