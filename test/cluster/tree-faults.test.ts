import { expect, test } from 'vitest';
import { EventBus, SheafContext, type TimedEvent } from '../../src/index.js';
import { trainSample } from '../jobs/train-sample.js';
import { kill } from '../support/footprint.js';
import { root } from '../support/sheaf.js';
import { footprintOfEachTest } from '../support/tracked.js';

const EPOCHS = 6;
const DATA = `${root}data/motionsense-sample`;
const footprint = footprintOfEachTest();

/** Trains by tree aggregation; `meddle` is called once, between two steps in the middle of the third epoch. */
async function run(master: string, meddle?: (sc: SheafContext) => void) {
  const bus = new EventBus();
  const events: TimedEvent[] = [];
  bus.listen((event) => events.push(event));
  const sc = await SheafContext.create({ master, bus, conf: { 'sheaf.executor.leaseMs': '3000' } });
  let seen = 0;
  const onStep = ({ epoch }: { epoch: number }) => {
    if (meddle && epoch === 3 && ++seen === 5) meddle(sc);
  };
  try {
    const { weightsHash, epochs } = await trainSample(sc, DATA, EPOCHS, 'tree', meddle ? { onStep } : {});
    const last = events.findLast((event) => event.event === 'round');
    return { weightsHash, epochs, generation: last?.generation };
  } finally {
    await sc.stop();
  }
}

let reference: Promise<string> | undefined;
/** The weights of an undisturbed run on one slot. */
function expected(): Promise<string> {
  reference ??= run('local[1]').then(({ weightsHash }) => weightsHash);
  return reference;
}

const slot = () => kill(footprint().slots()[1]!.pid);
const executor = (sc: SheafContext) => kill(sc.tasks.executors()[1]!.pid);

test.each([
  ['a slot of one executor', 'local[3]', slot],
  ['a slot of two executors', 'local-cluster[2,2]', slot],
  ['an executor', 'local-cluster[2,2]', executor],
  ['an executor whose sums others fetch from another host', 'local-cluster[3,2]', executor, 'process'],
] as const)(
  'the same weights after kill -9 of %s in the middle of an epoch',
  async (_what, master, meddle, hosts?: string) => {
    const weightsHash = await expected();
    if (hosts) process.env.SHEAF_TEST_HOSTS = hosts;
    const { generation, ...model } = await run(master, meddle);
    expect(model).toEqual({ weightsHash, epochs: EPOCHS });
    expect(generation).toBeGreaterThan(0);
  },
);

test('the same weights where every executor is a host of its own, undisturbed', async () => {
  const weightsHash = await expected();
  process.env.SHEAF_TEST_HOSTS = 'process';
  expect(await run('local-cluster[2,2]')).toEqual({ weightsHash, epochs: EPOCHS, generation: 0 });
});
