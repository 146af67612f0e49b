import { describe, expect, it } from 'vitest';
import { lessonOf, MLPClassifier } from './classifier.js';
import { MLPRegressor } from './regressor.js';
import type { PartitionSummary } from './summarise.js';
import { updateOf } from './training-options.js';

describe('options of a classifier', () => {
  it('may all be absent or undefined', () => {
    expect(new MLPClassifier().options).toEqual({});
    new MLPClassifier({ hidden: [], epochs: 1, seed: -3, l2: 0, shards: undefined, optimizer: undefined });
    const layers = [{ kind: 'dropout', rate: 0.1 }, 32, { units: 8, activation: 'gelu' }] as const;
    new MLPClassifier({ hidden: layers, normalization: 'batch', dropout: 0.2, earlyStopping: { patience: 3 } });
  });

  it.each([
    [{ epochs: Number('many') }, 'MLPClassifier: epochs must be a whole number of at least 1, not NaN'],
    [{ epochs: 0 }, 'epochs must be a whole number of at least 1, not 0'],
    [
      { batchSize: 2.5 },
      "batchSize must be a whole number of at least 1, 'auto', { auto: 'noise' or 'goodput', min, max, growth: above 1 }, or a list of such numbers, not 2.5",
    ],
    [
      { hidden: [128, 0] },
      'hidden must be an array of layer sizes, whole numbers of at least 1, or of layers, not [ 128, 0 ]',
    ],
    [{ hidden: 128 }, 'hidden must be an array of layer sizes'],
    [{ hidden: [{ unit: 8 }] }, 'MLPClassifier: network: hidden[0] has no "unit"'],
    [{ activation: 'swish' }, 'MLPClassifier: network: hidden[0].activation must be one of relu, leaky-relu'],
    [{ dropout: 1 }, 'dropout of hidden[0] must be a number from 0 to below 1, not 1'],
    [{ aggregation: 'ring' }, "aggregation must be 'auto' or 'tree' or 'ps' or 'allreduce', not 'ring'"],
    [{ shards: 1e6 }, 'shards must be a whole number from 1 to 65536, not 1000000'],
    [{ seed: 0.5 }, 'seed must be a whole number, not 0.5'],
    [{ l2: -1 }, 'l2 must be a number of at least 0, not -1'],
    [{ optimizer: { kind: 'adam', learningRate: Number.NaN } }, 'learningRate must be a number above 0, not NaN'],
    [{ optimizer: { kind: 'adam', learningRate: 1, beta3: 1 } }, 'has no option "beta3"'],
    [
      { optimizer: 'adamax' },
      "optimizer must be sgd, adagrad, rmsprop, adam, adamw, l-bfgs, or { kind, learningRate, … }, not 'adamax'",
    ],
    [{ optimizer: null }, 'optimizer must be'],
    [{ optimizer: { kind: 'sgd', learningRate: 1 }, learningRate: 1 }, 'learningRate belongs into the optimizer'],
    [{ optimizer: 'l-bfgs', learningRate: 1 }, 'l-bfgs has no learningRate'],
    [
      { learningRat: 1 },
      'MLPClassifier has no option "learningRat"; the options are hidden, activation, normalization',
    ],
    [{ clipNorm: 1, clipValue: 1 }, 'clipValue and clipNorm exclude each other'],
    [
      { loss: 'mean-squared-error' },
      "loss must be 'softmax-cross-entropy' or 'binary-cross-entropy', { kind, labelSmoothing }, or a function",
    ],
    [{ labelSmoothing: 1 }, 'labelSmoothing must be a number from 0 to below 1, not 1'],
    [{ classWeights: 'even' }, "classWeights must be 'balanced', or an object of numbers of at least 0 by class"],
    [
      { earlyStopping: { patients: 3 } },
      'earlyStopping of MLPClassifier has no option "patients"; the options are validation',
    ],
    [{ earlyStopping: { validation: 2 } }, 'validation must be a table, or a number above 0 and below 1, not 2'],
    [
      { earlyStopping: { stratify: true, group: 'person' } },
      'earlyStopping of MLPClassifier: stratify: true does not go with group, whose rows stay together',
    ],
    [{ warmStart: 'model' }, "warmStart must be a fitted model, not 'model'"],
  ])('%o is refused at once', (options, message) => {
    expect(() => new MLPClassifier(options as never)).toThrow(message);
  });
});

