import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { seeded } from '../../../test/support/seeded.js';
import { CHUNK } from '../slices.js';
import type { Wire } from '../wire/wire.js';
import type { Consistency } from './consistency.js';
import { beginning, ServerGroup, SGD } from './testing/server-group.js';

const groups: ServerGroup[] = [];
afterEach(async () => {
  await Promise.all(groups.splice(0).map((group) => group.close()));
});

const LENGTH = 2 * CHUNK;
const STEPS = 5;
const { learningRate } = SGD.optimizer as { learningRate: number };

interface Setting {
  readonly consistency: Consistency;
  readonly processes: number;
  readonly members: number;
  readonly wire: Wire;
  readonly cache: boolean;
}

/** Every member pushes to elements of its own: what others do changes nothing there. */
async function run({ consistency, processes, members, wire, cache }: Setting, seed: number): Promise<number> {
  const group = await ServerGroup.start(processes, {
    members,
    leaves: members,
    length: LENGTH,
    consistency,
    update: SGD,
  });
  groups.push(group);
  const exchanges = await group.joinAll({ wire, cache });
  let pulls = 0;
  const runs = exchanges.map(async (exchange, rank) => {
    const random = seeded(seed * 10 + rank);
    const begun = beginning(LENGTH);
    const theta = begun.slice();
    const given = new Float64Array(LENGTH);
    for (let step = 0; step < STEPS; step++) {
      for (let wait = Math.floor(random() * 20); wait > 0; wait--) await turn();
      const gradient = Float32Array.from({ length: LENGTH }, (_, i) => (i % members === rank ? random() - 0.5 : 0));
      for (let i = rank; i < LENGTH; i += members) given[i]! += gradient[i]!;
      const received = exchange.bytesReceived;
      await exchange.step(
        step,
        [{ level: 0, index: rank, value: { gradient, rows: 2, weight: 2, lossSum: 0 } }],
        theta,
      );
      if (exchange.bytesReceived === received) continue; // weights of the cache were new enough
      pulls++;
      let furthest = 0;
      for (let i = rank; i < LENGTH; i += members) {
        const seen = ((begun[i]! - theta[i]!) / learningRate) * 2 * members;
        furthest = Math.max(furthest, Math.abs(seen + (exchange.residual?.[i] ?? 0) - given[i]!));
      }
      expect(furthest).toBeLessThan(1e-3);
    }
  });
  await Promise.all(runs);
  await groups.pop()!.close();
  return pulls;
}

it('a member sees all it has pushed, but for what its encoding keeps, with its next pull: in every consistency', async () => {
  const settings: fc.Arbitrary<Setting> = fc.record({
    consistency: fc.constantFrom<Consistency>('sync', { staleness: 1 }, { staleness: 3 }, 'async'),
    processes: fc.integer({ min: 1, max: 3 }),
    members: fc.integer({ min: 1, max: 3 }),
    wire: fc.constantFrom<Wire>('float32', { kind: 'top-k', share: 0.1 }, { kind: 'threshold', threshold: 0.3 }),
    cache: fc.boolean(),
  });
  let pulls = 0;
  const check = fc.asyncProperty(settings, fc.nat(1000), async (setting, seed) => {
    pulls += await run(setting, seed);
  });
  await fc.assert(check, { seed: 7, numRuns: 15, endOnFailure: true });
  expect(pulls).toBeGreaterThan(15 * STEPS);
});
