import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ClassifierOptions, MLPClassifier, type SheafContext, type TimedEvent } from 'sheaf';
import { expect, it } from 'vitest';
import { blobs, readBlobs, writeBlobs } from '../mlp/blobs.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { kill } from '../support/footprint.js';
import { footprintOfAllTests } from '../support/tracked.js';

const footprint = footprintOfAllTests();
const directory = directoryOfAllTests('residuals');
const data = writeBlobs(join(directory, 'data'), blobs(300), 5);
let meddle: (event: TimedEvent) => void = () => {};
const one = contextOfAllTests('local[1]');
const conf = { 'sheaf.train.rebalance': 'false' }; // generations are formed for losses alone
const two = contextOfAllTests('local[2]', { conf, listen: (event) => meddle(event) });

const wire = { kind: 'top-k', share: 0.1 } as const;
// 10 steps an epoch; a network of two slices, so that each member owns one and owes the other's owner something.
const OPTIONS = { hidden: [128, 64], epochs: 3, batchSize: 32, seed: 5, shards: 4 } satisfies ClassifierOptions;
const trainOn = (context: () => SheafContext, options: ClassifierOptions) =>
  new MLPClassifier({ ...OPTIONS, ...options }).fit(readBlobs(context(), data, 4, 3));
let folders = 0;
const checkpoint = () => ({ path: join(directory, `c${folders++}`), everySteps: 4 });

it.each([
  ['allreduce', { aggregation: 'allreduce', allReduce: { wire } }],
  ['ps', { aggregation: 'ps', servers: 2, filters: { wire } }],
  ['ps, of some size only', { aggregation: 'ps', filters: { wire: { kind: 'threshold', threshold: 0.5 } } }],
] as const)('what was not sent yet survives a driver, in checkpoints, and a slot (%s)', async (_what, exchange) => {
  const whole = await trainOn(two, exchange);

  const kept = checkpoint();
  await trainOn(two, { ...exchange, checkpoint: kept, onStep: ({ step }) => step < 14 });
  const last = readdirSync(kept.path).at(-1)!;
  const residuals = readdirSync(join(kept.path, last)).filter((file) => file.startsWith('residual'));
  expect([last, ...residuals]).toEqual(['step-000000000012', 'residual-0.bin', 'residual-1.bin']);
  const resumed = await trainOn(two, { ...exchange, checkpoint: kept });
  expect(resumed.weightsHash).toBe(whole.weightsHash);
  expect(resumed.losses).toEqual(whole.losses);

  const generations = new Set<number>();
  meddle = (event) => {
    if (event.event !== 'round') return;
    if (event.epoch === 1) kill(footprint().slots().at(-1)!.pid);
    generations.add(event.generation);
  };
  const killed = await trainOn(two, exchange);
  meddle = () => {};
  expect(generations).toEqual(new Set([0, 1]));
  expect(killed.weightsHash).toBe(whole.weightsHash);
  expect(killed.losses).toEqual(whole.losses);
});

it('survives in the slots that live where servers go on from what they have acknowledged', async () => {
  const generations = new Set<number>();
  meddle = (event) => {
    if (event.event !== 'round') return;
    if (event.epoch === 1) kill(footprint().slots().at(-1)!.pid);
    generations.add(event.generation);
  };
  const { losses } = await trainOn(two, { aggregation: 'ps', consistency: 'async', filters: { wire } });
  meddle = () => {};
  expect(generations).toEqual(new Set([0, 1]));
  expect(losses).toHaveLength(3);
  expect(losses[2]!).toBeLessThan(losses[0]!);
});

it('goes on with another number of slots, and with another way to merge', async () => {
  const exchange = { aggregation: 'allreduce', allReduce: { wire } } as const;
  const whole = await trainOn(two, exchange);
  for (const [context, others] of [
    [one, exchange],
    [two, { aggregation: 'tree' }],
    [one, { aggregation: 'ps', filters: { wire } }],
  ] as const) {
    const kept = checkpoint();
    await trainOn(two, { ...exchange, checkpoint: kept, onStep: ({ step }) => step < 14 });
    const { losses, weightsHash } = await trainOn(context, { ...others, checkpoint: kept });
    expect(losses.slice(0, 1)).toEqual(whole.losses.slice(0, 1));
    expect(losses[2]!).toBeLessThan(losses[0]!);
    expect(weightsHash).not.toBe(whole.weightsHash);
  }
});
