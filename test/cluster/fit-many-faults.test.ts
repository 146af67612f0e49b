import { expect, test } from 'vitest';
import { EventBus, fitMany, MLPClassifier, SheafContext, type TimedEvent } from '../../src/index.js';
import { blobs } from '../mlp/blobs.js';
import { kill } from '../support/footprint.js';
import { footprintOfEachTest } from '../support/tracked.js';

const footprint = footprintOfEachTest();

/** Six networks, somebody meddling when slots begin to train them for the n-th time. */
async function weights(master: string, watched: boolean, meddle?: (sc: SheafContext) => void): Promise<string[]> {
  const bus = new EventBus();
  const sc = await SheafContext.create({ master, bus, conf: { 'sheaf.executor.leaseMs': '3000' } });
  let rounds = 0;
  bus.listen((event: TimedEvent) => {
    if (event.event !== 'stage-start' || event.name !== 'train many networks') return;
    if (++rounds === (watched ? 4 : 1)) meddle?.(sc);
  });
  try {
    const { x, y } = blobs(400, { classes: 3, seed: 2, distance: 5 });
    const columns = Object.fromEntries(
      [0, 1, 2, 3].map((k) => [`x${k}`, Float32Array.from(x, (row) => row[k]!)] as const),
    );
    const table = sc.table({ ...columns, label: y }, { partitions: 3 }).assemble(Object.keys(columns));
    const options = { hidden: [16], epochs: watched ? 12 : 60, batchSize: 32, shards: 3 };
    const earlyStopping = watched && { validation: table, patience: 3, minDelta: 0.01 };
    const told: string[] = [];
    const estimators = [1, 2, 3, 4, 5, 6].map((seed) => {
      const onEpoch = ({ epoch }: { epoch: number }) => void told.push(`epoch ${epoch} of ${seed}`);
      return new MLPClassifier({ ...options, seed, earlyStopping, ...(watched && { onEpoch }) });
    });
    const models = await fitMany(estimators, table);
    expect(told).toHaveLength(new Set(told).size);
    if (watched) expect(told).toHaveLength(models.reduce((sum, { losses }) => sum + losses.length, 0));
    expect(rounds).toBeGreaterThanOrEqual(watched ? 4 : 1);
    return models.map((model) => model.weightsHash);
  } finally {
    await sc.stop();
  }
}

test.each([
  ['trained in one round', false],
  ['watched after every epoch', true],
])(
  'many networks, %s, are the same after kill -9 of a slot, and of an executor with the rows it held',
  async (_, watched) => {
    const expected = await weights('local[1]', watched);
    expect(await weights('local[2]', watched, () => kill(footprint().slots()[1]!.pid))).toEqual(expected);
    const killed = await weights('local-cluster[2,1]', watched, (sc) => kill(sc.tasks.executors()[1]!.pid));
    expect(killed).toEqual(expected);
  },
);
