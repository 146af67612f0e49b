import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MLPClassifier, type TimedEvent } from '../../src/index.js';
import type { TrainingOptions } from '../../src/mlp/training-options.js';
import { sampleWindows } from '../jobs/train-sample.js';
import { clusterOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';
import { root } from '../support/sheaf.js';

const DATA = `${root}data/motionsense-sample`;
const EPOCHS = 8;

let events: TimedEvent[] = [];
/** Called once after an epoch, while the next one runs. */
let meddle: () => void = () => {};
beforeEach(() => {
  meddle = () => {};
  events = [];
});

/** A cluster for the tests of a group, who train with parameter servers. */
function cluster(master: string) {
  const listen = (event: TimedEvent) => {
    events.push(event);
    if (event.event === 'round' && event.epoch === 3) meddle();
  };
  const { footprint, sc } = clusterOfAllTests(master, { listen });
  const train = async (options: TrainingOptions) => {
    const classifier = new MLPClassifier({
      ...{ hidden: [256, 64], epochs: EPOCHS, batchSize: 64, seed: 3, shards: 4, clipNorm: 1, aggregation: 'ps' },
      ...options,
    });
    const { weightsHash, losses } = await classifier.fit(sampleWindows(sc(), DATA), { label: 'activity' });
    return { weightsHash, losses };
  };
  return { footprint, sc, train };
}

const generations = () => 1 + Math.max(...events.map((event) => (event.event === 'round' ? event.generation : 0)));
const learnt = ({ losses }: { losses: readonly number[] }) => {
  expect(losses).toHaveLength(EPOCHS);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
};
const LOOSE = ['async', { staleness: 2 }] as const;

const { train: trainOnOne } = cluster('local[1]');
let expected: Awaited<ReturnType<typeof trainOnOne>>;
beforeAll(async () => {
  expected = await trainOnOne({ servers: 1 });
});

describe('on two slots', () => {
  const { footprint, train } = cluster('local[2]');

  describe('a server process, killed with -9 in the middle of a synchronous training', () => {
    test('is replaced from its replica: no step is made again, the weights have the same bits', async () => {
      const counts: number[] = [];
      meddle = () => {
        counts.push(footprint().services().length);
        kill(footprint().services()[1]!.pid);
      };
      expect(await train({ servers: 3, replicas: 1 })).toEqual(expected);
      expect(counts).toEqual([3]);
      expect(generations()).toBe(1);
    });

    test('without replicas begins the epoch again on new servers, with the same bits', async () => {
      meddle = () => kill(footprint().services()[0]!.pid);
      expect(await train({ servers: 2, sharding: 'ring' })).toEqual(expected);
      expect(generations()).toBe(2);
      // How evenly weights are spread is told once.
      const told = events.flatMap((event) => (event.event === 'plan' && /servers/.test(event.what) ? [event] : []));
      expect(told).toMatchObject([
        { choice: 2, reason: expect.stringMatching(/^ring: [\d.]+, [\d.]+ kB of weights a/) },
      ]);
    });
  });

  describe.each(LOOSE)('in mode %j a training reaches its end and learns', (consistency) => {
    test('after kill -9 of a server that has a replica: in the same generation', async () => {
      meddle = () => kill(footprint().services()[1]!.pid);
      learnt(await train({ consistency, servers: 2, replicas: 1 }));
      expect(generations()).toBe(1);
    });

    test('after kill -9 of a slot: from what the servers had', async () => {
      meddle = () => kill(footprint().slots()[1]!.pid);
      learnt(await train({ consistency, servers: 2 }));
      expect(generations()).toBe(2);
    });
  });
});

describe('on two executors', () => {
  const { sc, train } = cluster('local-cluster[2,1]');

  test.each(LOOSE)(
    'in mode %j a training reaches its end and learns after kill -9 of an executor with a slot and a server: from the replica',
    async (consistency) => {
      meddle = () => kill(sc().tasks.executors()[0]!.pid);
      learnt(await train({ consistency, servers: 2, replicas: 1 }));
      expect(generations()).toBeGreaterThanOrEqual(2);
    },
  );
});
