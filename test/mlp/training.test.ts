import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClassifierOptions, MLPClassifier, type SheafContext } from 'sheaf';
import { beforeAll, describe, expect, it } from 'vitest';
import { initialTheta } from '../../src/mlp/layout.js';
import { epochOrder, type NumericalPlan, stepRows } from '../../src/mlp/numerical-plan.js';
import { addReferencePenalty, referenceApply, referenceGradient, referencePredict } from '../../src/mlp/reference.js';
import { assignShards } from '../../src/ps/assign-shards.js';
import { mergeGroups } from '../../src/ps/merge-plan.js';
import { subtreeRoots } from '../../src/ps/tree.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { type Blobs, blobs, readBlobs, TEXT_LABELS, writeBlobs } from './blobs.js';

const directory = directoryOfAllTests('training');
const two = contextOfAllTests('local[2]');
let sc: SheafContext;
beforeAll(() => {
  sc = two();
});

/** Small, and with a shard more than slots. */
const SMALL: ClassifierOptions = { hidden: [8], epochs: 4, batchSize: 32, seed: 5, shards: 3 };
let folders = 0;

function table(
  data: Blobs,
  { context = sc, partitions = 2, files = 7, labels = TEXT_LABELS as readonly unknown[] } = {},
) {
  const folder = writeBlobs(join(directory, `data-${folders++}`), data, files, labels);
  return readBlobs(context, folder, data.x[0]!.length, partitions);
}

describe('a training', () => {
  it('learns what can be learnt, and is judged on rows it has not seen', async () => {
    const reports: number[] = [];
    const optimizer = { kind: 'adam', learningRate: 0.01 } as const;
    const onEpoch = ({ epoch }: { epoch: number }) => reports.push(epoch);
    const options = { ...SMALL, epochs: 25, optimizer, onEpoch };
    const model = await new MLPClassifier(options).fit(table(blobs(400)));
    expect(model.classes).toEqual(TEXT_LABELS);
    expect(reports).toEqual(Array.from({ length: 25 }, (_, k) => k + 1));
    expect(model.losses).toHaveLength(25);
    expect(model.losses.at(-1)!).toBeLessThan(0.3 * model.losses[0]!);
    const { accuracy, macroF1, rows } = await model.evaluate(table(blobs(200, { seed: 2 })));
    expect(rows).toBe(200);
    expect(accuracy).toBeGreaterThan(0.97);
    expect(macroF1).toBeGreaterThan(0.97);
  });

  it.each([
    ['numbers, ordered as numbers', [10, 9, 2], ['2', '9', '10']],
    ['text, ordered as text', ['b', 'constructor', '__proto__'], ['__proto__', 'b', 'constructor']],
  ])('takes labels that are %s', async (_what, labels, classes) => {
    const data = table(blobs(90), { labels });
    const model = await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(data);
    expect(model.classes).toEqual(classes);
    const { confusion } = await model.evaluate(data);
    expect(confusion.map((row) => row.reduce((a, b) => a + b))).toEqual([30, 30, 30]);
  });

  it('takes a label column of any Arrow type', async () => {
    const folder = writeBlobs(join(directory, 'typed'), blobs(30), 1, [1, 0, 2]);
    const columns = { x0: 'float32', x1: 'float64', x2: 'float32', x3: 'float32', label: 'int64' } as const;
    const typed = sc.csv(folder, { columns }).assemble(['x0', 'x1', 'x2', 'x3']);
    const model = await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(typed);
    expect(model.classes).toEqual(['0', '1', '2']);
    const plain = readBlobs(sc, folder);
    expect((await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(plain)).weightsHash).toBe(model.weightsHash);
  });

  it('takes more classes than their counts would fit a message', async () => {
    const classes = 2100;
    const names = Array.from({ length: classes }, (_, k) => `class-${String(k).padStart(4, '0')}`);
    const data = table(blobs(2 * classes, { classes, width: 2 }), { labels: names });
    const model = await new MLPClassifier({ ...SMALL, hidden: [], epochs: 1, batchSize: 1024 }).fit(data);
    const evaluation = await model.evaluate(data);
    expect(evaluation.rows).toBe(2 * classes);
    const counts = new Map<string, number>();
    for (const { actual, count } of evaluation.confusionCounts!) counts.set(actual, (counts.get(actual) ?? 0) + count);
    expect([...counts].sort()).toEqual(names.map((name) => [name, 2]));
    expect(() => evaluation.confusion).toThrow('a confusion matrix of 2100 classes would be 4410000 numbers');
  });

  it('evaluates every row once, whatever the partitions and batches', async () => {
    const data = table(blobs(101), { partitions: 7 });
    const model = await new MLPClassifier({ ...SMALL, epochs: 1 }).fit(data);
    const evaluations = await Promise.all(
      [data, data.mapBatches((b) => [b.slice(0, 3), b.slice(3, 3), b.slice(3)])].map((each) => model.evaluate(each)),
    );
    for (const { rows, confusion } of evaluations) {
      expect(rows).toBe(101);
      expect(confusion.map((row) => row.reduce((a, b) => a + b))).toEqual([34, 34, 33]);
    }
    expect(evaluations[0]).toEqual(evaluations[1]);
  });
});

