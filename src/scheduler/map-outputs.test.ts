import { expect, it } from 'vitest';
import { type MapOutput, MapOutputs } from './map-outputs.js';

const output = (id: string, ...holders: string[]): MapOutput => ({
  block: {
    ...{ id, scope: 's', bytes: 1, crc32: 0 },
    at: holders.map((holder) => ({ holder, host: 'h', path: '', url: '' })),
  },
  segments: [],
});

it('forgets what only a lost holder had, what cannot be read, and what is dropped', () => {
  const all = new MapOutputs();
  const outputs = all.outputs('app/job:1', 4);
  [output('m0', 'a'), output('m1', 'b'), output('m2', 'a', 'b'), output('m3', 'b')].forEach((each, map) => {
    outputs[map] = [each];
  });
  const there = () => all.outputs('app/job:1', 4).map((parts) => parts?.[0]?.block.id);
  all.lost('a');
  expect(there()).toEqual([undefined, 'm1', 'm2', 'm3']);
  all.unreadable(outputs[3]![0]!.block);
  expect(there()).toEqual([undefined, 'm1', 'm2', undefined]);
  for (const other of ['app/other', 'app/jo', 'app/job/below']) all.drop(other);
  expect(there()[1]).toBe('m1');
  all.drop('app/job');
  expect(there()).toEqual([undefined, undefined, undefined, undefined]);
  all.outputs('app/fit-0/data:3', 1)[0] = [output('m5', 'b'), output('m4', 'a')];
  all.lost('a');
  expect(all.outputs('app/fit-0/data:3', 1)).toEqual([undefined]);
  all.drop('app/fit-0');
  expect(all.outputs('app/fit-0/data:3', 1)).toEqual([undefined]);
});
