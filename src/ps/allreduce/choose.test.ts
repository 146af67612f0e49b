import fc from 'fast-check';
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

it('takes what is predicted to be quicker: the fewer messages, where bytes are the same', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 300 }), fc.double({ min: 1e3, max: 1e9, noNaN: true }), (members, bytes) => {
      const [network] = choose(members, members, bytes);
      const [sliced, halving] = (['sliced', 'halving-doubling'] as const).map((way) =>
        allReduceSeconds(way, members, bytes),
      );
      expect(network).toBe(halving! < sliced! ? 'halving-doubling' : 'sliced');
      if (members <= 16) expect(network).toBe('sliced');
      // A member that is one too many for a power of two folds its whole vector into another's.
      if (members % 2 === 1 && bytes > 1e8) expect(network).toBe('sliced');
    }),
  );
  for (const members of [32, 64, 128, 256]) expect(choose(members, members, 1e6)[0]).toBe('halving-doubling');
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
    '4 members on 4 hosts: sliced owners (predicted: sliced 6.3 ms, halving-doubling 6.5 ms)',
  );
  expect(reason({ hosts: 1 })).toBe('4 members on 1 host: shared memory');
  expect(reason({ algorithm: 'ring' })).toBe('4 members on 2 hosts: ring, as asked for');
});
