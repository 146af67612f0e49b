import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClassifierOptions,
  CrossValidator,
  EventBus,
  fitMany,
  MLPClassifier,
  MLPRegressor,
  paramGrid,
  SheafContext,
  type TimedEvent,
} from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs } from './blobs.js';

let sc: SheafContext;
const folder = mkdtempSync(join(tmpdir(), 'fit-many-'));
const events: TimedEvent[] = [];

beforeAll(async () => {
  const bus = new EventBus();
  bus.listen((event) => events.push(event));
  sc = await SheafContext.create({ master: 'local[2]', bus, conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(async () => {
  await sc.stop();
  rmSync(folder, { recursive: true, force: true });
});

const X = ['x0', 'x1', 'x2', 'x3'];
const SMALL = { hidden: [8], epochs: 4, batchSize: 32, shards: 3 } as const;

function blobTable(rows: number, seed = 2) {
  const { x, y } = blobs(rows, { classes: 3, seed, distance: 5 });
  const columns = Object.fromEntries(X.map((name, k) => [name, Float32Array.from(x, (row) => row[k]!)]));
  const weight = Float32Array.from(y, (_, row) => 1 + (row % 3));
  return sc.table({ ...columns, weight, label: y }, { partitions: 3 }).assemble(X);
}

describe('features', () => {
  it('read from disk step by step train the same network as features in memory', async () => {
    const table = blobTable(200).cache();
    for (const precision of ['float32', 'bf16'] as const) {
      const trained = (residency: 'memory' | 'stream') =>
        new MLPClassifier({ ...SMALL, seed: 1, precision, residency }).fit(table, { weight: 'weight' });
      const [memory, stream] = [await trained('memory'), await trained('stream')];
      expect(stream.weightsHash).toBe(memory.weightsHash);
      expect(stream.plan.hash).toBe(memory.plan.hash);
      expect((await stream.evaluate(table)).accuracy).toBeGreaterThan(0.8);
    }
  });
});

describe('fitMany', () => {
  it('gives every estimator the model that its own fit gives it', async () => {
    const table = blobTable(200).cache();
    const warmStart = await new MLPClassifier({ ...SMALL, seed: 9 }).fit(table);
    const estimators = [
      new MLPClassifier({ ...SMALL, seed: 1 }),
      new MLPClassifier({ ...SMALL, seed: 1, learningRate: 0.02 }),
      new MLPClassifier({ ...SMALL, seed: 2, l2: 0.01, clipNorm: 0.5 }),
      new MLPClassifier({ ...SMALL, seed: 1, optimizer: 'sgd', schedule: { kind: 'cosine', over: { epochs: 4 } } }),
      new MLPClassifier({ ...SMALL, warmStart }),
    ];
    const columns = { weight: 'weight' };
    const models = await fitMany(estimators, table, columns);
    for (const [i, estimator] of estimators.entries()) {
      const own = await estimator.fit(table, columns);
      expect(models[i]!.weightsHash).toBe(own.weightsHash);
      expect(models[i]!.losses).toEqual(own.losses);
      expect(models[i]!.plan).toEqual(own.plan);
    }
    expect(await models[0]!.evaluate(table)).toMatchObject({ rows: 200 });
  });

  it('gives, all shards in one call of one slot, the bits of every way to merge shards of two slots', async () => {
    const table = blobTable(300).cache();
    const options = { ...SMALL, hidden: [16], shards: 5, seed: 3 };
    const [alone] = await fitMany([new MLPClassifier(options)], table);
    for (const aggregation of ['tree', 'ps', 'allreduce'] as const) {
      const merged = await new MLPClassifier({ ...options, aggregation }).fit(table);
      expect(merged.weightsHash).toBe(alone!.weightsHash);
    }
  });

  it('says which of them stands in the way, and which diverged', async () => {
    const table = blobTable(60);
    const one = new MLPClassifier(SMALL);
    const fits = (...others: (MLPClassifier | MLPRegressor)[]) => fitMany<any>([one, ...others], table);
    await expect(fitMany([], table)).rejects.toThrow('at least one');
    await expect(fitMany(one as never, table)).rejects.toThrow(
      'fitMany: give an array of estimators, not MLPClassifier',
    );
    await expect(fits({ hidden: [8] } as never)).rejects.toThrow(
      'fitMany: estimator 1 must be an MLPClassifier or an MLPRegressor, not { hidden: [Array] }',
    );
    await expect(fits(one, new MLPRegressor(SMALL))).rejects.toThrow('fitMany: estimators 0 and 2 are of two kinds');
    await expect(fits(new MLPClassifier({ ...SMALL, hidden: [9] }))).rejects.toThrow('0 and 1 differ in network');
    await expect(fits(one, new MLPClassifier({ ...SMALL, epochs: 5 }))).rejects.toThrow('0 and 2 differ in epochs');
    await expect(fits(new MLPClassifier({ ...SMALL, onStep: () => true }))).rejects.toThrow(
      'estimator 1 has the option onStep, which needs a fit of its own',
    );
    await expect(fits(new MLPClassifier({ ...SMALL, earlyStopping: true }))).rejects.toThrow(
      'estimators 0 and 1 hold out different rows',
    );
    const checkpoint = { path: join(folder, 'shared') };
    const kept = new MLPClassifier({ ...SMALL, checkpoint });
    await expect(fitMany([kept, kept], table)).rejects.toThrow('estimators 0 and 1 keep checkpoints in one folder');
    await expect(fits(new MLPClassifier({ ...SMALL, learningRate: 1e30 }))).rejects.toMatchObject({
      name: 'DivergedError',
      message: expect.stringMatching(/^fitMany: estimator 1: .* in epoch 1 of /),
    });
  });

  it.each(['a table', 'a share'])('ends each network by itself, by rows held out (%s)', async (held) => {
    const table = blobTable(200).cache();
    const validation = held === 'a table' ? blobTable(60).cache() : 0.25;
    const of = (learningRate: number, patience: number, other: object = {}) =>
      new MLPClassifier({
        ...{ ...SMALL, epochs: 12, seed: 4, learningRate, ...other },
        earlyStopping: {
          validation,
          patience,
          minDelta: 0.02,
          ...(patience === 3 && { monitor: 'accuracy' as const }),
        },
      });
    const estimators = [of(0.5, 1), of(0.05, 2), of(0.1, 3), of(0.001, 12, { l2: 0.1 })];
    const models = await fitMany(estimators, table, { weight: 'weight' });
    const epochs = new Set<number>();
    for (const [i, estimator] of estimators.entries()) {
      const own = await estimator.fit(table, { weight: 'weight' });
      const { weightsHash, losses, validation: seen, epoch } = models[i]!;
      expect({ weightsHash, losses, seen, epoch }).toEqual({
        ...{ weightsHash: own.weightsHash, losses: own.losses, seen: own.validation, epoch: own.epoch },
      });
      epochs.add(losses.length);
    }
    expect(epochs.size).toBeGreaterThan(1);
    expect(Math.max(...epochs)).toBe(12);
  });

  it("tells each network's epochs to its own onEpoch, which ends it alone", async () => {
    const table = blobTable(200).cache();
    const validation = blobTable(60).cache();
    const seen: object[][] = [];
    const of = (k: number, last: number, other: object = {}) => {
      seen[k] = [];
      const onEpoch = async (report: { readonly epoch: number }) => {
        seen[k]!.push(report);
        await new Promise((resolve) => setTimeout(resolve));
        return report.epoch === last ? 'stop' : undefined;
      };
      return new MLPClassifier({ ...SMALL, seed: k, onEpoch, ...other });
    };
    const watched = { earlyStopping: { validation, patience: 2, minDelta: 10 } };
    const estimators = () => [of(0, 2), of(1, 9), of(2, 9, watched), new MLPClassifier({ ...SMALL, seed: 3 })];
    const together = await fitMany(estimators(), table);
    const told = [...seen];
    for (const [i, estimator] of estimators().entries()) {
      const own = await estimator.fit(table);
      expect(together[i]!.losses).toEqual(own.losses);
      expect(together[i]!.weightsHash).toBe(own.weightsHash);
    }
    expect(told).toEqual(seen);
    expect(together.map(({ losses }) => losses.length)).toEqual([2, 4, 3, 4]);
    expect(told[2]![0]).toEqual({ epoch: 1, loss: together[2]!.losses[0], validation: together[2]!.validation![0] });
    const failing = (onEpoch: ClassifierOptions['onEpoch']) => fitMany([of(0, 9), of(1, 9, { onEpoch })], table);
    const mine = new Error('mine');
    await expect(
      failing(() => {
        throw mine;
      }),
    ).rejects.toBe(mine);
    await expect(failing(() => 'halt')).rejects.toThrow("MLPClassifier.fit: onEpoch returned 'halt'");
    await expect(failing((_, training) => training.setConsistency('async'))).rejects.toThrow(
      'networks fitted together exchange nothing',
    );
  });

  it('goes on from checkpoints of every network, as its own fit does from those of many', async () => {
    const table = blobTable(200).cache();
    const validation = blobTable(60).cache();
    const options = { ...SMALL, epochs: 6, earlyStopping: { validation, patience: 2, minDelta: 0.02 } };
    const of = (name: string | undefined, seed: number, other: object = {}) => {
      const checkpoint =
        name === undefined ? undefined : { path: join(folder, `${name}-${seed}`), everySteps: 5, keep: 1 };
      return new MLPClassifier({ ...options, seed, checkpoint, learningRate: 0.05 / seed, ...other });
    };
    const seeds = [1, 2, 3];
    const whole = await fitMany(
      seeds.map((seed) => of(undefined, seed)),
      table,
    );
    // Broken off at different places: in the middle of the second epoch, of the third one, and before the first step.
    await of('broken', 1, { onStep: ({ step }: { step: number }) => step < 12 || 'stop' }).fit(table);
    await of('broken', 2, { onStep: ({ step }: { step: number }) => step < 16 || 'stop' }).fit(table);
    const resumed = await fitMany(
      seeds.map((seed) => of('broken', seed)),
      table,
    );
    const told = ({ weightsHash, losses, validation: seen, epoch }: (typeof whole)[number]) => ({
      ...{ weightsHash, losses, seen, epoch },
    });
    expect(resumed.map(told)).toEqual(whole.map(told));
    // Over: nothing is left to do but to read it.
    for (const [i, seed] of seeds.entries())
      expect(told(await of('broken', seed, { onStep: () => expect.fail('a step was made') }).fit(table))).toEqual(
        told(whole[i]!),
      );
    await expect(fitMany([of('broken', 1), of('other', 1)], blobTable(200, 3))).rejects.toThrow(
      'the training rows are not those it was written for',
    );
    await expect(fitMany([of('broken', 1, { l2: 0.5 }), of('other', 1)], table)).rejects.toThrow(
      'the numerical plan has changed',
    );
  });

  it('trains the grid of a cross-validation at once, to the same choice', async () => {
    const table = blobTable(150).cache();
    const grid = paramGrid({ learningRate: [0.001, 0.05, 1e30], seed: [1, 2] });
    const of = (extra: object) =>
      new CrossValidator({
        estimator: (params: { learningRate: number; seed: number }) =>
          new MLPClassifier({ ...SMALL, ...params, ...extra }),
        ...{ grid, metric: 'logLoss' as const, folds: 2 },
      }).fit(table);
    events.length = 0;
    const together = await of({});
    const jobs = events.filter(({ event }) => event === 'round').length;
    expect(jobs).toBe(SMALL.epochs); // of the best one's last fit alone
    const apart = await of({ onEpoch: () => true });
    expect(together.foldMetrics).toEqual(apart.foldMetrics);
    expect(together.bestIndex).toBe(apart.bestIndex);
    expect(together.foldMetrics[5]!.every(Number.isNaN)).toBe(true);
  });
});