it.each([
  [
    { loss: 'softmax-cross-entropy' },
    "MLPRegressor: loss must be 'mean-squared-error', 'mean-absolute-error', 'huber', { kind",
  ],
  [{ loss: { kind: 'huber', delta: 0 } }, 'MLPRegressor: network: delta of loss must be a number above 0, not 0'],
  [{ classWeights: 'balanced' }, 'MLPRegressor has no option "classWeights"'],
  [{ earlyStopping: { stratify: true } }, 'earlyStopping of MLPRegressor: stratify: true needs classes'],
])('a regressor refuses %o', (options, message) => {
  expect(() => new MLPRegressor(options as never)).toThrow(message);
});

it('a regressor refuses a target that is given twice', () => {
  const columns = (target: string[]) => () => new MLPRegressor().fitRequest({ target });
  expect(columns(['a', 'b'])).not.toThrow();
  expect(columns(['a', 'a'])).toThrow(
    "MLPRegressor.fit: target must be a column's name, or an array of them, each once, not [ 'a', 'a' ]",
  );
});

it('updates take the learning rate that is usual for the optimizer', () => {
  expect(updateOf('', {})).toEqual({ optimizer: { kind: 'adam', learningRate: 0.001 } });
  expect(updateOf('', { optimizer: 'sgd', clipNorm: 1 })).toEqual({
    optimizer: { kind: 'sgd', learningRate: 0.01 },
    clipNorm: 1,
  });
  expect(updateOf('', { optimizer: 'rmsprop', learningRate: 0.1, l1: undefined })).toEqual({
    optimizer: { kind: 'rmsprop', learningRate: 0.1 },
  });
});

describe('what is learnt', () => {
  const part = (labels: Record<string, number>, labelForm: 'class' | 'tags' | 'indicators' = 'class') =>
    ({ rows: 10, labels, labelForm, labelType: 'text' }) as unknown as PartitionSummary;
  const two = [part({ a: 2, b: 8 }), part({ a: 3, b: 7 }), { ...part({}), rows: 0, labelForm: null, labelType: null }];

  it('of two classes: two outputs, or one', () => {
    expect(lessonOf(two, 'y', {})).toMatchObject({ outputs: 2, loss: { kind: 'softmax-cross-entropy' } });
    const one = lessonOf(two, 'y', { loss: 'binary-cross-entropy', labelSmoothing: 0.1 });
    expect(one).toMatchObject({ outputs: 1, loss: { kind: 'binary-cross-entropy', labelSmoothing: 0.1 } });
    expect(() => lessonOf([part({ a: 1, b: 1, c: 8 })], 'y', { loss: 'binary-cross-entropy' })).toThrow(
      `loss 'binary-cross-entropy' tells two classes apart, and column "y" holds 3: a, b, c`,
    );
  });

  it('of many labels: no loss of one class a row is taken', () => {
    const tags = [part({ a: 2, b: 8 }, 'tags')];
    for (const options of [
      {},
      { loss: 'binary-cross-entropy' },
      { labelSmoothing: 0.1 },
      { loss: () => null as never },
    ] as const)
      expect(lessonOf(tags, 'y', options)).toMatchObject({ outputs: 2, loss: { kind: 'binary-cross-entropy' } });
    for (const loss of ['softmax-cross-entropy', { kind: 'softmax-cross-entropy' }] as const)
      expect(() => lessonOf(tags, 'y', { loss })).toThrow(
        `MLPClassifier.fit: loss 'softmax-cross-entropy' gives each row one class, and rows of column "y" have any of many labels: leave loss out`,
      );
  });

  it('classes weigh what they are given, or the other way round of their rows', () => {
    expect(lessonOf(two, 'y', { classWeights: 'balanced' }).classWeights).toEqual([2, 20 / 30]);
    expect(lessonOf(two, 'y', { classWeights: { b: 3 } }).classWeights).toEqual([1, 3]);
    expect(() => lessonOf(two, 'y', { classWeights: { c: 3 } })).toThrow(
      'classWeights names a class "c", and column "y" holds a, b',
    );
  });

  it('of lists: an output a label', () => {
    const tags = lessonOf([part({ b: 2, a: 5 }, 'tags')], 'y', { classWeights: 'balanced' });
    expect(tags).toMatchObject({
      target: { kind: 'labels', classes: ['a', 'b'] },
      outputs: 2,
      loss: { kind: 'binary-cross-entropy', positiveWeights: [1, 4] },
    });
    const indicators = lessonOf([part({ b: 2, a: 0 }, 'indicators')], 'y', {});
    expect(indicators.target).toEqual({ kind: 'labels', column: 'y', classes: ['b', 'a'] });
    expect(() => lessonOf([part({}, 'tags')], 'y', {})).toThrow('no row has a label in column "y"');
  });
});
