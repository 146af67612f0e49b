import { describe, expect, test } from 'vitest';
import type { ClassifierOptions, TimedEvent } from '../../src/index.js';
import { trainSample } from '../jobs/train-sample.js';
import { clusterOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';
import { root } from '../support/sheaf.js';

const EPOCHS = 6;
const DATA = `${root}data/motionsense-sample`;

/** Called with each event while the disturbed training runs. */
let meddle: (event: TimedEvent) => void = () => {};
const { sc: one } = clusterOfAllTests('local[1]');

/** What a training keeps besides weights and the optimizer's slots is not lost with a slot or an executor. */
describe('on two executors', () => {
  const { sc: two } = clusterOfAllTests('local-cluster[2,1]', { listen: (event) => meddle(event) });

  test.each([
    ['elastic averaging', 'allreduce', { elastic: { period: 3 } }],
    ['elastic averaging', 'ps', { elastic: { period: 3 } }],
    ['a growing batch', 'tree', { batchSize: { min: 64 }, optimizer: { kind: 'sgd', learningRate: 0.02 } }],
    ['l-bfgs', 'allreduce', { optimizer: 'l-bfgs', batchSize: undefined }],
  ] as const)(
    '%s by %s: the same bits after kill -9 of an executor',
    async (_name, aggregation, options: ClassifierOptions) => {
      const { weightsHash } = await trainSample(one(), DATA, EPOCHS, aggregation, options);
      let generations = 0;
      let killed = false;
      meddle = (event) => {
        if (event.event !== 'round') return;
        generations = Math.max(generations, event.generation);
        if (event.epoch === 3 && !killed) kill(two().tasks.executors()[0]!.pid);
        killed ||= event.epoch === 3;
      };
      const disturbed = await trainSample(two(), DATA, EPOCHS, aggregation, options);
      expect(disturbed).toMatchObject({ weightsHash, epochs: EPOCHS });
      expect(generations).toBeGreaterThan(0);
    },
  );
});
