import { expect, test } from 'vitest';
import { type ClassifierOptions, EventBus, SheafContext } from '../../src/index.js';
import { trainSample } from '../jobs/train-sample.js';
import { kill } from '../support/footprint.js';
import { root } from '../support/sheaf.js';
import { footprintOfEachTest } from '../support/tracked.js';

const EPOCHS = 6;
const DATA = `${root}data/motionsense-sample`;

footprintOfEachTest();

async function run(
  master: string,
  aggregation: ClassifierOptions['aggregation'],
  options: ClassifierOptions,
  meddle?: (sc: SheafContext) => void,
) {
  const bus = new EventBus();
  const sc = await SheafContext.create({ master, bus, conf: { 'sheaf.executor.leaseMs': '3000' } });
  let generations = 0;
  let done = false;
  bus.listen((event) => {
    if (event.event !== 'round') return;
    generations = Math.max(generations, event.generation);
    if (event.epoch === 3 && !done) meddle?.(sc);
    done ||= event.epoch === 3;
  });
  try {
    return { ...(await trainSample(sc, DATA, EPOCHS, aggregation, options)), generations };
  } finally {
    await sc.stop();
  }
}

/** What a training keeps besides weights and the optimizer's slots is not lost with a slot or an executor. */
test.each([
  ['elastic averaging', 'allreduce', { elastic: { period: 3 } }],
  ['elastic averaging', 'ps', { elastic: { period: 3 } }],
  ['a growing batch', 'tree', { batchSize: { min: 64 }, optimizer: { kind: 'sgd', learningRate: 0.02 } }],
  ['l-bfgs', 'allreduce', { optimizer: 'l-bfgs', batchSize: undefined }],
] as const)('%s by %s: the same bits after kill -9 of an executor', async (_name, aggregation, options) => {
  const { weightsHash } = await run('local[1]', aggregation, options);
  const meddle = (sc: SheafContext) => kill(sc.tasks.executors()[0]!.pid);
  const disturbed = await run('local-cluster[2,1]', aggregation, options, meddle);
  expect(disturbed).toMatchObject({ weightsHash, epochs: EPOCHS });
  expect(disturbed.generations).toBeGreaterThan(0);
});
