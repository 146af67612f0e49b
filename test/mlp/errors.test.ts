import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClassifierOptions,
  DivergedError,
  type MLPClassificationModel,
  MLPClassifier,
  SheafContext,
  StandardScaler,
} from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initialTheta } from '../../src/mlp/layout.js';
import { blobs, readBlobs, writeBlobs } from './blobs.js';

let directory: string;
let folder: string;
let sc: SheafContext;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-errors-'));
  folder = writeBlobs(join(directory, 'good'), blobs(60), 3);
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

const SMALL: ClassifierOptions = { hidden: [8, 8], epochs: 3, batchSize: 16, shards: 4, seed: 2 };
const table = () => readBlobs(sc, folder, 4, 3);
const trained = (options: ClassifierOptions) => new MLPClassifier({ ...SMALL, ...options }).fit(table());

describe.each(['tree', 'ps'] as const)('a loss that is no number, by %s', (aggregation) => {
  const diverged = async (options: ClassifierOptions) => {
    const error = await trained({ aggregation, ...options }).then(
      () => undefined,
      (thrown) => thrown as DivergedError,
    );
    expect(error).toBeInstanceOf(DivergedError);
    return error!;
  };

  it('in the first epoch: says where and keeps the initial weights', async () => {
    const error = await diverged({ optimizer: { kind: 'adam', learningRate: 1e30 } });
    expect(error.message).toMatch(
      /^the loss became (NaN|Infinity) in epoch 1 of 3 \(update [2-4]\), in gradient shard \d.*: try a smaller learning rate, or scale the features; this error's lastGoodTheta holds the initial weights, as no epoch went well$/,
    );
    expect(error.epoch).toBe(1);
    const { network, seed } = (await trained({ epochs: 1 })).plan;
    expect(error.lastGoodTheta).toEqual(initialTheta(network, seed));
  });

  it('in a later one: keeps the weights after the last epoch with which it was a number', async () => {
    // Every update multiplies the weights by 1 - learningRate * l2.
    const options = { epochs: 40, batchSize: 30, optimizer: { kind: 'sgd', learningRate: 1 }, l2: 100 } as const;
    const error = await diverged(options);
    const good = Number(/lastGoodTheta holds the weights after epoch (\d+)$/.exec(error.message)?.[1]);
    expect(good).toBeGreaterThan(0);
    expect(error.lastGoodTheta).toEqual((await trained({ ...options, epochs: good })).theta);
    expect(good).toBeLessThan(error.epoch);
    expect((await trained({ ...options, epochs: good + 1 })).losses.every(Number.isFinite)).toBe(true);
  });

  it('after the last update of all: no model of weights that are no numbers', async () => {
    const options = {
      epochs: 1,
      batchSize: 60,
      optimizer: { kind: 'sgd', learningRate: 1e38, momentum: 0.9 },
    } as const;
    const error = await diverged({ ...options, l2: 1e3 });
    expect(error.message).toMatch(/^weights became infinite or NaN in epoch 1 of 1 \(update 1\): try/);
    expect(error.lastGoodTheta.every(Number.isFinite)).toBe(true);
  });
});

describe('what cannot be trained on', () => {
  it('one class only', async () => {
    await expect(new MLPClassifier(SMALL).fit(table().where('label', (label) => label === 'bob'))).rejects.toThrow(
      'MLPClassifier.fit: column "label" holds one class only, "bob", in all 20 rows; two are needed',
    );
  });

  it('no rows', async () => {
    const none = table().where('label', () => false);
    await expect(new MLPClassifier(SMALL).fit(none)).rejects.toThrow('the training table has no rows');
  });

  it('features that overflow when they are scaled: by column, feature, row and partition', async () => {
    const path = join(directory, 'huge.csv');
    writeFileSync(path, `small,b,label\n${'1e-38,0,x\n1.1e-38,1,y\n'.repeat(5)}`);
    const names = ['small', 'b'];
    const scaler = await new StandardScaler().fit(sc.csv(path).assemble(names));
    writeFileSync(join(directory, 'huge2.csv'), 'small,b,label\n0,0,x\n3e38,1,y\n');
    const scaled = scaler.transform(sc.csv(join(directory, 'huge2.csv')).assemble(names));
    const message =
      /failed in partition 0 of .*: column "features": feature 0 \("small"\) of row 2 of the partition is Infinity/;
    await expect(new MLPClassifier(SMALL).fit(scaled)).rejects.toThrow(message);
    const model = await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(sc.csv(path).assemble(names));
    await expect(model.evaluate(scaled)).rejects.toThrow(message);
  });
});

describe('what cannot be judged on', () => {
  let model: MLPClassificationModel;
  beforeAll(async () => {
    model = await trained({ epochs: 1 });
  });
  const strange = () => {
    const path = join(directory, 'strange.csv');
    writeFileSync(path, 'x0,x1,x2,x3,label\n0,0,0,0,ann\n0,0,0,0,dan\n0,0,0,0,eve\n6,0,0,0,dan\n');
    return readBlobs(sc, path);
  };

  it('no rows', async () => {
    await expect(model.evaluate(table().where('label', () => false))).rejects.toThrow('the table has no rows');
  });

  it('labels that were not seen in training', async () => {
    await expect(model.evaluate(strange())).rejects.toThrow(
      'the table holds labels in column "label" that were not seen in training: dan, eve (seen: ann, bob, cleo)',
    );
  });

  it('which may be counted as wrong', async () => {
    const { rows, classes, unseenLabels, confusion, accuracy, table } = await model.evaluate(strange(), {
      unseenLabels: 'wrong',
    });
    expect({ rows, classes, unseenLabels }).toEqual({
      rows: 4,
      classes: ['ann', 'bob', 'cleo', '(unseen)'],
      unseenLabels: ['dan', 'eve'],
    });
    expect(confusion.map((row) => row.reduce((a, b) => a + b))).toEqual([1, 0, 0, 3]);
    expect(confusion.every((row) => row.length === 4 && row[3] === 0)).toBe(true);
    expect(accuracy).toBeLessThanOrEqual(1 / 4);
    expect(table).toContain('(unseen)');
  });

  it('features of another width', async () => {
    const narrow = readBlobs(sc, folder, 3);
    await expect(model.evaluate(narrow)).rejects.toThrow('column "features" has 3 features a row, expected 4');
  });
});
