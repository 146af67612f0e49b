import {
  CrossValidator,
  EventBus,
  fitMany,
  MLPClassifier,
  type MLPRegressor,
  paramGrid,
  SheafContext,
  type TimedEvent,
} from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs } from './blobs.js';

let sc: SheafContext;
const events: TimedEvent[] = [];

beforeAll(async () => {
  const bus = new EventBus();
  bus.listen((event) => events.push(event));
  sc = await SheafContext.create({ master: 'local[2]', bus, conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

const X = ['x0', 'x1', 'x2', 'x3'];
const SMALL = { hidden: [8], epochs: 4, batchSize: 32, shards: 3 } as const;

function blobTable(rows: number) {
  const { x, y } = blobs(rows, { classes: 3, seed: 2, distance: 5 });
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
    await expect(fits(new MLPClassifier({ ...SMALL, hidden: [9] }))).rejects.toThrow('0 and 1 differ in network');
    await expect(fits(one, new MLPClassifier({ ...SMALL, epochs: 5 }))).rejects.toThrow('0 and 2 differ in epochs');
    await expect(fits(new MLPClassifier({ ...SMALL, earlyStopping: true }))).rejects.toThrow(
      'estimator 1 has the option earlyStopping, which needs a fit of its own',
    );
    await expect(fits(new MLPClassifier({ ...SMALL, learningRate: 1e30 }))).rejects.toThrow('in epoch');
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
