import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlotMemory } from './slot-memory.js';

function filled(
  budget: number,
  entries: readonly (readonly [id: string, group: string, bytes: number])[],
  share = 0.5,
) {
  const memory = new SlotMemory(budget, share);
  const evicted: string[] = [];
  for (const [id, group, bytes] of entries) {
    const entry = memory.store(id, group, () => evicted.push(id));
    expect(entry.grow(bytes)).toBe(true);
    entry.seal();
  }
  return { memory, evicted };
}

describe('execution', () => {
  it('gets what is free, and no more', () => {
    const memory = new SlotMemory(100);
    expect(memory.acquire(60)).toBe(true);
    expect(memory.acquire(41)).toBe(false);
    expect(memory.acquire(40)).toBe(true);
    memory.release(100);
    expect(memory.execution).toBe(0);
    expect(() => memory.release(1)).toThrow(/only 0 were taken/);
  });

  it('evicts the least recently used, as far as the protected share', () => {
    const { memory, evicted } = filled(100, [
      ['a', 'r1', 30],
      ['b', 'r1', 30],
      ['c', 'r2', 30],
    ]);
    memory.touch('a');
    expect(memory.acquire(10)).toBe(true);
    expect(evicted).toEqual([]);
    expect(memory.acquire(30)).toBe(true);
    expect(evicted).toEqual(['b']);
    expect(memory.acquire(30)).toBe(false);
    expect([evicted, memory.storage, memory.execution]).toEqual([['b'], 60, 40]);
  });

  it('evicts nothing for a request that it cannot satisfy', () => {
    const { memory, evicted } = filled(100, [['a', 'r', 100]], 0);
    expect(memory.acquire(101)).toBe(false);
    expect(evicted).toEqual([]);
    expect(memory.acquire(100)).toBe(true);
    expect(evicted).toEqual(['a']);
  });

  it('gives all back at the end of a task', () => {
    const memory = new SlotMemory(10);
    memory.acquire(10);
    memory.releaseExecution();
    expect(memory.acquire(10)).toBe(true);
  });
});

describe('storage', () => {
  it('evicts older groups, never its own, never execution', () => {
    const { memory, evicted } = filled(100, [
      ['a', 'r1', 40],
      ['b', 'r2', 40],
    ]);
    const mine = memory.store('c', 'r1', () => {});
    expect(mine.grow(30)).toBe(true);
    expect(evicted).toEqual(['b']);
    expect(mine.grow(31)).toBe(false);
    memory.forget('a');
    expect(memory.acquire(20)).toBe(true);
    expect(mine.grow(51)).toBe(false);
    expect(mine.grow(50)).toBe(true);
  });

  it('is not evicted while it grows', () => {
    const memory = new SlotMemory(100, 0);
    const growing = memory.store('a', 'r', () => expect.unreachable());
    growing.grow(60);
    expect(memory.acquire(50)).toBe(false);
    expect(memory.store('b', 'other', () => {}).grow(50)).toBe(false);
  });

  it('is forgotten once, and grows no more then', () => {
    const { memory } = filled(100, [['a', 'r', 60]]);
    const again = memory.store('a', 'r', () => {});
    expect(memory.storage).toBe(0);
    again.grow(10);
    memory.forget('a');
    memory.forget('a');
    expect(memory.storage).toBe(0);
    expect(again.grow(1)).toBe(false);
  });
});

it('never promises more than the budget', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('store'), id: fc.integer({ min: 0, max: 5 }), bytes: fc.nat(60) }),
    fc.record({
      kind: fc.constantFrom('acquire', 'release', 'touch', 'forget'),
      id: fc.integer({ min: 0, max: 5 }),
      bytes: fc.nat(60),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = new SlotMemory(100);
      const sizes = new Map<string, number>();
      for (const { kind, id, bytes } of steps) {
        const name = String(id);
        if (kind === 'store') {
          sizes.delete(name);
          const entry = memory.store(name, String(id % 2), () => sizes.delete(name));
          if (entry.grow(bytes)) sizes.set(name, bytes);
          entry.seal();
        } else if (kind === 'acquire') memory.acquire(bytes);
        else if (kind === 'release') memory.release(Math.min(bytes, memory.execution));
        else if (kind === 'touch') memory.touch(name);
        else {
          memory.forget(name);
          sizes.delete(name);
        }
        expect(memory.storage).toBe([...sizes.values()].reduce((a, b) => a + b, 0));
        expect(memory.storage + memory.execution).toBeLessThanOrEqual(100);
      }
    }),
    { seed: 4 },
  );
});
