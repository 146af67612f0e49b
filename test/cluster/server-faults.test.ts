import { beforeEach, describe, expect, test } from 'vitest';
import { EventBus, MLPClassifier, SheafContext, type TimedEvent } from '../../src/index.js';
import type { TrainingOptions } from '../../src/mlp/training-options.js';
import { sampleWindows } from '../jobs/train-sample.js';
import { kill } from '../support/footprint.js';
import { root } from '../support/sheaf.js';
import { footprintOfEachTest } from '../support/tracked.js';

const DATA = `${root}data/motionsense-sample`;
const EPOCHS = 8;

const footprint = footprintOfEachTest();
let events: TimedEvent[];

beforeEach(() => {
  events = [];
});

/** Trains with parameter servers; `meddle` is called once after an epoch, while the next one runs. */
async function run(options: TrainingOptions, meddle: (sc: SheafContext) => void = () => {}, master = 'local[2]') {
  const bus = new EventBus();
  const sc = await SheafContext.create({ master, bus, conf: { 'sheaf.executor.leaseMs': '3000' } });
  bus.listen((event) => {
    events.push(event);
    if (event.event === 'round' && event.epoch === 3) meddle(sc);
  });
  try {
    const classifier = new MLPClassifier({
      ...{ hidden: [256, 64], epochs: EPOCHS, batchSize: 64, seed: 3, shards: 4, clipNorm: 1, aggregation: 'ps' },
      ...options,
    });
    const { weightsHash, losses } = await classifier.fit(sampleWindows(sc, DATA), { label: 'activity' });
    return { weightsHash, losses };
  } finally {
    await sc.stop();
  }
}

const generations = () => 1 + Math.max(...events.map((event) => (event.event === 'round' ? event.generation : 0)));

let reference: Promise<{ weightsHash: string; losses: readonly number[] }> | undefined;
/** One server, one slot. */
function expected() {
  reference ??= run({ servers: 1 }, undefined, 'local[1]');
  return reference;
}

describe('a server process, killed with -9 in the middle of a synchronous training', () => {
  test('is replaced from its replica: no step is made again, the weights have the same bits', async () => {
    const whole = await expected();
    const counts: number[] = [];
    const meddle = () => {
      counts.push(footprint().services().length);
      kill(footprint().services()[1]!.pid);
    };
    expect(await run({ servers: 3, replicas: 1 }, meddle)).toEqual(whole);
    expect(counts).toEqual([3]);
    expect(generations()).toBe(1);
  });

  test('without replicas begins the epoch again on new servers, with the same bits', async () => {
    const whole = await expected();
    const meddle = () => kill(footprint().services()[0]!.pid);
    expect(await run({ servers: 2, sharding: 'ring' }, meddle)).toEqual(whole);
    expect(generations()).toBe(2);
  });
});

describe.each(['async', { staleness: 2 }] as const)(
  'in mode %j a training reaches its end and learns',
  (consistency) => {
    const learnt = ({ losses }: { losses: readonly number[] }) => {
      expect(losses).toHaveLength(EPOCHS);
      expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    };

    test('after kill -9 of a server that has a replica: in the same generation', async () => {
      learnt(await run({ consistency, servers: 2, replicas: 1 }, () => kill(footprint().services()[1]!.pid)));
      expect(generations()).toBe(1);
    });

    test('after kill -9 of a slot: from what the servers had', async () => {
      learnt(await run({ consistency, servers: 2 }, () => kill(footprint().slots()[1]!.pid)));
      expect(generations()).toBe(2);
    });

    test('after kill -9 of an executor with a slot and a server: from the replica', async () => {
      const meddle = (sc: SheafContext) => kill(sc.tasks.executors()[0]!.pid);
      learnt(await run({ consistency, servers: 2, replicas: 1 }, meddle, 'local-cluster[2,1]'));
      expect(generations()).toBeGreaterThanOrEqual(2);
    });
  },
);
