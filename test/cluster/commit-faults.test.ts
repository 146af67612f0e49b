import { join } from 'node:path';
import { type ClassifierOptions, EventBus, MLPClassifier, SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/protocol/clock.js';
import { blobs, readBlobs, writeBlobs } from '../mlp/blobs.js';
import { directoryOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';
import { footprintOfAllTests } from '../support/tracked.js';

const directory = directoryOfAllTests('commits');
const data = writeBlobs(join(directory, 'data'), blobs(300), 4);

// 10 updates an epoch. Dropout and Adam: draws and the optimizer's state must come back too.
const OPTIONS = {
  ...{ hidden: [8], dropout: 0.2, epochs: 3, batchSize: 32, seed: 5, shards: 4 },
  optimizer: { kind: 'adam', learningRate: 0.01 },
} as const satisfies ClassifierOptions;

/** What a step is made to take by the driver's clock: beside a minute a commit costs nothing, and so there is one after each step. */
const LONG = 60_000;
let ahead = 0;
const clock = { ...systemClock, now: () => systemClock.now() + ahead };

const footprint = footprintOfAllTests();
let sc: SheafContext;
beforeAll(async () => {
  sc = await SheafContext.create({
    master: 'local[2]',
    bus: new EventBus(clock),
    conf: { 'sheaf.eventLog.enabled': 'false' },
  });
});
afterAll(() => sc.stop());

/** @param killedAfter updates after each of which a slot is killed, once. @returns also which updates were made again */
async function trained(options: ClassifierOptions, killedAfter: readonly number[] = []) {
  const steps: number[] = [];
  const epochs: number[] = [];
  const onStep = ({ step }: { step: number }) => {
    if (killedAfter.includes(step) && !steps.includes(step)) kill(footprint().slots()[step % 2]!.pid);
    steps.push(step);
    ahead += LONG;
  };
  const onEpoch = ({ epoch }: { epoch: number }) => void epochs.push(epoch);
  const hooks = killedAfter.length > 0 ? { onStep, onEpoch } : {};
  const model = await new MLPClassifier({ ...OPTIONS, ...options, ...hooks }).fit(readBlobs(sc, data, 4, 3));
  const { weightsHash, losses, measured } = model;
  // The last before a kill may be: a commit that has not ended when the slot is gone is not made.
  const again = steps.filter((step, at) => steps.indexOf(step) < at);
  return { model: { weightsHash, losses, measured }, again, epochs };
}

describe('a slot killed in the middle of an epoch', () => {
  test.each([
    ['gradients', 'tree', {}],
    ['gradients', 'ps', {}],
    ['elastic averaging', 'allreduce', { elastic: { period: 1 } }],
    ['sums that are sent sparsely', 'allreduce', { allReduce: { wire: { kind: 'top-k', share: 0.1 } } }],
    ['a batch that grows with the noise', 'tree', { batchSize: { min: 32, max: 40 } }],
  ] as const)(
    '%s by %s: all goes on from the last commit of that epoch, to the same bits',
    async (_what, aggregation, options: ClassifierOptions) => {
      const undisturbed = await trained({ ...options, aggregation });
      const { model, again, epochs } = await trained({ ...options, aggregation }, [15]);
      expect(model).toEqual(undisturbed.model);
      expect([15]).toEqual(expect.arrayContaining(again));
      expect(epochs).toEqual([1, 2, 3]);
    },
  );

  test('however many in an epoch, where there was a commit after each: no reason to give up', async () => {
    const undisturbed = await trained({ aggregation: 'allreduce' });
    const kills = [11, 12, 13, 14, 15, 16, 17, 18];
    const { model, again, epochs } = await trained({ aggregation: 'allreduce' }, kills);
    expect(model).toEqual(undisturbed.model);
    expect(kills).toEqual(expect.arrayContaining(again));
    expect(epochs).toEqual([1, 2, 3]);
  });
});
