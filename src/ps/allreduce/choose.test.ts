import { expect, it } from 'vitest';
import { allReduceSeconds, chooseAllReduce } from './choose.js';

const choose = (members: number, hosts: number, bytes: number, more = {}) => {
  const { network, shared } = chooseAllReduce({ members, hosts, bytes, sharedMemory: true, ...more });
  return [network, shared];
};

it('uses shared memory within a host and sockets between hosts', () => {
  expect(choose(4, 1, 4e6)).toEqual([undefined, true]);
  expect(choose(4, 2, 4e6)).toEqual(['sliced', true]);
  expect(choose(4, 4, 4e6)).toEqual(['sliced', false]);
  expect(choose(4, 1, 4e6, { sharedMemory: false })).toEqual(['sliced', false]);
  expect(choose(1, 1, 4e6)).toEqual(['sliced', false]);
});

it('halves and doubles among many members with short vectors, when their number is a power of two', () => {
  expect(choose(64, 64, 4e4)).toEqual(['halving-doubling', false]);
  expect(choose(8, 8, 4e4)).toEqual(['sliced', false]);
  expect(choose(65, 65, 8e7)).toEqual(['sliced', false]);
  expect(allReduceSeconds('halving-doubling', 4, 1e9)).toBeCloseTo(allReduceSeconds('sliced', 4, 1e9), 3);
});

it('takes the ring only when asked, and sends rounded sums to sliced owners', () => {
  expect(choose(4, 4, 4e6, { algorithm: 'ring' })).toEqual(['ring', false]);
  expect(choose(4, 1, 4e6, { lossy: true })).toEqual(['sliced', false]);
  expect(choose(4, 4, 4e6, { lossy: true, algorithm: 'halving-doubling' })).toEqual(['sliced', false]);
});

it('says why', () => {
  const reason = (setting: Partial<Parameters<typeof chooseAllReduce>[0]>) =>
    chooseAllReduce({ members: 4, hosts: 2, bytes: 4e6, sharedMemory: true, ...setting }).reason;
  expect(reason({})).toBe('4 members on 2 hosts: shared memory within a host, sliced owners between hosts');
  expect(reason({ hosts: 4 })).toBe(
    '4 members on 4 hosts: sliced owners (predicted: sliced 6.4 ms, halving-doubling 6.6 ms)',
  );
  expect(reason({ hosts: 1 })).toBe('4 members on 1 host: shared memory');
  expect(reason({ algorithm: 'ring' })).toBe('4 members on 2 hosts: ring, as asked for');
});
