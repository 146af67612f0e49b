import {
  type ArrowRDD,
  type ClassifierOptions,
  CrossValidator,
  type FitColumns,
  MLPClassifier,
  MLPRegressor,
  SheafContext,
} from 'sheaf';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

const SMALL = { hidden: [4], epochs: 2, batchSize: 10, seed: 1 } as const;
const ROWS = 40;

function table(more: Readonly<Record<string, readonly unknown[]>> = {}): ArrowRDD {
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  const x0 = Float32Array.from(rows, (row) => row % 2);
  const x1 = Float32Array.from(rows, (row) => row / ROWS);
  const label = rows.map((row) => (row % 2 ? 'a' : 'b'));
  return sc.table({ x0, x1, label, ...more }, { partitions: 2 }).assemble(['x0', 'x1']);
}

const learn = (options: ClassifierOptions, of = table(), columns: FitColumns = {}) =>
  new MLPClassifier({ ...SMALL, ...options }).fit(of, columns);

describe('labels', () => {
  it('that are dates, alone or in lists, are refused: they would become milliseconds', async () => {
    const day = Array.from({ length: ROWS }, (_, row) => new Date(2020, row % 2, 1));
    await expect(learn({}, table({ day }), { label: 'day' })).rejects.toThrow(
      /column "day" holds Timestamp.*; labels are texts, numbers or booleans: make a column of classes of it before, as by withColumn\("class", "day"/,
    );
    const month = table({ day }).withColumn('month', 'day', (value) => `m${new Date(Number(value)).getMonth()}`);
    expect((await learn({}, month, { label: 'month' })).classes).toEqual(['m0', 'm1']);
    const model = await learn({});
    await expect(model.evaluate(table({ label: day }))).rejects.toThrow('column "label" holds Timestamp');
  });

  it('of one row, and of no rows', async () => {
    const one = table().where('x1', (x) => x === 0);
    await expect(learn({}, one)).rejects.toThrow('column "label" holds one class only, "b", in all 1 rows');
    const value = Float64Array.from({ length: ROWS }, (_, row) => row);
    const regressor = new MLPRegressor(SMALL);
    const single = table({ value: [...value] }).where('x1', (x) => x === 0);
    const model = await regressor.fit(single, { target: 'value' });
    expect((await model.evaluate(single)).rows).toBe(1);
    const none = table({ value: [...value] }).where('label', () => false);
    await expect(regressor.fit(none, { target: 'value' })).rejects.toThrow('the training table has no rows');
    expect(await model.predict([])).toEqual([]);
    expect(await model.transform(none).collect()).toEqual([]);
  });
});

describe('rows to judge by', () => {
  const strange = Array.from({ length: ROWS }, (_, row) => (row < 4 ? 'c' : row % 2 ? 'a' : 'b'));

  it('with labels that no training row has are refused, as by evaluate', async () => {
    await expect(learn({ earlyStopping: { validation: table({ label: strange }) } })).rejects.toThrow(
      'MLPClassifier.fit: the validation rows of earlyStopping hold labels in column "label" that were not seen in training: c (seen: a, b). Leave',
    );
  });

  it('that are held out: it is said', async () => {
    const person = strange.map((label) => (label === 'c' ? 'p' : 'q'));
    const warnings: string[] = [];
    const unlisten = sc.bus.listen((event) => void (event.event === 'warning' && warnings.push(event.message)));
    await learn({ earlyStopping: { validation: 0.2, group: 'person' } }, table({ label: strange, person }));
    unlisten();
    expect(warnings.filter((message) => message.includes('not seen in training: c (seen: a, b). They'))).toHaveLength(
      1,
    );
  });

  it('of the only group there is are none', async () => {
    const person = new Array(ROWS).fill('p');
    await expect(learn({ earlyStopping: { group: 'person' } }, table({ person }))).rejects.toThrow(
      /MLPClassifier\.fit at .*: column "person" holds one group only, "p"; two are needed to hold one out/,
    );
  });
});

it('a label column that was not named is asked for', async () => {
  await expect(learn({}, table().drop('label'))).rejects.toThrow(
    'there is no column "label"; there are x0, x1, features. Say which is the label: fit(table, { label: "…" })',
  );
});

describe('weights', () => {
  const w = Array.from({ length: ROWS }, (_, row) => (row < 3 ? 1 : 0));

  it.each(['allreduce', 'tree', 'ps'] as const)('of 0 in a whole step make no update, by %s', async (aggregation) => {
    const losses: number[] = [];
    const onStep = ({ loss }: { loss: number }) => void losses.push(loss);
    const options = { batchSize: 2, shards: 2, aggregation, clipNorm: 1 } as const;
    const model = await learn({ ...options, onStep }, table({ w }), { weight: 'w' });
    expect(losses.filter((loss) => !Number.isNaN(loss)).length).toBeLessThanOrEqual(6);
    expect(losses).toHaveLength(40);
    expect(model.losses.every(Number.isFinite)).toBe(true);
    expect(model.theta.every(Number.isFinite)).toBe(true);
    const before = losses.findIndex((loss) => !Number.isNaN(loss));
    const stop = ({ step }: { step: number }) => step < before || 'stop';
    const idle = await learn({ ...options, onStep: stop }, table({ w }), { weight: 'w' });
    const first = await learn({ ...options, onStep: () => 'stop' }, table({ w }), { weight: 'w' });
    expect(before).toBeGreaterThan(0);
    expect(idle.weightsHash).toBe(first.weightsHash);
  });

  it('of 0 for all that classWeights leave are refused', async () => {
    const odd = Array.from({ length: ROWS }, (_, row) => row % 2);
    await expect(learn({ classWeights: { a: 0 } }, table({ w: odd }), { weight: 'w' })).rejects.toThrow(
      'MLPClassifier.fit: no row counts: classWeights gives the weight 0 to each class that has rows of any weight of column "label"',
    );
  });

  it('count among the rows that early stopping holds out', async () => {
    const earlyStopping = { validation: 0.25 };
    const weighted = await learn({ earlyStopping }, table({ w: w.map((_, row) => 1 + (row % 3)) }), { weight: 'w' });
    const same = await learn({ earlyStopping }, table({ w: w.map(() => 3) }), { weight: 'w' });
    const plain = await learn({ earlyStopping });
    expect(same.validation![0]).toBeCloseTo(plain.validation![0]!, 5);
    expect(Math.abs(weighted.validation![0]! - plain.validation![0]!)).toBeGreaterThan(1e-6);
    await expect(learn({ earlyStopping: { validation: 0.05 } }, table({ w }), { weight: 'w' })).rejects.toThrow(
      'MLPClassifier.fit: the rows that earlyStopping judges by all have weight 0 in column "w"',
    );
  });
});

it('a network that this machine has no memory for is refused before any row is read', async () => {
  const of = table().where('x0', () => {
    throw new Error('a row was read');
  });
  const memory = vi.spyOn(process, 'constrainedMemory').mockReturnValue(100e6);
  await expect(learn({ hidden: [4000, 4000] }, of)).rejects.toThrow(
    /^MLPClassifier.fit: the network has 16,016,001 weights \(layer1\/kernel, 4000 x 4000: 16,000,000\); to train it on 2 slots takes at least 320 MB \(weights 128 MB, gradients 64 MB, adam 128 MB/,
  );
  memory.mockRestore();
});

describe('callbacks', () => {
  it('that throw end the training with their own error', async () => {
    class Mine extends Error {}
    const thrown = () => {
      throw new Mine('enough');
    };
    await expect(learn({ onStep: thrown })).rejects.toBeInstanceOf(Mine);
    await expect(learn({ onEpoch: async () => thrown() })).rejects.toBeInstanceOf(Mine);
  });

  it('that return what was meant to end it, and does not, are told so', async () => {
    await expect(learn({ onEpoch: () => 'Stop' })).rejects.toThrow(
      "MLPClassifier.fit: onEpoch returned 'Stop'; return 'stop' or false to end the training, nothing to go on",
    );
    await expect(learn({ onStep: async () => 'stop' })).rejects.toThrow(
      'MLPClassifier.fit: onStep returned a promise, and steps do not wait: make it synchronous, or use onEpoch',
    );
    await expect(
      learn({
        onStep: async () => {
          throw new Error('unheard');
        },
      }),
    ).rejects.toThrow('onStep returned a promise');
    expect((await learn({ onEpoch: ({ epoch }) => epoch })).losses).toHaveLength(2);
  });

  it('losses that throw, have no gradient or are promises say so', async () => {
    const broken = () => {
      throw new Error('my loss broke');
    };
    await expect(learn({ loss: broken })).rejects.toThrow('the loss function threw: my loss broke');
    await expect(learn({ loss: (_p, labels, tf) => tf.sum(labels, 1) })).rejects.toThrow(
      'the loss function has no gradient: it must make its losses of the predictions by operations of tf',
    );
    await expect(learn({ loss: (async (p: unknown) => p) as never })).rejects.toThrow(
      'the loss function must return a tensor, not a promise: it cannot be async',
    );
  });
});

describe('choosing among parameters', () => {
  const chosen = (options: object) =>
    new CrossValidator({ estimator: () => new MLPClassifier(SMALL), metric: 'accuracy', ...options } as never).fit(
      table(),
    );

  it('says what a measure, or an estimator, is instead', async () => {
    const metric = (measure: () => unknown) => ({ metric: { name: 'mine', direction: 'max', measure } });
    await expect(chosen(metric(() => 'high'))).rejects.toThrow(
      `the measure "mine" gave 'high'; it must return a number`,
    );
    await expect(chosen(metric(() => Number.NaN))).rejects.toThrow('every training diverged, or it is NaN for each');
    await expect(chosen({ estimator: () => undefined, grid: [{ hidden: [3] }] })).rejects.toThrow(
      'must return what has fit(table), as new MLPClassifier(params), not undefined',
    );
  });
});
