import { beforeEach, describe, expect, test } from 'vitest';
import { type ClassifierOptions, EventBus, SheafContext, type TimedEvent } from '../../src/index.js';
import { startPrivateRedis } from '../../src/scheduler/redis-server.js';
import { trainSample } from '../jobs/train-sample.js';
import { kill } from '../support/footprint.js';
import { root, SheafProcess } from '../support/sheaf.js';
import { footprintOfEachTest } from '../support/tracked.js';

const EPOCHS = 12;
const DATA = `${root}data/motionsense-sample`;

const footprint = footprintOfEachTest();
let events: TimedEvent[];

beforeEach(() => {
  events = [];
});

type Aggregation = 'tree' | 'ps' | 'allreduce';

/** Trains, with somebody meddling: called with each event while the training runs. */
async function run(
  master: string,
  aggregation: Aggregation,
  meddle: (event: TimedEvent, sc: SheafContext) => void = () => {},
  epochs = EPOCHS,
  options: ClassifierOptions = {},
) {
  const bus = new EventBus();
  const sc = await SheafContext.create({ master, bus, conf: { 'sheaf.executor.leaseMs': '3000' } });
  bus.listen((event) => {
    events.push(event);
    meddle(event, sc);
  });
  try {
    return await trainSample(sc, DATA, epochs, aggregation, options);
  } finally {
    await sc.stop();
  }
}

/** Meddles once, after an epoch. */
function afterEpoch(epoch: number, act: (sc: SheafContext) => void) {
  let done = false;
  return (event: TimedEvent, sc: SheafContext) => {
    if (done || event.event !== 'round' || event.epoch !== epoch) return;
    done = true;
    act(sc);
  };
}

const lost = () => events.filter((event) => event.event === 'executor-lost').length;
const generations = () => Math.max(...events.map((event) => (event.event === 'round' ? event.generation : 0)));

let reference: Promise<string> | undefined;
/** The weights of an undisturbed run on one slot. */
function expected(): Promise<string> {
  reference ??= run('local[1]', 'tree').then(({ weightsHash }) => weightsHash);
  return reference;
}

test('every epoch is told, also when a slot is killed before it is', async () => {
  const told: number[] = [];
  const meddle = afterEpoch(3, () => kill(footprint().slots()[1]!.pid));
  // Slots are asked for something between the state's being kept and the callback.
  const batchSize = { auto: 'goodput', min: 64, max: 128 } as const;
  const onEpoch = ({ epoch }: { epoch: number }) => void told.push(epoch);
  await run('local[2]', 'allreduce', meddle, 5, { batchSize, onEpoch });
  expect(generations()).toBe(1);
  expect(told).toEqual([1, 2, 3, 4, 5]);
});

