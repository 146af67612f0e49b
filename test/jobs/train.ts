/** Trains a small network on the sample of MotionSense; `--epochs`, `--aggregation`, `--checkpoints`. Expected: one hash, whatever happens. */
import { parseArgs } from 'node:util';
import type { ClassifierOptions, SheafContext } from 'sheaf';
import { trainSample } from './train-sample.js';

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      epochs: { type: 'string', default: '20' },
      aggregation: { type: 'string', default: 'tree' },
      checkpoints: { type: 'string' },
      every: { type: 'string', default: '7' },
      data: { type: 'string', default: 'data/motionsense-sample' },
    },
  });
  const { epochs, aggregation, checkpoints, every, data } = values;
  const checkpoint = checkpoints === undefined ? undefined : { path: checkpoints, everySteps: Number(every) };
  return trainSample(sc, data, Number(epochs), aggregation as ClassifierOptions['aggregation'], { checkpoint });
}
