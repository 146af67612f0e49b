import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlockLocation } from '../protocol/block.js';
import { aliveHolders, type Host, nextRound, wanting } from './broadcast-copies.js';

const executor = (id: string, host = id): Host => ({ id, host, blockUrl: `http://${id}` });
const location = ({ id, host, blockUrl }: Host): BlockLocation => ({ holder: id, host, path: `/${id}`, url: blockUrl });
const driver = location(executor('driver'));

describe('wanting', () => {
  it('names one executor of each host without a copy', () => {
    const executors = [executor('a', 'x'), executor('b', 'x'), executor('c', 'y'), executor('d', 'driver')];
    expect(wanting(executors, [driver]).map(({ id }) => id)).toEqual(['a', 'c']);
    expect(wanting(executors, [driver, location(executors[1]!)]).map(({ id }) => id)).toEqual(['c']);
  });
});

describe('nextRound', () => {
  it('lets each holder serve one host, the driver last', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((id) => executor(id));
    const pairs = (holders: BlockLocation[], hosts: Host[]) =>
      nextRound(holders, hosts).map(({ from, to }) => [from.holder, to.id]);
    expect(pairs([driver], [a!, b!, c!])).toEqual([['driver', 'a']]);
    expect(pairs([driver, location(a!)], [b!])).toEqual([['a', 'b']]);
    expect(pairs([driver, location(a!)], [b!, c!])).toEqual([
      ['a', 'b'],
      ['driver', 'c'],
    ]);
  });

  it('reaches n hosts in log2(n + 1) rounds, and the driver serves at most one a round', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), (count) => {
        let hosts = Array.from({ length: count }, (_, k) => executor(`e${k}`));
        const holders = [driver];
        let rounds = 0;
        for (; hosts.length > 0; rounds++) {
          const round = nextRound(holders, hosts);
          expect(new Set(round.map(({ from }) => from.holder)).size).toBe(round.length);
          hosts = hosts.slice(round.length);
          holders.push(...round.map(({ to }) => location(to)));
        }
        expect(holders).toHaveLength(count + 1);
        expect(rounds).toBe(Math.ceil(Math.log2(count + 1)));
      }),
      { seed: 1 },
    );
  });
});

describe('aliveHolders', () => {
  it('keeps the driver, and executors that are still the same', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((id) => executor(id));
    const replaced = { ...b!, blockUrl: 'http://b:2' };
    expect(aliveHolders([driver, location(a!), location(b!), location(c!)], driver, [a!, replaced])).toEqual([
      driver,
      location(a!),
    ]);
  });
});
