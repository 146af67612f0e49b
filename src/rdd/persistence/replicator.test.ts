import { expect, it } from 'vitest';
import type { StoredPartition } from '../../scheduler/storage-registry.js';
import { planCopies } from './replicator.js';

function stored(partition: number, inMemoryOf: readonly string[], blocksAt?: readonly string[]): StoredPartition {
  const at = (blocksAt ?? []).map((holder) => ({ holder, host: holder, path: '', url: '' }));
  const blocks = blocksAt && [{ id: 'p', scope: 's', bytes: 1, crc32: 0, at }];
  const memory = new Map(inMemoryOf.map((executor) => [`${executor}#0` as const, 1]));
  return { scope: 'app/rdd-1-0', partition, level: 'MEMORY_2', memory, blocks };
}

const planned = (partitions: readonly StoredPartition[], executors: readonly string[]) =>
  planCopies(partitions, executors, false).map(({ stored: { partition }, to }) => [partition, to]);

it('copies what one executor alone has to those that have fewest', () => {
  const partitions = [0, 1, 2, 3].map((partition) => stored(partition, ['a'], ['a']));
  expect(planned(partitions, ['a', 'b', 'c'])).toEqual([
    [0, 'b'],
    [1, 'c'],
    [2, 'b'],
    [3, 'c'],
  ]);
});

it('leaves alone what is on two, has no blocks to copy, or nowhere to go', () => {
  expect(planned([stored(0, ['a'], ['b'])], ['a', 'b', 'c'])).toEqual([]);
  expect(planned([stored(0, ['a'])], ['a', 'b'])).toEqual([]);
  expect(planned([stored(0, ['a'], ['a'])], ['a'])).toEqual([]);
});

it('copies again what has lost its other place', () => {
  expect(planned([stored(0, [], ['b'])], ['b', 'c'])).toEqual([[0, 'c']]);
});