describe('the same weights, bit for bit', () => {
  test.each([
    ['local[1]', 'ps'],
    ['local[1]', 'allreduce'],
    ['local[2]', 'tree'],
    ['local[3]', 'allreduce'],
    ['local[4]', 'ps'],
    ['local-cluster[2,1]', 'tree'],
    ['local-cluster[2,1]', 'ps'],
    ['local-cluster[2,1]', 'allreduce'],
    ['local-cluster[3,1]', 'allreduce', 'every executor on a host of its own'],
    ['local-cluster[2,2]', 'allreduce', 'every executor on a host of its own'],
  ] as const)('on %s by %s, undisturbed', async (master, aggregation, hosts?: string) => {
    const hash = await expected();
    if (hosts) process.env.SHEAF_TEST_HOSTS = 'process';
    expect(await run(master, aggregation)).toMatchObject({ weightsHash: hash, epochs: EPOCHS });
    expect(lost()).toBe(0);
    expect(generations()).toBe(0);
  });

  describe.each(['tree', 'ps', 'allreduce'] as const)('by %s', (aggregation) => {
    test('after kill -9 of an executor in the middle', async () => {
      const hash = await expected();
      const meddle = afterEpoch(3, (sc) => kill(sc.tasks.executors()[0]!.pid));
      expect(await run('local-cluster[2,1]', aggregation, meddle)).toMatchObject({ weightsHash: hash });
      expect(lost()).toBe(1);
      expect(generations()).toBeGreaterThan(0);
      // By all-reduce the third epoch's state has no second copy yet: the second epoch's has.
      expect(events.filter((event) => event.event === 'warning' && event.message.includes('begins again'))).toEqual([]);
    });

    test('after kill -9 of an executor when the last epoch ends', async () => {
      const hash = await expected();
      const meddle = afterEpoch(EPOCHS, (sc) => kill(sc.tasks.executors()[0]!.pid));
      const ended = await run('local-cluster[2,1]', aggregation, meddle);
      expect(ended).toMatchObject({ weightsHash: hash, epochs: EPOCHS });
    });

    test('after kill -9 of a slot in the middle', async () => {
      const hash = await expected();
      const meddle = afterEpoch(3, () => kill(footprint().slots()[1]!.pid));
      expect(await run('local[2]', aggregation, meddle)).toMatchObject({ weightsHash: hash });
      expect(generations()).toBeGreaterThan(0);
    });
  });

  test('after kill -9 of an executor on another host, among sockets', async () => {
    const hash = await expected();
    process.env.SHEAF_TEST_HOSTS = 'process';
    const meddle = afterEpoch(3, (sc) => kill(sc.tasks.executors()[1]!.pid));
    expect(await run('local-cluster[3,1]', 'allreduce', meddle)).toMatchObject({ weightsHash: hash });
    expect(lost()).toBe(1);
  });

  test('in a storm: some slot is killed after every other epoch', async () => {
    const hash = await expected();
    let kills = 0;
    const meddle = (event: TimedEvent) => {
      if (event.event !== 'round' || event.epoch % 2 === 1 || event.epoch === EPOCHS) return;
      kill(footprint().slots()[kills++ % 2]!.pid);
    };
    expect(await run('local[2]', 'allreduce', meddle)).toMatchObject({ weightsHash: hash, epochs: EPOCHS });
    expect(kills).toBe(5);
  });

  test('after kill -9 of the parameter server in the middle', async () => {
    const hash = await expected();
    const meddle = afterEpoch(3, () => kill(footprint().services()[0]!.pid));
    expect(await run('local[2]', 'ps', meddle)).toMatchObject({ weightsHash: hash });
    expect(generations()).toBe(1);
  });

  test('after kill -9 of every executor at once: the training begins again', async () => {
    const hash = await expected();
    const meddle = afterEpoch(3, (sc) => {
      for (const { pid } of sc.tasks.executors()) kill(pid);
    });
    expect(await run('local-cluster[2,1]', 'tree', meddle)).toMatchObject({ weightsHash: hash, epochs: EPOCHS });
    expect(lost()).toBe(2);
  });

  test('after kill -9 of an executor while features are extracted', async () => {
    const hash = await expected();
    let killed = false;
    const meddle = (event: TimedEvent, sc: SheafContext) => {
      if (killed || event.event !== 'task-end') return;
      killed = true;
      kill(sc.tasks.executors().find(({ id }) => id === event.executor)!.pid);
    };
    expect(await run('local-cluster[2,1]', 'tree', meddle)).toMatchObject({ weightsHash: hash });
    expect(lost()).toBe(1);
  });

  test('after kill -9 of an executor that held half of the shuffled rows', async () => {
    const hash = await expected();
    let stage: number | undefined;
    let killed = false;
    const meddle = (event: TimedEvent, sc: SheafContext) => {
      if (event.event === 'job-start' && event.name === 'load training shards') stage = -1;
      if (stage === -1 && event.event === 'stage-start') stage = event.stage;
      if (killed || event.event !== 'stage-end' || event.stage !== stage) return;
      killed = true;
      kill(sc.tasks.executors()[1]!.pid);
    };
    expect(await run('local-cluster[2,1]', 'tree', meddle)).toMatchObject({ weightsHash: hash });
    expect(killed).toBe(true);
  });

  test('after an executor hung for longer than its lease, and came back', async () => {
    const hash = await expected();
    let hung = 0;
    const stop = afterEpoch(3, (sc) => {
      hung = sc.tasks.executors()[1]!.pid;
      kill(hung, 'SIGSTOP');
    });
    const meddle = (event: TimedEvent, sc: SheafContext) => {
      stop(event, sc);
      if (event.event === 'executor-lost') kill(hung, 'SIGCONT');
    };
    expect(await run('local-cluster[2,1]', 'tree', meddle)).toMatchObject({ weightsHash: hash });
    expect(events.filter((event) => event.event === 'executor-lost')).toMatchObject([
      { reason: expect.stringMatching(/lease ended/) },
    ]);
  });

  test('when an executor joins in the middle of a redis:// cluster', async () => {
    const epochs = 100; // long enough for another executor to start meanwhile
    const { weightsHash } = await run('local[1]', 'tree', () => {}, epochs);
    const redis = await startPrivateRedis();
    process.env.SHEAF_SECRET = 's'.repeat(32);
    const executors: SheafProcess[] = [];
    const start = (id: string) => {
      executors.push(new SheafProcess(['executor', '--master', redis.url, '--id', id, '--slots', '1']));
    };
    start('first');
    events = [];
    const join = afterEpoch(2, () => start('second'));
    expect(await run(redis.url, 'tree', join, epochs)).toMatchObject({ weightsHash, epochs });
    expect(generations()).toBe(1);
    for (const { pid } of executors) kill(pid, 'SIGTERM');
    for (const { finished } of executors) expect((await finished).code).toBe(0);
    await redis.stop();
  }, 120_000);
});
