import { expect, it } from 'vitest';
import { defaultSlotMemory, heapFlags, memoryEnvironment } from './slot-memory.js';

it('is a share of the machine by default', () => {
  expect(defaultSlotMemory(2, 10e9)).toBe(1.5e9);
  expect(defaultSlotMemory(0, 10e9)).toBe(3e9);
  expect(defaultSlotMemory(1)).toBeGreaterThan(2 ** 20);
});

it('comes with a heap that holds it', () => {
  expect(heapFlags(memoryEnvironment(2 ** 30))).toEqual(['--max-old-space-size=2560']);
  expect(heapFlags({})).toEqual([]);
  expect(heapFlags({ ...memoryEnvironment(2 ** 30), NODE_OPTIONS: '--max-old-space-size=64' })).toEqual([]);
});