describe('the same weights, bit for bit', () => {
  const data = blobs(200);
  const train = (options: ClassifierOptions = {}, context = sc, partitions = 2) =>
    new MLPClassifier({ ...SMALL, ...options }).fit(table(data, { context, partitions })).then((m) => m.weightsHash);
  let expected: string;
  beforeAll(async () => {
    expected = await train();
  });

  it.each([1, 3, 7])('from %d source partitions', async (partitions) => {
    expect(await train({}, sc, partitions)).toBe(expected);
  });

  it('by a parameter server', async () => {
    expect(await train({ aggregation: 'ps' })).toBe(expected);
  });

  it('when tasks end in another order', async () => {
    const slow = table(data, { partitions: 7 }).mapBatches(async (batch) => {
      await sleep(((batch.getChild('x0')!.get(0) * 1000) & 7) * 15);
      return batch;
    });
    expect((await new MLPClassifier(SMALL).fit(slow)).weightsHash).toBe(expected);
  });

  it('when two trainings run at once', async () => {
    const tree = { aggregation: 'tree' } as const;
    const all = [
      train(),
      train({ aggregation: 'ps' }),
      train({ ...tree, seed: 6 }),
      train({ aggregation: 'ps' }),
      train(tree),
    ];
    const [one, two, other, three, four] = await Promise.all(all);
    expect([one, two, three, four]).toEqual([expected, expected, expected, expected]);
    expect(other).not.toBe(expected);
  });

  const one = contextOfAllTests('local[1]');
  // One more than shards.
  const four = contextOfAllTests('local[4]');

  it.each([
    ['one slot', one],
    ['four slots', four],
  ])('on %s, by tree and by parameter server', async (_, context) => {
    expect(await train({ aggregation: 'tree' }, context())).toBe(expected);
    expect(await train({ aggregation: 'ps' }, context())).toBe(expected);
  });

  it('when sums are so many that slots merge them', async () => {
    const shards = 60;
    const sums = assignShards(shards, 4).flatMap(({ from, to }) =>
      subtreeRoots(
        Array.from({ length: to - from }, (_, k) => from + k),
        shards,
      ),
    );
    expect(mergeGroups(sums).filter((group) => group.length > 1).length).toBeGreaterThan(0);
    const ofTwo = await train({ shards });
    expect(await train({ shards, aggregation: 'tree' }, four())).toBe(ofTwo);
  });

  it('and other weights from another seed, number of shards or batch size', async () => {
    const hashes = await Promise.all([train({ seed: 6 }), train({ shards: 2 }), train({ batchSize: 64 })]);
    expect(new Set([expected, ...hashes]).size).toBe(4);
  });
});

