import { describe, expect, it } from 'vitest';
import type { BlockRef } from '../protocol/block.js';
import { type StorageLevelName, storedId } from '../protocol/storage.js';
import { EventBus } from './event-bus.js';
import type { LineageNode } from './lineage.js';
import { holdersOf, StorageRegistry } from './storage-registry.js';
import { nearestSlot, shufflesNeeded, storedBelow, storedBlocks } from './stored-partitions.js';

const SCOPE = 'app/rdd-1-0';

function block(part: number, holders: readonly string[], scope = `${SCOPE}/0`): BlockRef {
  const at = holders.map((holder) => ({ holder, host: holder, path: '', url: '' }));
  return { id: `p:${part}`, scope, bytes: 10, crc32: part, at };
}

function node(step: LineageNode['step'], parents: LineageNode[] = [], more: Partial<LineageNode> = {}): LineageNode {
  return { id: 1, name: step.kind, step, parents, ...more };
}

const source = (partitions = 2) =>
  node({ kind: 'source', source: { module: 'm', options: null, batches: false } }, [], {
    splits: new Array(partitions).fill(null),
  });

function opened(level: StorageLevelName = 'MEMORY', top = node({ kind: 'map', fn: () => 0 }, [source()])) {
  const bus = new EventBus();
  const events: unknown[] = [];
  bus.listen(({ at: _, ...event }) => events.push(event));
  const registry = new StorageRegistry(bus);
  top.persisted = { level, scope: SCOPE };
  registry.open({ level, scope: SCOPE, id: top.id, node: new WeakRef(top) });
  const told = (at: `${string}#${number}`, partition: number, memoryBytes: number, blocks?: BlockRef[]) =>
    registry.update(at, { scope: SCOPE, partition, memoryBytes, ...(blocks ? { blocks } : {}) });
  return { registry, told, events, top };
}

const seat = (executor: string, index: number) =>
  ({ key: `${executor}#${index}`, executor: { id: executor }, index }) as never;

describe('the registry of kept partitions', () => {
  it('knows what slots have told, and tells it on', () => {
    const { registry, told, events } = opened();
    told('a#0', 0, 100);
    told('a#0', 0, 0, [block(0, ['a'])]);
    expect(registry.get(SCOPE, 0)).toMatchObject({ partition: 0, blocks: [{ id: 'p:0' }] });
    expect(registry.get(SCOPE, 0)!.memory.size).toBe(0);
    const about = { event: 'storage', rdd: 1, partition: 0, executor: 'a', slot: 0, evicted: false };
    expect(events).toEqual([
      { ...about, memoryBytes: 100, diskBytes: 0 },
      { ...about, memoryBytes: 0, diskBytes: 10 },
    ]);
  });

  it('has nothing of RDDs that are not persisted, or no more', () => {
    const { registry, told } = opened();
    registry.update('a#0', { scope: 'app/rdd-2-0', partition: 0, memoryBytes: 1 });
    told('a#0', 0, 1);
    registry.drop('app/rdd-1-0');
    told('a#0', 0, 1);
    expect([registry.isEmpty, registry.rdds()]).toEqual([true, []]);
  });

  it('knows a copy as another place of the same blocks, and other bytes as other blocks', () => {
    const { registry, told } = opened('DISK_2');
    told('a#0', 0, 0, [block(0, ['a']), block(1, ['a'])]);
    registry.copied(SCOPE, 0, [block(0, ['b']), block(1, ['b'])]);
    expect(holdersOf(registry.get(SCOPE, 0)!)).toEqual(new Set(['a', 'b']));
    told('a#0', 0, 0, [block(7, ['c'])]);
    expect(holdersOf(registry.get(SCOPE, 0)!)).toEqual(new Set(['c']));
  });

  it('forgets what only a lost executor had', () => {
    const { registry, told } = opened('MEMORY_AND_DISK_2');
    told('a#0', 0, 5, [block(0, ['a', 'b'])]);
    told('a#1', 1, 5);
    told('b#0', 2, 5);
    expect(registry.lost('a')).toBe(1);
    expect([0, 1, 2].map((p) => registry.get(SCOPE, p) && [...holdersOf(registry.get(SCOPE, p)!)])).toEqual([
      ['b'],
      undefined,
      ['b'],
    ]);
    expect(registry.lost('b')).toBe(2);
    expect(registry.isEmpty).toBe(true);
  });

  it('forgets blocks that cannot be read, or whose scope has ended, but not what is in memory', () => {
    const { registry, told } = opened();
    told('a#0', 0, 5, [block(0, ['a'])]);
    registry.unreadable({ ...block(0, ['a']), scope: 'other' });
    expect(registry.get(SCOPE, 0)!.blocks).toHaveLength(1);
    registry.unreadable(block(0, []));
    expect(registry.get(SCOPE, 0)!.blocks).toBeUndefined();
    told('a#0', 1, 0, [block(0, ['a'], `${SCOPE}/1/staged`)]);
    registry.drop(`${SCOPE}/1/staged`);
    expect(registry.partitions(SCOPE).map(({ partition }) => partition)).toEqual([0]);
  });
});

