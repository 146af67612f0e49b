import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ClassifierOptions, EventBus, SheafContext, type TimedEvent } from '../../src/index.js';
import { startPrivateRedis } from '../../src/scheduler/redis-server.js';
import { trainSample } from '../jobs/train-sample.js';
import { clusterOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';
import { root, SheafProcess } from '../support/sheaf.js';
import { footprintOfEachTest } from '../support/tracked.js';
import { until } from '../support/until.js';

const EPOCHS = 8;
const STORM = 12;
const DATA = `${root}data/motionsense-sample`;

type Aggregation = 'tree' | 'ps' | 'allreduce';
type Meddle = (event: TimedEvent, sc: SheafContext) => void;

let events: TimedEvent[] = [];
/** Somebody who meddles: called with each event while a test runs. */
let meddle: Meddle = () => {};
const listen: Meddle = (event, sc) => {
  events.push(event);
  meddle(event, sc);
};

/** A cluster for the tests of a group, each of which finds it whole, whatever the one before did to it. */
function cluster(master: string, hosts?: 'process') {
  const { footprint, sc } = clusterOfAllTests(master, { hosts, listen });
  beforeEach(() => {
    meddle = () => {};
    events = [];
  });
  const train = (aggregation: Aggregation, epochs = EPOCHS, options: ClassifierOptions = {}) =>
    trainSample(sc(), DATA, epochs, aggregation, options);
  return { footprint, train };
}

/** Meddles once, after an epoch. */
function afterEpoch(epoch: number, act: (sc: SheafContext) => void): Meddle {
  let done = false;
  return (event, sc) => {
    if (done || event.event !== 'round' || event.epoch !== epoch) return;
    done = true;
    act(sc);
  };
}

const lost = () => events.filter((event) => event.event === 'executor-lost').length;
const generations = () => Math.max(...events.map((event) => (event.event === 'round' ? event.generation : 0)));

const { train: trainOnOne } = cluster('local[1]');
/** What undisturbed trainings on one slot come to. */
let expected: Awaited<ReturnType<typeof trainOnOne>>;
let expectedOfStorm: typeof expected;

beforeAll(async () => {
  expected = await trainOnOne('tree');
  expectedOfStorm = await trainOnOne('tree', STORM);
});

/** The same weights, bit for bit, with nobody meddling. */
function undisturbed(train: typeof trainOnOne, aggregations: readonly Aggregation[]) {
  test.each(aggregations)('the same weights by %s, undisturbed', async (aggregation) => {
    expect(await train(aggregation)).toEqual(expected);
    expect([lost(), generations()]).toEqual([0, 0]);
  });
}

describe('on one slot', () => undisturbed(trainOnOne, ['ps', 'allreduce']));

describe('on three slots', () => undisturbed(cluster('local[3]').train, ['ps', 'allreduce']));

describe('on two hosts of two slots', () =>
  undisturbed(cluster('local-cluster[2,2]', 'process').train, ['ps', 'allreduce']));

describe('on three hosts', () => {
  const { train } = cluster('local-cluster[3,1]', 'process');
  undisturbed(train, ['allreduce']);

  test('the same weights after kill -9 of an executor, among sockets', async () => {
    meddle = afterEpoch(3, (sc) => kill(sc.tasks.executors()[1]!.pid));
    expect(await train('allreduce')).toEqual(expected);
    expect(lost()).toBe(1);
  });
});

describe('on two slots', () => {
  const { footprint, train } = cluster('local[2]');
  undisturbed(train, ['tree']);

  test.each(['tree', 'ps', 'allreduce'] as const)(
    'the same weights by %s after kill -9 of a slot in the middle',
    async (aggregation) => {
      meddle = afterEpoch(3, () => kill(footprint().slots()[1]!.pid));
      expect(await train(aggregation)).toEqual(expected);
      expect(generations()).toBeGreaterThan(0);
    },
  );

  test('the same weights in a storm: some slot is killed after every other epoch', async () => {
    let kills = 0;
    meddle = (event) => {
      if (event.event !== 'round' || event.epoch % 2 === 1 || event.epoch === STORM) return;
      kill(footprint().slots()[kills++ % 2]!.pid);
    };
    expect(await train('allreduce', STORM)).toEqual(expectedOfStorm);
    expect(kills).toBe(5);
  });

  test('the same weights after kill -9 of the parameter server in the middle', async () => {
    meddle = afterEpoch(3, () => kill(footprint().services()[0]!.pid));
    expect(await train('ps')).toEqual(expected);
    expect(generations()).toBe(1);
  });

  test('every epoch is told, also when a slot is killed before it is', async () => {
    const told: number[] = [];
    meddle = afterEpoch(3, () => kill(footprint().slots()[1]!.pid));
    // Slots are asked for something between the state's being kept and the callback.
    const batchSize = { auto: 'goodput', min: 64, max: 128 } as const;
    await train('allreduce', 5, { batchSize, onEpoch: ({ epoch }) => void told.push(epoch) });
    expect(generations()).toBe(1);
    expect(told).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('on two executors', () => {
  const { train } = cluster('local-cluster[2,1]');
  undisturbed(train, ['tree', 'ps', 'allreduce']);

  describe.each(['tree', 'ps', 'allreduce'] as const)('the same weights by %s', (aggregation) => {
    test('after kill -9 of an executor in the middle', async () => {
      meddle = afterEpoch(3, (sc) => kill(sc.tasks.executors()[0]!.pid));
      expect(await train(aggregation)).toEqual(expected);
      expect(lost()).toBe(1);
      expect(generations()).toBeGreaterThan(0);
      // By all-reduce the third epoch's state has no second copy yet: the second epoch's has.
      expect(events.filter((event) => event.event === 'warning' && event.message.includes('begins again'))).toEqual([]);
    });

    test('after kill -9 of an executor when the last epoch ends', async () => {
      meddle = afterEpoch(EPOCHS, (sc) => kill(sc.tasks.executors()[0]!.pid));
      expect(await train(aggregation)).toEqual(expected);
      await until('the loss noticed', () => lost() === 1);
    });
  });

  test('the same weights after kill -9 of every executor at once: the training begins again', async () => {
    meddle = afterEpoch(3, (sc) => {
      for (const { pid } of sc.tasks.executors()) kill(pid);
    });
    expect(await train('tree')).toEqual(expected);
    expect(lost()).toBe(2);
  });

  test('the same weights after kill -9 of an executor while features are extracted', async () => {
    let killed = false;
    meddle = (event, sc) => {
      if (killed || event.event !== 'task-end') return;
      killed = true;
      kill(sc.tasks.executors().find(({ id }) => id === event.executor)!.pid);
    };
    expect(await train('tree')).toEqual(expected);
    expect(lost()).toBe(1);
  });

  test('the same weights after kill -9 of an executor that held half of the shuffled rows', async () => {
    let stage: number | undefined;
    let killed = false;
    meddle = (event, sc) => {
      if (event.event === 'job-start' && event.name === 'load training shards') stage = -1;
      if (stage === -1 && event.event === 'stage-start') stage = event.stage;
      if (killed || event.event !== 'stage-end' || event.stage !== stage) return;
      killed = true;
      kill(sc.tasks.executors()[1]!.pid);
    };
    expect(await train('tree')).toEqual(expected);
    expect(lost()).toBe(1);
  });

  test('the same weights after an executor hung for longer than its lease, and came back', async () => {
    let hung = 0;
    const stop = afterEpoch(3, (sc) => {
      hung = sc.tasks.executors()[1]!.pid;
      kill(hung, 'SIGSTOP');
    });
    meddle = (event, sc) => {
      stop(event, sc);
      if (event.event === 'executor-lost') kill(hung, 'SIGCONT');
    };
    expect(await train('tree')).toEqual(expected);
    expect(events.filter((event) => event.event === 'executor-lost')).toMatchObject([
      { reason: expect.stringMatching(/lease ended/) },
    ]);
  });
});

describe('on redis://', () => {
  footprintOfEachTest();

  test('the same weights when an executor joins in the middle', async () => {
    const redis = await startPrivateRedis();
    process.env.SHEAF_SECRET = 's'.repeat(32);
    const executors: SheafProcess[] = [];
    const start = (id: string) => {
      executors.push(new SheafProcess(['executor', '--master', redis.url, '--id', id, '--slots', '1']));
    };
    start('first');
    const bus = new EventBus();
    bus.listen((event) => void events.push(event));
    const sc = await SheafContext.create({ master: redis.url, bus });
    const join = async ({ epoch }: { epoch: number }) => {
      if (epoch !== 2) return;
      start('second');
      await until('the second executor', () => sc.tasks.executors().length === 2);
    };
    expect(await trainSample(sc, DATA, EPOCHS, 'tree', { onEpoch: join })).toEqual(expected);
    expect(generations()).toBe(1);
    await sc.stop();
    for (const { pid } of executors) kill(pid, 'SIGTERM');
    for (const { finished } of executors) expect((await finished).code).toBe(0);
    await redis.stop();
  });
});
