import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClassifierOptions, fitMany, MLPClassifier, type SheafContext } from 'sheaf';
import { describe, expect, it } from 'vitest';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { blobs, readBlobs, writeBlobs } from './blobs.js';

const directory = directoryOfAllTests('checkpoints');
const data = writeBlobs(join(directory, 'data'), blobs(300), 5);
const one = contextOfAllTests('local[1]');
const two = contextOfAllTests('local[2]');

// 10 steps an epoch, a checkpoint in the middle of one. Dropout and Adam: randomness and optimizer state must come back too.
const OPTIONS = { hidden: [8], dropout: 0.2, epochs: 3, batchSize: 32, seed: 5, shards: 4 } satisfies ClassifierOptions;
const trainOn = (context: () => SheafContext, options: ClassifierOptions, folder = data) =>
  new MLPClassifier({ ...OPTIONS, ...options }).fit(readBlobs(context(), folder, 4, 3));
let folders = 0;
const checkpoint = (more: object = {}) => ({ path: join(directory, `c${folders++}`), everySteps: 4, ...more });

describe('a training that ended in the middle of an epoch', () => {
  it.each(['tree', 'allreduce', 'ps'] as const)('goes on to the same bits on other slots (%s)', async (aggregation) => {
    const whole = await trainOn(one, { aggregation });
    const kept = checkpoint({ keep: 2 });
    await trainOn(two, { aggregation, checkpoint: kept, onStep: ({ step }) => step < 14 });
    expect(readdirSync(kept.path)).toEqual(['step-000000000010', 'step-000000000012']);
    const steps: number[] = [];
    const onStep = ({ step }: { step: number }) => void steps.push(step);
    const resumed = await trainOn(one, { aggregation, checkpoint: kept, onStep });
    expect(steps).toEqual(Array.from({ length: 18 }, (_, k) => 13 + k));
    expect(resumed.weightsHash).toBe(whole.weightsHash);
    expect(resumed.losses).toEqual(whole.losses);
  });

  it('goes on watching: best weights, patience and measures of the epochs before are not forgotten', async () => {
    const watched = {
      epochs: 30,
      optimizer: { kind: 'adam', learningRate: 0.2 },
      earlyStopping: { patience: 3 },
    } as const;
    const whole = await trainOn(one, watched);
    expect(whole.losses.length).toBeLessThan(30);
    const kept = checkpoint();
    const crash = ({ epoch }: { epoch: number }) => {
      if (epoch === 3) throw new Error('crash');
    };
    await expect(trainOn(two, { ...watched, checkpoint: kept, onEpoch: crash })).rejects.toThrow('crash');
    for (const context of [one, two]) {
      // The second time it is over, and nothing is trained.
      const resumed = await trainOn(context, { ...watched, checkpoint: kept });
      expect(resumed.weightsHash).toBe(whole.weightsHash);
      expect(resumed.epoch).toBe(whole.epoch);
      expect(resumed.losses).toEqual(whole.losses);
      expect(resumed.validation).toEqual(whole.validation);
    }
  });

  it('is over at once when it was at its end', async () => {
    const kept = checkpoint();
    const whole = await trainOn(two, { checkpoint: kept });
    const again = await trainOn(one, { checkpoint: { ...kept, resume: 'always' }, onStep: () => expect.unreachable() });
    expect(again.weightsHash).toBe(whole.weightsHash);
    expect(again.losses).toEqual(whole.losses);
    expect(again.backend).toBe(whole.backend);
  });

  it('begins anew when it is told to', async () => {
    const kept = checkpoint();
    const first = await trainOn(two, { checkpoint: kept, onStep: ({ step }) => step < 5 });
    const whole = await trainOn(two, { checkpoint: { ...kept, resume: 'never' } });
    expect(whole.weightsHash).not.toBe(first.weightsHash);
    expect(whole.losses).toHaveLength(3);
  });
});

