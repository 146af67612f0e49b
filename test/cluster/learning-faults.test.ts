import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ClassifierOptions, EventBus, SheafContext } from '../../src/index.js';
import { trainSample } from '../jobs/train-sample.js';
import { Footprint, kill } from '../support/footprint.js';
import { root } from '../support/sheaf.js';

const EPOCHS = 6;
const DATA = `${root}data/motionsense-sample`;

let footprint: Footprint;
const environment = { ...process.env };

beforeEach(() => {
  footprint = new Footprint();
  Object.assign(process.env, footprint.environment);
});
afterEach(async () => {
  expect(await footprint.gone(5000)).toEqual([]);
  footprint.remove();
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
});

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
