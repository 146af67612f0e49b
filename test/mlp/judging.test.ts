import { type ArrowRDD, type MLPClassificationModel, MLPClassifier, MLPRegressor, SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs } from './blobs.js';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

const SMALL = { hidden: [4], epochs: 3, batchSize: 32, seed: 5, shards: 2, learningRate: 0.02 } as const;
const X = ['x0', 'x1', 'x2', 'x3'];

/** Overlapping blobs; row `id` weighs `weights[id % weights.length]`. */
function table(rows: number, labels: readonly string[], weights: readonly number[], partitions = 3): ArrowRDD {
  const { x, y } = blobs(rows, { classes: labels.length, distance: 1.5 });
  const columns = Object.fromEntries(X.map((name, k) => [name, Float32Array.from(x, (row) => row[k]!)]));
  const id = Int32Array.from(y.keys());
  const w = Float64Array.from(id, (row) => weights[row % weights.length]!);
  const price = Float64Array.from(x, ([a, b]) => 100 + 3 * a! - b!);
  return sc.table({ id, w, price, ...columns, label: y.map((k) => labels[k]!) }, { partitions }).assemble(X);
}

const labelled = (model: MLPClassificationModel, of: ArrowRDD, weight?: string) =>
  model.evaluate(of, { ranking: true, ...(weight !== undefined && { weight }) });

describe.each([2, 3])("weights of rows, of %d classes' answers", (count) => {
  const labels = ['a', 'b', 'c'].slice(0, count);

  it('count as rows that stand there so often, and not at all at 0', async () => {
    const all = table(90, labels, [1, 2, 0, 1]);
    const model = await new MLPClassifier(SMALL).fit(all);
    const counting = all.where('w', (w) => w > 0);
    const twice = counting.union(all.where('w', (w) => w === 2));
    const weighted = await labelled(model, all, 'w');
    const repeated = await labelled(model, twice);
    expect([weighted.rows, repeated.rows]).toEqual([90, 91]);
    for (const name of ['accuracy', 'logLoss', 'brier', 'rocAuc', 'prAuc', 'macroF1'] as const)
      expect(weighted[name], name).toBeCloseTo(repeated[name]!, 12);
    expect(weighted.confusion).toEqual(repeated.confusion);
    expect(weighted.confusionCounts).toEqual(repeated.confusionCounts);
    expect((await labelled(model, all)).accuracy).not.toBe(weighted.accuracy);
  });

  it('give the same bits for every partitioning', async () => {
    const weights = [0.1, 1 / 3, 7, 2.5, 0.7];
    const model = await new MLPClassifier(SMALL).fit(table(90, labels, weights));
    const [one, ...others] = await Promise.all(
      [1, 4, 7].map((partitions) => labelled(model, table(90, labels, weights, partitions), 'w')),
    );
    for (const other of others) expect(other).toEqual(one);
  });
});

describe('weights of rows', () => {
  it('of values: as rows that stand there so often', async () => {
    const all = table(80, ['a', 'b'], [1, 2, 0, 1]);
    const model = await new MLPRegressor(SMALL).fit(all, { target: 'price' });
    const weighted = await model.evaluate(all, { weight: 'w' });
    const twice = all.where('w', (w) => w > 0).union(all.where('w', (w) => w === 2));
    const repeated = await model.evaluate(twice);
    for (const name of ['rmse', 'mae', 'r2', 'explainedVariance', 'maxError'] as const)
      expect(weighted[name], name).toBeCloseTo(repeated[name], 12);
  });

  it('that are none: says which column, and what is wrong with it', async () => {
    const none = table(20, ['a', 'b'], [0]);
    const model = await new MLPClassifier(SMALL).fit(none);
    await expect(model.evaluate(none, { weight: 'w' })).rejects.toThrow(
      'MLPModel.evaluate: every row\'s weight in column "w" is 0',
    );
    const negative = table(20, ['a', 'b'], [1, -3], 1);
    await expect(model.evaluate(negative, { weight: 'w' })).rejects.toThrow(
      'column "w": row 2 of the partition weighs -3; weights are 32-bit floats of at least 0',
    );
    await expect(model.evaluate(none, { weight: 'v' })).rejects.toThrow('there is no column "v"');
    await expect(model.evaluate(none, { weigth: 'w' } as never)).rejects.toThrow('evaluate has no option "weigth"');
    const regressor = await new MLPRegressor(SMALL).fit(none, { target: 'price' });
    await expect(regressor.evaluate(none, { weight: 'w' })).rejects.toThrow('every row\'s weight in column "w" is 0');
  });
});

describe('many classes', () => {
  it('are judged without a square of them anywhere', async () => {
    const classes = 1200;
    const x0 = Float32Array.from({ length: 2 * classes }, (_, row) => (row % classes) / classes);
    const label = Array.from(x0, (_, row) => row % classes);
    const many = sc.table({ x0, label }, { partitions: 2 }).assemble(['x0']);
    const model = await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(many);
    const evaluation = await model.evaluate(many, { ranking: true });
    const counts = evaluation.confusionCounts!;
    expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(2 * classes);
    expect(counts.length).toBeLessThanOrEqual(2 * classes);
    expect(evaluation.perClass.map(({ support }) => support)).toEqual(new Array(classes).fill(2));
    const right = counts.filter(({ actual, predicted }) => actual === predicted);
    expect(evaluation.accuracy).toBe(right.reduce((sum, { count }) => sum + count, 0) / (2 * classes));
    expect(() => evaluation.confusion).toThrow(
      'a confusion matrix of 1200 classes would be 1440000 numbers: read confusionCounts',
    );
    expect(Object.keys(evaluation)).not.toContain('confusion');
    expect(evaluation.rocAuc).toBeGreaterThan(0.4);
    expect(evaluation.table.split('\n')[0]).toBe('class  rows  precision  recall     F1');
  });
});

it('what is no table is refused', async () => {
  const model = await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(table(20, ['a', 'b'], [1]));
  const rows = sc.parallelize([1, 2, 3]) as never;
  await expect(model.evaluate(rows)).rejects.toThrow('MLPModel.evaluate takes a table, an ArrowRDD (toTable makes');
  expect(() => model.transform(rows)).toThrow('MLPClassificationModel.transform takes a table');
});