describe('what computes otherwise than a checkpoint was computed', () => {
  const warnings: string[] = [];
  const other = contextOfAllTests('local[1]', {
    conf: { 'sheaf.backend': 'tfjs-wasm' },
    listen: (event) => event.event === 'warning' && warnings.push(event.message),
  });

  it('goes on from it with a warning that names both', async () => {
    const kept = checkpoint();
    const half = { checkpoint: kept, onStep: ({ step }: { step: number }) => step < 10 };
    await trainOn(one, half);
    const header = join(kept.path, 'step-000000000010', 'checkpoint.json');
    const { builds } = JSON.parse(readFileSync(header, 'utf8')).checkpoint;
    expect(builds).toEqual([expect.stringMatching(/^tensorflow /)]);
    const resumed = await trainOn(other, { checkpoint: kept });
    expect(resumed.losses).toHaveLength(3);
    const of = (step: number) =>
      expect.stringMatching(new RegExp(`after ${step} updates: until here .* by tensorflow .*, .* by tfjs-wasm `));
    expect(warnings).toEqual([of(10)]);
    await trainOn(other, { checkpoint: kept, onStep: () => expect.unreachable() });
    expect(warnings).toHaveLength(1);
  });

  it('says so of networks trained together, once for all of them', async () => {
    const estimators = [0, 1].map(() => new MLPClassifier({ ...OPTIONS, checkpoint: checkpoint() }));
    const part = ({ epoch }: { epoch: number }) => (epoch < 2 ? undefined : ('stop' as const));
    const first = estimators.map(({ options }) => new MLPClassifier({ ...options, onEpoch: part }));
    await fitMany(first, readBlobs(one(), data, 4, 3));
    warnings.length = 0;
    const models = await fitMany(estimators, readBlobs(other(), data, 4, 3));
    expect(models.map(({ losses }) => losses.length)).toEqual([3, 3]);
    expect(warnings).toEqual([
      expect.stringMatching(/^networks trained together: until here .* by tensorflow .*, .* by tfjs-wasm /),
    ]);
  });
});

describe('a checkpoint is refused', () => {
  const stopped = async () => {
    const kept = checkpoint();
    await trainOn(two, { checkpoint: kept, onStep: ({ step }) => step < 5 });
    return kept;
  };

  it('for another plan', async () => {
    const kept = await stopped();
    await expect(trainOn(two, { checkpoint: kept, seed: 6 })).rejects.toThrow(
      /cannot go on from .*step-000000000004: the numerical plan has changed: seed 5 became 6; begin anew, with another path/,
    );
  });

  it('for more epochs, and what it says to do instead works', async () => {
    const kept = await stopped();
    await expect(trainOn(two, { checkpoint: kept, epochs: 5 })).rejects.toThrow(
      /epochs 3 became 5; .* fit with the former options gives the model, and a fit with another path and warmStart: model goes on/,
    );
    const model = await trainOn(two, { checkpoint: kept });
    const further = await trainOn(two, { checkpoint: checkpoint(), epochs: 2, warmStart: model });
    expect(further.losses[0]).toBeLessThan(model.losses[0]!);
    expect(further.losses).toHaveLength(2);
  });

  it('for rows that have changed, or stand in another order', async () => {
    const kept = await stopped();
    const { x, y } = blobs(300);
    const other = writeBlobs(join(directory, 'other'), { x: [...x].reverse(), y: [...y].reverse() }, 5);
    await expect(trainOn(two, { checkpoint: kept }, other)).rejects.toThrow(
      'the training rows are not those it was written for',
    );
  });

  it('where none can be written, before the training', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'below'), '/proc/none'])
      await expect(
        trainOn(one, { checkpoint: { path, resume: 'never' }, onStep: () => expect.unreachable() }),
      ).rejects.toThrow(`checkpoint: no checkpoints can be written to ${path}: `);
  });

  it('when there must be one and is none', async () => {
    const none = checkpoint({ resume: 'always' });
    await expect(trainOn(two, { checkpoint: none })).rejects.toThrow(
      `there is no checkpoint to go on from in ${none.path}`,
    );
  });

  it('when its options are not right', () => {
    expect(() => new MLPClassifier({ checkpoint: { path: '' } })).toThrow('MLPClassifier: checkpoint must be { path');
    expect(() => new MLPClassifier({ checkpoint: { path: 'a', every: 3 } as never })).toThrow('checkpoint must be');
  });
});
