import { describe, expect, it } from 'vitest';
import { MLPClassifier } from './classifier.js';

describe('options of a classifier', () => {
  it('may all be absent or undefined', () => {
    expect(new MLPClassifier().options).toEqual({});
    new MLPClassifier({ hidden: [], epochs: 1, seed: -3, l2: 0, shards: undefined, optimizer: undefined });
  });

  it.each([
    [{ epochs: Number('many') }, 'MLPClassifier: epochs must be a whole number of at least 1, not NaN'],
    [{ epochs: 0 }, 'epochs must be a whole number of at least 1, not 0'],
    [{ batchSize: 2.5 }, 'batchSize must be a whole number of at least 1, not 2.5'],
    [{ hidden: [128, 0] }, 'hidden must be an array of layer sizes, whole numbers of at least 1, not [ 128, 0 ]'],
    [{ hidden: 128 }, 'hidden must be an array of layer sizes'],
    [{ activation: 'gelu' }, "activation must be relu or tanh or sigmoid or linear, not 'gelu'"],
    [{ aggregation: 'ring' }, "aggregation must be tree or ps, not 'ring'"],
    [{ seed: 0.5 }, 'seed must be a whole number, not 0.5'],
    [{ l2: -1 }, 'l2 must be a number of at least 0, not -1'],
    [{ optimizer: { kind: 'adam', learningRate: Number.NaN } }, 'with a learningRate above 0'],
    [{ optimizer: { kind: 'rmsprop', learningRate: 1 } }, "optimizer must be { kind: 'adam' } or { kind: 'sgd' }"],
    [{ optimizer: null }, 'optimizer must be'],
    [{ learningRate: 1 }, 'MLPClassifier has no option "learningRate"; the options are hidden, activation, epochs'],
  ])('%o is refused at once', (options, message) => {
    expect(() => new MLPClassifier(options as never)).toThrow(message);
  });
});
