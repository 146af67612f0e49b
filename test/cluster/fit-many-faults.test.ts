import { expect, test } from 'vitest';
import { EventBus, fitMany, MLPClassifier, SheafContext, type TimedEvent } from '../../src/index.js';
import { blobs } from '../mlp/blobs.js';
import { kill } from '../support/footprint.js';
import { footprintOfEachTest } from '../support/tracked.js';

const footprint = footprintOfEachTest();

/** Six networks, somebody meddling when slots begin to train them. */
async function weights(master: string, meddle?: (sc: SheafContext) => void): Promise<string[]> {
  const bus = new EventBus();
  const sc = await SheafContext.create({ master, bus, conf: { 'sheaf.executor.leaseMs': '3000' } });
  let meddled = false;
  bus.listen((event: TimedEvent) => {
    if (meddled || event.event !== 'stage-start' || event.name !== 'train many networks') return;
    meddled = true;
    meddle?.(sc);
  });
  try {
    const { x, y } = blobs(400, { classes: 3, seed: 2, distance: 5 });
    const columns = Object.fromEntries(
      [0, 1, 2, 3].map((k) => [`x${k}`, Float32Array.from(x, (row) => row[k]!)] as const),
    );
    const table = sc.table({ ...columns, label: y }, { partitions: 3 }).assemble(Object.keys(columns));
    const options = { hidden: [16], epochs: 60, batchSize: 32, shards: 3 };
    const estimators = [1, 2, 3, 4, 5, 6].map((seed) => new MLPClassifier({ ...options, seed }));
    const models = await fitMany(estimators, table);
    expect(meddled).toBe(true);
    return models.map((model) => model.weightsHash);
  } finally {
    await sc.stop();
  }
}

test('many networks are the same after kill -9 of a slot, and of an executor with the rows it held', async () => {
  const expected = await weights('local[1]');
  expect(await weights('local[2]', () => kill(footprint().slots()[1]!.pid))).toEqual(expected);
  expect(await weights('local-cluster[2,1]', (sc) => kill(sc.tasks.executors()[1]!.pid))).toEqual(expected);
});
