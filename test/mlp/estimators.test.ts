import {
  ArrowRDD,
  type ClassifierOptions,
  CrossValidator,
  EventBus,
  fitMany,
  MinMaxScaler,
  MLPClassifier,
  MLPRegressor,
  OneHotEncoder,
  Pipeline,
  paramGrid,
  SheafContext,
  StandardScaler,
  StringIndexer,
  stageFromJSON,
  type TimedEvent,
  TrainValidationSplit,
  VectorAssembler,
} from 'sheaf';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { keyedRandom } from '../../src/rdd/random.js';
import { blobs } from './blobs.js';

let sc: SheafContext;
const events: TimedEvent[] = [];

beforeAll(async () => {
  const bus = new EventBus();
  bus.listen((event) => events.push(event));
  sc = await SheafContext.create({ master: 'local[2]', bus, conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

const SMALL = { hidden: [8], epochs: 12, batchSize: 32, seed: 5, shards: 3, learningRate: 0.02 } as const;
const X = ['x0', 'x1', 'x2', 'x3'];

/** Blobs as a table: id, features, y. */
function blobTable(
  rows: number,
  labels: readonly unknown[],
  { seed = 1, partitions = 3, distance = 6 } = {},
): ArrowRDD {
  const { x, y } = blobs(rows, { classes: labels.length, seed, distance });
  const columns = Object.fromEntries(X.map((name, k) => [name, Float32Array.from(x, (row) => row[k]!)]));
  return sc
    .table({ id: Int32Array.from(y, (_, row) => row), ...columns, label: y.map((k) => labels[k]) }, { partitions })
    .assemble(X);
}

/** Two targets of different units that follow from three features, and a little noise. */
function lineTable(rows: number, { seed = 1, partitions = 3 } = {}): ArrowRDD {
  const random = keyedRandom(seed, 'lines');
  const values = Array.from({ length: rows }, () => Array.from({ length: 3 }, () => 2 * random.uniform() - 1));
  const price = values.map(([a, b, c]) => 5000 + 1000 * (a! - 2 * b! + 0.5 * c!) + 20 * random.uniform());
  const weight = values.map(([a, , c]) => 0.01 * a! * c!);
  const columns = Object.fromEntries(['a', 'b', 'c'].map((name, k) => [name, values.map((row) => row[k]!)]));
  return sc.table({ ...columns, price, weight }, { partitions }).assemble(['a', 'b', 'c']);
}

describe('a classifier', () => {
  it('of numbers predicts numbers: in tables, and in plain rows', async () => {
    const table = blobTable(240, [7, 8.5, 30]);
    const model = await new MLPClassifier(SMALL).fit(table);
    expect(model.classes).toEqual(['7', '8.5', '30']);
    const rows = await model.transform(table).collect();
    const right = rows.filter((row) => row.prediction === row.label);
    const evaluation = await model.evaluate(table, { ranking: true });
    expect(evaluation.accuracy).toBe(right.length / 240);
    expect(evaluation.accuracy).toBeGreaterThan(0.97);
    expect(evaluation.rocAuc).toBeGreaterThan(0.99);
    expect(evaluation.macroF1).toBe(evaluation.macro.f1);
    const plain = rows.slice(0, 20).map((row) => Object.fromEntries(X.map((name) => [name, row[name]])));
    const vectors = rows.slice(0, 20).map((row) => [...(row.features as Iterable<number>)]);
    const predicted = rows.slice(0, 20).map((row) => row.prediction);
    expect(await model.predict(plain)).toEqual(predicted);
    expect(await model.predict(vectors)).toEqual(predicted);
    const probabilities = await model.predictProba(vectors);
    probabilities.forEach((each, k) => {
      const inSlot = [...(rows[k]!.probability as Iterable<number>)];
      each.forEach((p, j) => void expect(p).toBeCloseTo(inSlot[j]!, 5));
    });
    await expect(model.predict([{ y: 1 }])).rejects.toThrow(
      'rows need "features", an array of 4 numbers, or x0, x1, x2, x3; there are y',
    );
  });

  it('of two classes by one output', async () => {
    const table = blobTable(160, [false, true]);
    const options = { ...SMALL, loss: 'binary-cross-entropy', hidden: [] } as const;
    const model = await new MLPClassifier(options).fit(table);
    expect(model.network.outputs).toBe(1);
    expect(model.theta).toHaveLength(5);
    const rows = await model.transform(table, { prediction: 'guess' }).collect();
    const { accuracy, rocAuc, confusion } = await model.evaluate(table);
    expect(rows.filter((row) => row.guess === row.label)).toHaveLength(Math.round(160 * accuracy));
    expect(rocAuc).toBeGreaterThan(0.99);
    expect(confusion.flat().reduce((a, b) => a + b)).toBe(160);
    const [no, yes] = [...(rows[0]!.probability as Iterable<number>)];
    expect(no! + yes!).toBeCloseTo(1, 6);
    expect((await model.predict([[...(rows[1]!.features as Iterable<number>)]]))[0]).toBe(rows[1]!.guess);
  });

  it('of any of many labels', async () => {
    const { x } = blobs(240, { classes: 3, distance: 0, seed: 3 });
    const tags = x.map((row) => ['warm', 'wet', 'windy'].filter((_, k) => row[k]! > 0));
    const columns = Object.fromEntries(X.map((name, k) => [name, Float32Array.from(x, (row) => row[k]!)]));
    const table = sc.table({ ...columns, label: tags }, { partitions: 3, schema: { label: ['utf8'] } }).assemble(X);
    const model = await new MLPClassifier({ ...SMALL, epochs: 25 }).fit(table);
    expect(model.classes).toEqual(['warm', 'wet', 'windy']);
    const evaluation = await model.evaluate(table, { ranking: true });
    expect(evaluation.hammingLoss).toBeLessThan(0.06);
    expect(evaluation.micro!.f1).toBeGreaterThan(0.9);
    expect(evaluation.rocAuc).toBeGreaterThan(0.98);
    const rows = await model.transform(table).collect();
    const exact = rows.filter(
      (row) => String([...(row.prediction as string[])]) === String([...(row.label as string[])]),
    );
    expect(exact.length / 240).toBe(evaluation.accuracy);
    const first = [...(rows[0]!.features as Iterable<number>)];
    expect(await model.predict([first])).toEqual([[...(rows[0]!.prediction as string[])]]);
    // The same as vectors of zeros and ones.
    const vectors = table
      .withColumn('a', 'label', (label) => ([...label].includes('warm') ? 1 : 0))
      .withColumn('b', 'label', (label) => ([...label].includes('wet') ? 1 : 0))
      .withColumn('c', 'label', (label) => ([...label].includes('windy') ? 1 : 0))
      .assemble(['a', 'b', 'c'], 'tags');
    const again = await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(vectors, { label: 'tags' });
    expect(again.classes).toEqual(['a', 'b', 'c']);
    expect(again.losses[0]).toBe(model.losses[0]);
  });

  it('rows weigh as if they stood there so often', async () => {
    const table = blobTable(60, ['a', 'b'], { distance: 1 }).withColumn('w', 'id', (id) => (id % 3 === 0 ? 2 : 1));
    const twice = table.union(table.where('id', (id) => id % 3 === 0));
    const options = { ...SMALL, batchSize: 1000, shards: 1, epochs: 5, optimizer: 'sgd' } as const;
    const weighted = await new MLPClassifier(options).fit(table, { weight: 'w' });
    const repeated = await new MLPClassifier(options).fit(twice);
    weighted.losses.forEach((loss, k) => void expect(loss).toBeCloseTo(repeated.losses[k]!, 5));
    const plain = await new MLPClassifier(options).fit(table);
    expect(Math.abs(plain.losses[4]! - weighted.losses[4]!)).toBeGreaterThan(1e-3);
    // A class's weight is that of its rows.
    const classes = table.withColumn('v', 'label', (label) => (label === 'a' ? 3 : 1));
    const byRow = await new MLPClassifier(options).fit(classes, { weight: 'v' });
    const byClass = await new MLPClassifier({ ...options, classWeights: { a: 3 } }).fit(table);
    byRow.losses.forEach((loss, k) => void expect(loss).toBeCloseTo(byClass.losses[k]!, 5));
    await expect(new MLPClassifier(options).fit(table, { weight: 'label' })).rejects.toThrow(
      'column "label" holds Utf8; numbers',
    );
    await expect(new MLPClassifier(options).fit(table, { wait: 'w' } as never)).rejects.toThrow(
      'MLPClassifier.fit has no option "wait"',
    );
  });
});

describe('a regressor', () => {
  it('predicts in the units of its target', async () => {
    const table = lineTable(300);
    const model = await new MLPRegressor({ ...SMALL, hidden: [], epochs: 30 }).fit(table, { target: 'price' });
    const evaluation = await model.evaluate(table);
    expect(evaluation.r2).toBeGreaterThan(0.99);
    const rows = await model.transform(table).collect();
    const errors = rows.map((row) => (row.price as number) - (row.prediction as number));
    expect(evaluation.mse).toBeCloseTo(errors.reduce((sum, error) => sum + error ** 2, 0) / 300, 6);
    expect(evaluation.targets).toHaveLength(1);
    const [plain] = await model.predict([{ a: rows[0]!.a, b: rows[0]!.b, c: rows[0]!.c }]);
    expect(plain as number).toBeCloseTo(rows[0]!.prediction as number, 1);
    await expect(new MLPRegressor().fit(table, { target: 'cost' })).rejects.toThrow('there is no column "cost"');
  });

  it('of several targets, in columns or in a vector', async () => {
    const table = lineTable(200);
    const options = { ...SMALL, hidden: [16], epochs: 25, activation: 'tanh' } as const;
    const model = await new MLPRegressor(options).fit(table, { target: ['price', 'weight'] });
    const { targets, r2 } = await model.evaluate(table);
    expect(targets.map((each) => each.r2 > 0.8)).toEqual([true, true]);
    expect(r2).toBeCloseTo((targets[0]!.r2 + targets[1]!.r2) / 2, 12);
    const vector = table.assemble(['price', 'weight'], 'both');
    const other = await new MLPRegressor(options).fit(vector, { target: 'both' });
    expect((await other.evaluate(vector)).r2).toBeCloseTo(r2, 2);
    const [row] = await model.transform(table).take(1);
    const [plain] = await model.predict([[...(row!.features as Iterable<number>)]]);
    expect(plain).toHaveLength(2);
    expect((plain as number[])[0]).toBeCloseTo([...(row!.prediction as Iterable<number>)][0]!, 1);
  });
});

describe("a loss of one's own", () => {
  it('travels with what it captured, and learns as the same loss by name', async () => {
    const table = lineTable(80);
    const options = { ...SMALL, epochs: 4, optimizer: 'sgd', normalization: 'batch' } as const;
    const named = await new MLPRegressor(options).fit(table, { target: 'price' });
    const power = 2;
    const own = await new MLPRegressor({
      ...options,
      loss: (predictions, labels, tf) => tf.pow(tf.sub(predictions, labels), power),
    }).fit(table, { target: 'price' });
    own.losses.forEach((loss, k) => void expect(loss).toBeCloseTo(named.losses[k]!, 4));
    own.theta.forEach((value, i) => void expect(value).toBeCloseTo(named.theta[i]!, 3));
    expect(own.plan.hash).not.toBe(named.plan.hash);
    const warnings = events.filter(
      (event) => event.event === 'warning' && event.message.includes("loss function of one's own"),
    );
    expect(warnings).toHaveLength(1);
  });

  it('of a classifier gets probabilities; rows keep their weights', async () => {
    const table = blobTable(90, ['a', 'b', 'c']).withColumn('w', 'id', (id) => 1 + (id % 2));
    const options = { ...SMALL, epochs: 3, optimizer: 'sgd' } as const;
    const named = await new MLPClassifier(options).fit(table, { weight: 'w' });
    const own = await new MLPClassifier({
      ...options,
      loss: (predictions, labels, tf) => tf.neg(tf.sum(tf.mul(labels, tf.log(predictions)), 1)),
    }).fit(table, { weight: 'w' });
    own.losses.forEach((loss, k) => void expect(loss).toBeCloseTo(named.losses[k]!, 4));
    const number = new MLPClassifier({ ...options, loss: (predictions, _labels, tf) => tf.mean(predictions) });
    await expect(number.fit(table, { weight: 'w' })).rejects.toThrow(
      'where rows have weights it must return one a row',
    );
    const none = new MLPClassifier({ ...options, loss: () => 1 as never });
    await expect(none.fit(table)).rejects.toThrow('the loss function must return a tensor, not number');
    const captures = new MLPClassifier({ ...options, loss: () => sc as never });
    await expect(captures.fit(table)).rejects.toThrow(/sc/);
  });
});

describe('a training that is watched', () => {
  it('ends when it gets no better, with the weights of the best epoch', async () => {
    const table = blobTable(150, ['a', 'b'], { distance: 0.5 });
    const other = blobTable(100, ['a', 'b'], { distance: 0.5, seed: 9 });
    const seen: (number | undefined)[] = [];
    const options = { ...SMALL, hidden: [64], learningRate: 0.05, epochs: 60 };
    const earlyStopping = { validation: other, patience: 3, minDelta: 0 };
    const onEpoch = ({ validation }: { validation?: number }) => seen.push(validation);
    const model = await new MLPClassifier({ ...options, earlyStopping, onEpoch }).fit(table);
    expect(model.losses.length).toBeLessThan(60);
    expect(model.validation).toEqual(seen);
    const best = seen.indexOf(Math.min(...(seen as number[])));
    expect(model.epoch).toBe(best + 1);
    expect(model.losses).toHaveLength(best + 1 + 3);
    expect((await model.evaluate(other)).logLoss).toBe(seen[best]);
    const short = await new MLPClassifier({ ...options, epochs: best + 1 }).fit(table);
    expect(short.weightsHash).toBe(model.weightsHash);
  });

  it('has its own best weights, whatever others are watched at the same time', async () => {
    const table = blobTable(150, ['a', 'b'], { distance: 0.5 });
    const earlyStopping = { validation: 0.25, patience: 9, minDelta: 0 };
    const learn = (learningRate: number) =>
      new MLPClassifier({ ...SMALL, epochs: 5, learningRate, earlyStopping }).fit(table);
    const alone = [await learn(0.01), await learn(0.3)];
    const { deal } = ArrowRDD.prototype;
    let both = () => {};
    const dealt = new Promise<void>((resolve) => (both = resolve));
    const spy = vi.spyOn(ArrowRDD.prototype, 'deal').mockImplementation(async function (this: ArrowRDD, ...args) {
      if (spy.mock.calls.length === 2) both();
      await dealt;
      return deal.apply(this, args);
    });
    try {
      const models = await Promise.all([learn(0.01), learn(0.3)]);
      expect(models.map((model) => model.weightsHash)).toEqual(alone.map((model) => model.weightsHash));
    } finally {
      spy.mockRestore();
    }
  });

  it('by a share of the rows, the same for every partitioning', async () => {
    const options = {
      ...SMALL,
      epochs: 3,
      earlyStopping: { validation: 0.25, monitor: 'accuracy', restoreBest: false },
    } as const;
    const [one, two] = await Promise.all(
      [1, 4].map((partitions) => new MLPClassifier(options).fit(blobTable(100, ['a', 'b'], { partitions }))),
    );
    expect(one!.plan.rows).toBe(75);
    expect(two!.weightsHash).toBe(one!.weightsHash);
    expect(two!.validation).toEqual(one!.validation);
  });

  it('begins only when there is what to be measured by', async () => {
    const onStep = () => expect.unreachable();
    const learn = (earlyStopping: ClassifierOptions['earlyStopping']) =>
      new MLPClassifier({ ...SMALL, onStep, earlyStopping }).fit(blobTable(30, ['a', 'b']));
    await expect(learn({ validation: blobTable(9, ['a', 'b']).where('label', () => false) })).rejects.toThrow(
      'MLPClassifier.fit: earlyStopping has no rows to judge by',
    );
    await expect(learn({ validation: 1e-6 })).rejects.toThrow('earlyStopping has no rows to judge by');
    await expect(learn({ validation: blobTable(9, ['a', 'b']).select('features') })).rejects.toThrow(
      'there is no column "label"',
    );
    await expect(learn({ monitor: 'hammingLoss' })).rejects.toThrow('needs rows of many labels');
  });

  it.each(['tree', 'ps', 'allreduce'] as const)(
    '%s: ends when a callback says so, and goes on from a model',
    async (aggregation) => {
      const table = blobTable(100, ['a', 'b'], { distance: 1 });
      const options = { ...SMALL, optimizer: 'sgd', aggregation } as const;
      const whole = await new MLPClassifier({ ...options, epochs: 1 }).fit(table);
      const steps: number[] = [];
      const onStep = ({ step }: { step: number }) => void steps.push(step);
      const stopped = await new MLPClassifier({ ...options, onStep, onEpoch: () => 'stop' }).fit(table);
      expect(stopped.weightsHash).toBe(whole.weightsHash);
      expect(steps).toEqual([1, 2, 3, 4]);
      const on = await new MLPClassifier({ ...options, epochs: 1, warmStart: whole }).fit(table);
      expect(on.losses[0]!).toBeLessThan(whole.losses[0]!);
      expect(on.plan.hash).not.toBe(whole.plan.hash);
      const same = await new MLPClassifier({ ...options, epochs: 1, learningRate: 1e-12, warmStart: whole }).fit(table);
      expect(Math.max(...same.theta.map((value, i) => Math.abs(value - whole.theta[i]!)))).toBeLessThan(1e-6);
      await expect(new MLPClassifier({ ...options, hidden: [9], warmStart: whole }).fit(table)).rejects.toThrow(
        'the model of warmStart is a network of other layers',
      );
    },
  );
});

describe('a pipeline', () => {
  const random = keyedRandom(4, 'houses');
  const houses = Array.from({ length: 240 }, (_, id) => {
    const kind = ['flat', 'house', 'hut'][random.below(3)]!;
    const area = Math.round(50 + 100 * random.uniform());
    return { id, street: `s${id % 12}`, kind, area, label: kind === 'hut' || area > 110 ? 'keep' : 'sell' };
  });
  const stages = (learningRate = 0.02, epochs = 30) => [
    new StringIndexer({ column: 'kind', into: 'kindIndex' }),
    new OneHotEncoder({ column: 'kindIndex', into: 'kindVector', dropLast: false }),
    new VectorAssembler({ columns: ['area', 'kindVector'] }),
    new StandardScaler(),
    new MLPClassifier({ ...SMALL, learningRate, epochs }),
  ];

  it('learns all its stages from the training rows, and takes plain rows', async () => {
    const table = sc.table(houses, { partitions: 3 });
    const model = await new Pipeline(stages()).fit(table);
    const { accuracy } = await model.evaluate(table);
    expect(accuracy).toBeGreaterThan(0.95);
    const rows = await model.transform(table).collect();
    expect(rows.filter((row) => row.prediction === row.label)).toHaveLength(Math.round(240 * accuracy));
    const predicted = await model.predict(houses.slice(0, 10).map(({ kind, area }) => ({ kind, area })));
    expect(predicted).toEqual(rows.slice(0, 10).map(({ prediction }) => prediction));
    const again = stageFromJSON(JSON.parse(JSON.stringify(model)), model.weights) as typeof model;
    expect(await again.predict(houses.slice(0, 10))).toEqual(predicted);
    expect(await again.evaluate(table)).toEqual(await model.evaluate(table));
    expect(await again.predictProba(houses.slice(0, 3))).toEqual(await model.predictProba(houses.slice(0, 3)));
  });

  it('stages have the same state for every partitioning', async () => {
    const states = await Promise.all(
      [1, 5].map(async (partitions) => {
        const table = sc.table(houses, { partitions });
        const indexed = await new StringIndexer({ column: 'kind' }).fit(table);
        const encoder = new OneHotEncoder({ column: 'kindIndex' });
        const encoded = await encoder.fit(indexed.transform(table));
        const scaler = await new MinMaxScaler({ column: 'f' }).fit(table.assemble(['area', 'id'], 'f'));
        return JSON.stringify([indexed, encoded, scaler]);
      }),
    );
    expect(states[0]).toBe(states[1]);
    expect(JSON.parse(states[0]!)[2]).toMatchObject({ min: 0, max: 1, greatest: [expect.any(Number), 239] });
  });

  it('says what a stage cannot take', async () => {
    const table = sc.table(houses, { partitions: 2 });
    const indexer = await new StringIndexer({ column: 'kind' }).fit(table.where('kind', (kind) => kind !== 'hut'));
    await expect(indexer.transform(table).count()).rejects.toThrow(
      /StringIndexer at estimators\.test\.ts:\d+".* column "kind" holds the value "hut", which was not there/,
    );
    await expect(new StringIndexer({ column: 'sort' }).fit(table)).rejects.toThrow(
      'there is no column "sort"; there are id',
    );
    await expect(new OneHotEncoder({ column: 'kind' }).fit(table)).rejects.toThrow('no category number');
    expect(() => new Pipeline([])).toThrow('Pipeline needs an array of stages, at least one, not []');
    expect(() => new Pipeline([{} as never])).toThrow('stage 1 of Pipeline is {}, which is no stage');
    const only = await new Pipeline([new VectorAssembler({ columns: ['area'] })]).fit(table);
    await expect(only.evaluate(table)).rejects.toThrow('PipelineModel.evaluate needs a network as its last stage');
  });

  it('is chosen by cross-validation, whole groups held out', async () => {
    const table = sc.table(houses, { partitions: 3 }).cache();
    const options = {
      estimator: ({ learningRate }: { learningRate: number }) => new Pipeline(stages(learningRate, 8)),
      grid: paramGrid({ learningRate: [1e-6, 0.05] }),
      metric: 'accuracy',
      folds: 3,
      group: 'street',
      seed: 2,
    } as const;
    const chosen = await new CrossValidator({ ...options, parallelism: 2 }).fit(table);
    expect(chosen.foldMetrics).toHaveLength(2);
    expect(chosen.foldMetrics.every((folds) => folds.length === 3)).toBe(true);
    expect(chosen.bestParams).toEqual({ learningRate: 0.05 });
    expect(chosen.avgMetrics[1]).toBeGreaterThan(chosen.avgMetrics[0]!);
    expect((await chosen.evaluate(table)).rows).toBe(240);
    expect(await chosen.predict(houses.slice(0, 2))).toHaveLength(2);
    const again = await new CrossValidator(options).fit(sc.table(houses, { partitions: 5 }));
    expect(again.foldMetrics).toEqual(chosen.foldMetrics);
  });

  /** Rows of classes of 107, 12 and, maybe, 1. */
  const unequal = ({ single }: { single: boolean }) =>
    Array.from({ length: 120 }, (_, id) => {
      const label = id === 5 && single ? 'single' : id % 10 === 3 ? 'rare' : 'often';
      return { id, a: id / 60, b: id % 7, label };
    });

  it.each([
    { name: 'CrossValidator', Selection: CrossValidator, single: false, rare: [4, 4, 4], held: [40, 40, 40] },
    { name: 'TrainValidationSplit', Selection: TrainValidationSplit, single: true, rare: [3], held: [30] },
  ])("$name holds out a classifier's classes in the same shares, for every partitioning", async (of) => {
    const rows = unequal(of);
    const heldOut = async (partitions: number, options: object = {}) => {
      const parts: (typeof rows)[] = [];
      const measure = async (_model: unknown, validation: ArrowRDD) =>
        parts.push((await validation.collect()) as never);
      await new of.Selection({
        estimator: () => new Pipeline([new VectorAssembler({ columns: ['a', 'b'] }), new MLPClassifier(SMALL)]),
        metric: { name: 'held out', direction: 'max', measure },
        seed: 4,
        ...options,
      }).fit(sc.table(rows, { partitions }));
      return parts;
    };
    const parts = await heldOut(1);
    expect(parts.map((part) => part.length)).toEqual(of.held);
    expect(parts.map((part) => part.filter(({ label }) => label === 'rare').length)).toEqual(of.rare);
    expect(parts.flat().some(({ label }) => label === 'single')).toBe(false);
    expect(await heldOut(4, { stratify: true })).toEqual(parts);
    expect(await heldOut(1, { stratify: false })).not.toEqual(parts);
  });

  it('classes too small for that are refused, or warned of', async () => {
    const { length } = events;
    const estimator = () => new MLPClassifier({ ...SMALL, epochs: 1 });
    const learn = (
      Selection: typeof CrossValidator | typeof TrainValidationSplit,
      table: ArrowRDD,
      options: object = {},
    ) => new Selection({ estimator, metric: 'accuracy', ...options }).fit(table);
    const single = sc.table(unequal({ single: true })).assemble(['a', 'b']);
    await expect(learn(CrossValidator, single)).rejects.toThrow(
      'one row only has the label "single" of column "label": while it is held out nothing is left to learn it from',
    );
    await learn(TrainValidationSplit, single);
    await learn(
      CrossValidator,
      single.where('label', (label) => label !== 'single'),
      { folds: 13 },
    );
    const said = events.slice(length).flatMap((event) => (event.event === 'warning' ? event.message : []));
    expect(said.filter((message) => message.includes('column "label"'))).toEqual([
      expect.stringContaining('with too few rows for a share of 0.25 none is held out: single. They are learnt'),
      expect.stringMatching(/fewer rows than the 13 folds are missing in some: rare$/),
    ]);
    const text = sc
      .table(unequal({ single: false }).map((row) => ({ ...row, label: `${row.id}` })))
      .assemble(['a', 'b']);
    await expect(learn(TrainValidationSplit, text)).rejects.toThrow('each label of column "label" is that of one row');
    const tags = sc
      .table(unequal({ single: false }).map((row) => ({ ...row, label: [row.label] })))
      .assemble(['a', 'b']);
    await expect(learn(TrainValidationSplit, tags, { stratify: true })).rejects.toThrow(
      'stratify: true needs a column "label" of one class a row; it holds lists',
    );
  });

  it('early stopping holds out classes in the same shares, unless told otherwise', async () => {
    const table = sc.table(unequal({ single: false })).assemble(['a', 'b']);
    const early = (stratify?: boolean) =>
      new MLPClassifier({ ...SMALL, earlyStopping: { validation: 0.25, ...(stratify !== undefined && { stratify }) } });
    const byDefault = await early().fit(table);
    const plain = await early(false).fit(table);
    expect(byDefault.weightsHash).not.toBe(plain.weightsHash);
    const [, asked] = await fitMany([early(), early(true)], table);
    expect(asked!.weightsHash).toBe(byDefault.weightsHash);
    await expect(fitMany([early(), early(false)], table)).rejects.toThrow('hold out different rows for earlyStopping');
    expect(() => new MLPClassifier({ earlyStopping: { stratify: true, validation: table } })).toThrow(
      'stratify belongs to a share of the rows; a validation table is given',
    );
  });

  it('or by one held-out part; a training that diverges is never the best', async () => {
    const selected = await new TrainValidationSplit({
      estimator: ({ learningRate }: { learningRate: number }) =>
        new MLPRegressor({ ...SMALL, hidden: [], epochs: 10, optimizer: 'sgd', learningRate }),
      grid: paramGrid({ learningRate: [1e30, 1e-6, 0.1] }),
      metric: 'rmse',
    }).fit(lineTable(200), { target: 'price' });
    expect(selected.validationMetrics[0]).toBeNaN();
    expect(selected.bestIndex).toBe(2);
    expect(selected.bestModel.plan.rows).toBe(200);
  });
});
