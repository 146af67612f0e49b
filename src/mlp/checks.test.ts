import { describe, expect, it } from 'vitest';
import { checkRows, prepareShard, weightOf } from './checks.js';
import type { Network } from './network.js';

const classifier: Network = { inputs: 1, hidden: [], outputs: 3, loss: 'softmax-cross-entropy' };
const binary: Network = { inputs: 1, hidden: [], outputs: 1, loss: { kind: 'binary-cross-entropy' } };
const features = Float32Array.of(1, 2, 3);

describe('prepareShard', () => {
  it('multiplies weights of rows by those of their classes', () => {
    const labels = Int32Array.of(2, 0, 2);
    const weighted = { ...classifier, classWeights: [0.5, 1, 4] };
    expect(prepareShard(classifier, 0, { features, labels }).weights).toBeUndefined();
    expect(prepareShard(weighted, 0, { features, labels }).weights).toEqual(Float32Array.of(4, 0.5, 4));
    const weights = Float32Array.of(1, 2, 0);
    expect(prepareShard(classifier, 0, { features, labels, weights }).weights).toEqual(weights);
    expect(prepareShard(classifier, 0, { features, labels, weights }).weights).not.toBe(weights);
    expect(prepareShard(weighted, 0, { features, labels, weights }).weights).toEqual(Float32Array.of(4, 1, 0));
  });

  it('takes two classes as numbers or as probabilities', () => {
    const numbers = prepareShard(binary, 0, { features, labels: Int32Array.of(0, 1, 1) });
    expect(numbers.labels).toEqual(Float32Array.of(0, 1, 1));
    expect(numbers.labelShape).toEqual([3, 1]);
    const probabilities = Float32Array.of(0, 0.5, 1);
    expect(prepareShard(binary, 0, { features, labels: probabilities }).labels).toBe(probabilities);
    const weighted = { ...binary, classWeights: [1, 3] };
    expect(prepareShard(weighted, 0, { features, labels: Int32Array.of(0, 1, 1) }).weights).toEqual(
      Float32Array.of(1, 3, 3),
    );
    expect(() => prepareShard(weighted, 4, { features, labels: probabilities })).toThrow(
      'shard 4: with classWeights every label must be 0 or 1',
    );
    expect(() => prepareShard(binary, 4, { features, labels: Int32Array.of(0, 1, 2) })).toThrow(
      'shard 4: row 2 has class 2, the network has 2 classes',
    );
    expect(() => prepareShard(binary, 4, { features, labels: Float32Array.of(0, 1, 1.5) })).toThrow(
      'shard 4: label 2 is 1.5; binary cross-entropy takes 0 to 1',
    );
  });

  it('refuses values that are no numbers', () => {
    const regression: Network = { ...binary, loss: 'mean-squared-error' };
    expect(() => prepareShard(regression, 4, { features, labels: Float32Array.of(0, Number.NaN, 1) })).toThrow(
      'shard 4: label 1 is NaN',
    );
  });
});

describe('weightOf', () => {
  it('sums the weights of the rows asked for, or counts them', () => {
    const rows = Int32Array.of(2, 2, 0);
    expect(weightOf({ rows: 3, weights: Float32Array.of(1, 10, 0.5) }, rows)).toBe(2);
    expect(weightOf({ rows: 3, weights: undefined }, rows)).toBe(3);
  });
});

describe('checkRows', () => {
  it('gives what is held of the shard', () => {
    const held = { rows: 3, weights: undefined };
    expect(checkRows(new Map([[1, held]]), 1, Int32Array.of(0, 2))).toBe(held);
    expect(() => checkRows(new Map([[1, held]]), 2, Int32Array.of(0))).toThrow('shard 2 is not loaded (loaded: 1)');
  });
});
