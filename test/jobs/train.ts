/** Trains a small network on the sample of MotionSense; `--epochs`, `--aggregation`. Expected: one hash, whatever happens. */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { trainSample } from './train-sample.js';

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      epochs: { type: 'string', default: '20' },
      aggregation: { type: 'string', default: 'tree' },
      data: { type: 'string', default: 'data/motionsense-sample' },
    },
  });
  return trainSample(sc, values.data, Number(values.epochs), values.aggregation as 'tree' | 'ps');
}
