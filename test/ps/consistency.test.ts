import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { type ClassifierOptions, MLPClassifier, type SheafContext, type TimedEvent } from 'sheaf';
import { beforeEach, describe, expect, it } from 'vitest';
import { blobs, readBlobs, writeBlobs } from '../mlp/blobs.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';

const directory = directoryOfAllTests('consistency');
// Shards of unlike size: parts of steps add up to no whole ones.
const data = writeBlobs(join(directory, 'data'), blobs(301), 5);
let events: TimedEvent[] = [];
const one = contextOfAllTests('local[1]');
const two = contextOfAllTests('local[2]', { listen: (event) => void events.push(event) });
beforeEach(() => {
  events = [];
});

const OPTIONS = { hidden: [64], epochs: 3, batchSize: 32, seed: 5, shards: 4 } satisfies ClassifierOptions;
const trainOn = (context: () => SheafContext, options: ClassifierOptions) =>
  new MLPClassifier({ ...OPTIONS, ...options }).fit(readBlobs(context(), data, 4, 3));
const changes = () =>
  events.flatMap((event) => (event.event === 'plan' && /^consistency/.test(event.what) ? [event] : []));

describe('consistency is changed while a training runs', () => {
  it('from async to sync: from there on each step has the bits of every synchronous training', async () => {
    const path = join(directory, 'async-sync');
    const changed = await trainOn(two, {
      ...{ aggregation: 'ps', servers: 2, consistency: 'async', checkpoint: { path } },
      onEpoch: (_report, training) => training.setConsistency('sync'),
    });
    expect(changes()).toMatchObject([
      { what: expect.stringMatching(/from update 11 on$/), choice: 'sync', reason: 'setConsistency; async before' },
    ]);
    // What the asynchronous epoch came to is like no other run's; the rest follows from it.
    const since = join(directory, 'since');
    cpSync(join(path, 'step-000000000010'), join(since, 'step-000000000010'), { recursive: true });
    const checkpoint = { path: since, resume: 'always' } as const;
    const replayed = await trainOn(one, { aggregation: 'allreduce', checkpoint });
    expect(replayed.weightsHash).toBe(changed.weightsHash);
    expect(replayed.losses).toEqual(changed.losses);
  });

  it('from sync to a bounded delay to none, in the middle of an epoch: the bits before are those of sync', async () => {
    const losses = async (options: ClassifierOptions) => {
      const seen: number[] = [];
      await trainOn(two, {
        ...{ aggregation: 'ps', filters: { wire: 'float32' } },
        ...options,
        onStep: ({ loss, step }, training) => {
          seen.push(loss);
          return options.onStep?.({ step } as never, training);
        },
      });
      return seen;
    };
    const sync = await losses({});
    const loosened = await losses({
      onStep: ({ step }, training) => {
        if (step === 4) training.setConsistency({ staleness: 3 });
        if (step === 14) training.setConsistency('async');
      },
    });
    // A step's loss is that of the weights before its update: both members begin the fifth with the same.
    expect(loosened.slice(0, 5)).toEqual(sync.slice(0, 5));
    expect(loosened).toHaveLength(30);
    expect(loosened.at(-1)!).toBeLessThan(loosened[0]! / 2);
    expect(changes().map(({ choice }) => choice)).toEqual(['staleness 3', 'async']);
  });

  it('and so is a training that goes on from a checkpoint: with what was set last', async () => {
    const path = join(directory, 'resumed');
    const since = join(directory, 'resumed-since');
    const options = { aggregation: 'ps', servers: 2, consistency: 'async', checkpoint: { path } } as const;
    await trainOn(two, {
      ...options,
      onEpoch: (_report, training) => {
        training.setConsistency('sync');
        return 'stop';
      },
    });
    cpSync(path, since, { recursive: true });
    const resumed = await trainOn(two, options);
    expect(changes()).toMatchObject([{ what: expect.stringMatching(/from update 11 on$/), choice: 'sync' }]);
    const replayed = await trainOn(one, { aggregation: 'allreduce', checkpoint: { path: since, resume: 'always' } });
    expect(replayed.weightsHash).toBe(resumed.weightsHash);
  });

  it('in the middle of an epoch too; who asks consistencyOf is told by that', async () => {
    const checkpoint = { path: join(directory, 'resumed-step'), everySteps: 4 };
    const options = { aggregation: 'ps', checkpoint } as const;
    const bounded = { staleness: 3 };
    await trainOn(two, {
      ...options,
      onStep: ({ step }, training) => {
        if (step === 2) training.setConsistency(bounded);
        return step < 4 || 'stop';
      },
    });
    const choices = async (more: ClassifierOptions) => {
      events = [];
      await trainOn(two, { ...options, ...more });
      return changes().map(({ choice, what }) => [what.slice(what.indexOf('from ')), choice]);
    };
    expect(await choices({ onStep: ({ step }) => step < 8 || 'stop' })).toEqual([['from update 5 on', 'staleness 3']]);
    expect(await choices({ consistencyOf: () => 'sync', onStep: ({ step }) => step < 9 || 'stop' })).toEqual([]);
    // Checkpoints since then say so too.
    expect(await choices({})).toEqual([['from update 9 on', 'staleness 3']]);
  });

  it('is refused where it cannot be', async () => {
    const changed = (consistency: unknown, options: ClassifierOptions) =>
      trainOn(one, { epochs: 1, ...options, onEpoch: (_, training) => training.setConsistency(consistency as never) });
    await expect(changed('async', { aggregation: 'allreduce' })).rejects.toThrow(
      "setConsistency needs aggregation 'ps', parameter servers, not 'allreduce'",
    );
    await expect(changed('soon', { aggregation: 'ps' })).rejects.toThrow(
      "setConsistency takes 'sync', 'async' or { staleness: a whole number of at least 0 }, not 'soon'",
    );
    await expect(changed('async', { aggregation: 'ps', noiseScale: true })).rejects.toThrow(
      "setConsistency: measuring the noise of gradients needs consistency 'sync'",
    );
    await expect(changed('async', { consistencyOf: () => 'sync' })).rejects.toThrow(
      'setConsistency and consistencyOf exclude each other',
    );
  });
});

it('consistencyOf changes it from epoch to epoch', async () => {
  await trainOn(two, { consistencyOf: (epoch) => (epoch === 2 ? { staleness: 1 } : 'sync') });
  expect(changes().map(({ choice, what }) => [what.slice(-17), choice])).toEqual([
    ['from update 11 on', 'staleness 1'],
    ['from update 21 on', 'sync'],
  ]);
});
