import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClassifierOptions, SheafContext, TimedEvent } from '../../src/index.js';
import { trainSample } from '../jobs/train-sample.js';
import { clusterOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';
import { root } from '../support/sheaf.js';

const EPOCHS = 5;
const DATA = `${root}data/motionsense-sample`;

let events: TimedEvent[] = [];

/** A cluster for the tests of a group; `train` has somebody meddle once, between two steps in the middle of the third epoch. */
function cluster(master: string, hosts?: 'process') {
  const { footprint, sc } = clusterOfAllTests(master, { hosts, listen: (event) => void events.push(event) });
  beforeEach(() => {
    events = [];
  });
  const train = async (meddle?: (sc: SheafContext) => void) => {
    let seen = 0;
    const onStep: ClassifierOptions['onStep'] = ({ epoch }) => {
      if (epoch === 3 && ++seen === 5) meddle?.(sc());
    };
    const { weightsHash, epochs } = await trainSample(sc(), DATA, EPOCHS, 'tree', meddle ? { onStep } : {});
    const last = events.findLast((event) => event.event === 'round');
    return { weightsHash, epochs, generation: last?.generation };
  };
  const slot = () => kill(footprint().slots()[1]!.pid);
  const executor = () => kill(sc().tasks.executors()[1]!.pid);
  return { train, slot, executor };
}

const one = cluster('local[1]');
let weightsHash: string;
beforeAll(async () => {
  ({ weightsHash } = await one.train());
});

/** In the middle of an epoch. */
function killed(what: string, train: typeof one.train, meddle: () => void) {
  test(`the same weights after kill -9 of ${what} in the middle of an epoch`, async () => {
    const { generation, ...model } = await train(meddle);
    expect(model).toEqual({ weightsHash, epochs: EPOCHS });
    expect(generation).toBeGreaterThan(0);
  });
}

describe('on three slots', () => {
  const { train, slot } = cluster('local[3]');
  killed('a slot of one executor', train, slot);
});

describe('on two executors', () => {
  const { train, slot, executor } = cluster('local-cluster[2,2]');
  killed('a slot of two executors', train, slot);
  killed('an executor', train, executor);
});

describe('where every executor is a host of its own', () => {
  const { train, executor } = cluster('local-cluster[3,2]', 'process');

  test('the same weights, undisturbed', async () => {
    expect(await train()).toEqual({ weightsHash, epochs: EPOCHS, generation: 0 });
  });

  killed('an executor whose sums others fetch', train, executor);
});