describe('shapes at the edge', () => {
  const data = blobs(20);
  const trained = (options: ClassifierOptions, rows: Blobs = data) =>
    new MLPClassifier({ ...SMALL, ...options }).fit(table(rows, { files: 3 }));

  it.each(['tree', 'ps'] as const)('%s: more shards than rows, so that shards are empty', async (aggregation) => {
    const model = await trained({ shards: 32, aggregation });
    expect(model.plan).toMatchObject({ rows: 20, shards: 32, stepsPerEpoch: 1 });
    expect(model.losses.every(Number.isFinite)).toBe(true);
    expect(model.weightsHash).toBe(
      (await trained({ shards: 32, aggregation: aggregation === 'ps' ? 'tree' : 'ps' })).weightsHash,
    );
  });

  it('a batch larger than the rows is one step an epoch', async () => {
    const model = await trained({ batchSize: 1000, epochs: 1 });
    expect(model.plan.stepsPerEpoch).toBe(1);
    expect(model.losses).toHaveLength(1);
  });

  it('batches of one row: most shards have nothing to give in most steps', async () => {
    const model = await trained({ batchSize: 1, epochs: 2 });
    expect(model.plan.stepsPerEpoch).toBe(20);
    expect(model.losses.every(Number.isFinite)).toBe(true);
  });

  it('two rows in two classes', async () => {
    const model = await trained({ epochs: 1, shards: undefined }, blobs(2));
    expect(model.plan).toMatchObject({ rows: 2, shards: 1 });
  });

  it('no hidden layer: logistic regression', async () => {
    const model = await trained({ hidden: [], epochs: 1 });
    expect(model.theta).toHaveLength(4 * 3 + 3);
  });

  it('partitions and batches without rows', async () => {
    const plain = await trained({});
    const sparse = table(data, { files: 3, partitions: 3 })
      .mapBatches((batch) => [batch.slice(0, 0), batch, batch.slice(0, 0)])
      .union(table(data).where('label', () => false));
    const model = await new MLPClassifier(SMALL).fit(sparse);
    expect(model.weightsHash).toBe(plain.weightsHash);
    expect((await model.evaluate(sparse)).rows).toBe(20);
  });
});

describe('a whole training beside its replay in float64', () => {
  it.each([
    ['adam', { kind: 'adam', learningRate: 0.01 }],
    ['sgd with momentum', { kind: 'sgd', learningRate: 0.05, momentum: 0.9, nesterov: true }],
  ] as const)('%s', async (_name, optimizer) => {
    const data = blobs(50, { distance: 2 });
    const options: ClassifierOptions = { ...SMALL, activation: 'tanh', epochs: 2, batchSize: 16, optimizer, l2: 0.01 };
    const model = await new MLPClassifier(options).fit(table(data));
    const replayed = replay(model.plan, data);
    expect(largestDifference(model.theta, replayed.theta)).toBeLessThan(2e-5);
    expect(largestDifference(model.losses, replayed.losses)).toBeLessThan(1e-5);
    const outputs = referencePredict(model.network, replayed.theta, data.x.flat());
    const right = data.y.filter((label, row) => {
      const values = [...outputs.subarray(row * 3, row * 3 + 3)];
      return values.indexOf(Math.max(...values)) === label;
    });
    expect((await model.evaluate(table(data))).accuracy).toBeCloseTo(right.length / 50, 10);
  });

  /** From the numerical plan alone, one row after another: row r is local row floor(r / G) of shard r mod G. */
  function replay(plan: NumericalPlan, { x, y }: Blobs) {
    const begin = initialTheta(plan.network, plan.seed, plan.initializer);
    const slots = plan.update.optimizer.kind === 'adam' ? 2 : 1;
    let state = new Float64Array(begin.length * (slots + 1));
    state.set(begin);
    const losses: number[] = [];
    for (let epoch = 0; epoch < plan.epochs; epoch++) {
      let lossSum = 0;
      for (let step = 0; step < plan.stepsPerEpoch; step++) {
        const rows = Array.from({ length: plan.shards }, (_, shard) => {
          const local = stepRows(plan, epoch, shard, step, epochOrder(plan, epoch, shard));
          return Array.from(local, (row) => row * plan.shards + shard);
        }).flat();
        const theta = state.subarray(0, begin.length);
        const sum = referenceGradient(plan.network, theta, x.flat(), y, rows);
        lossSum += sum.lossSum;
        const mean = addReferencePenalty(
          { ...plan.network, l2: plan.update.l2 },
          theta,
          sum.gradient.map((value) => value / rows.length),
        );
        state = referenceApply(
          plan.update.optimizer,
          state,
          mean,
          epoch * plan.stepsPerEpoch + step + 1,
        ) as typeof state;
      }
      losses.push(lossSum / plan.rows);
    }
    return { theta: state.subarray(0, begin.length), losses };
  }
});

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}