describe('a task over kept partitions', () => {
  it('prefers the slot that told last that it has them, else a slot beside the blocks', () => {
    const { registry, told } = opened();
    const slots = [seat('a', 0), seat('b', 0), seat('b', 1)];
    told('a#0', 0, 5);
    told('b#1', 0, 5);
    const near = (partition: number, seats = slots) => nearestSlot([registry.get(SCOPE, partition)!], seats);
    expect([near(0), near(0, slots.slice(0, 2)), near(0, [])]).toEqual(['b#1', 'a#0', undefined]);
    told('a#0', 1, 0, [block(0, ['b'])]);
    expect(near(1)).toBe('b#1');
  });

  it('is told of the blocks it will meet first, through unions and several parents', () => {
    const kept = node({ kind: 'map', fn: () => 0 }, [source(2)]);
    const { registry, told } = opened('MEMORY_AND_DISK', kept);
    told('a#0', 1, 0, [block(0, ['a'])]);
    const above = node({ kind: 'filter', fn: () => true }, [kept]);
    const union = node({ kind: 'union' }, [source(3), above]);
    const pair = node({ kind: 'cartesian' }, [union, above]);
    const met = (top: LineageNode, partition: number) =>
      Object.keys(storedBlocks(storedBelow(top, partition, registry)) ?? {});
    expect(met(above, 0)).toEqual([]);
    expect(met(above, 1)).toEqual([storedId(SCOPE, 1)]);
    expect(met(union, 4)).toEqual([storedId(SCOPE, 1)]);
    expect(met(union, 2)).toEqual([]);
    expect(met(pair, 4 * 2 + 0)).toEqual([storedId(SCOPE, 1)]);
    expect(met(pair, 0 * 2 + 1)).toEqual([storedId(SCOPE, 1)]);
  });

  it('learns that a copy is missing where memory alone holds what should be held twice', () => {
    const { registry, told } = opened('MEMORY_2');
    told('a#0', 0, 5);
    expect(storedBlocks([registry.get(SCOPE, 0)!])).toEqual({ [storedId(SCOPE, 0)]: [] });
  });

  it('needs no shuffle below an RDD of which all partitions are kept', () => {
    const read = node({ kind: 'shuffle-read' }, [source()], {
      shuffle: { id: 7, partitions: 2, partitioner: { kind: 'hash' } },
    });
    const kept = node({ kind: 'map', fn: () => 0 }, [read]);
    const { registry, told } = opened('MEMORY', kept);
    const top = node({ kind: 'map', fn: () => 0 }, [kept]);
    expect([...shufflesNeeded(top, registry)]).toEqual([7]);
    told('a#0', 0, 5);
    expect([...shufflesNeeded(top, registry)]).toEqual([7]);
    told('a#0', 1, 5);
    expect([...shufflesNeeded(top, registry)]).toEqual([]);
    expect([...shufflesNeeded(node({ kind: 'union' }, [top, read]), registry)]).toEqual([7]);
  });
});
