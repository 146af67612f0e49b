import { describe, expect, it } from 'vitest';
import { batchOfValues } from '../rdd/tables/to-table.js';
import { addPredictions, type OutputSpec, predictionsOf } from './predictions.js';

const spec = (target: OutputSpec['target'], labelType: OutputSpec['labelType'] = 'text'): OutputSpec => ({
  ...{ target, labelType },
  threshold: 0.5,
});
const classes = { kind: 'class', column: 'y', classes: ['10', '2'] } as const;
const labels = { kind: 'labels', column: 'y', classes: ['é', 'b'] } as const;
const batch = batchOfValues({ id: [1, 2] });

describe('predictions of', () => {
  it.each([
    ['text', ['2', '10']],
    ['number', [2, 10]],
  ] as const)('classes that are %s', (type, expected) => {
    const outputs = Float32Array.of(0.25, 0.75, 0.5, 0.5);
    expect(predictionsOf(outputs, spec(classes, type), 2)).toEqual(expected);
    const table = addPredictions(batch, outputs, spec(classes, type), {});
    expect(table.schema.names).toEqual(['id', 'prediction', 'probability']);
    expect([...table.getChild('prediction')!]).toEqual(expected);
    expect([...table.getChild('probability')!.get(0)]).toEqual([0.25, 0.75]);
  });

  it('two classes by one output', () => {
    const truth = { ...classes, classes: ['false', 'true'] };
    expect(predictionsOf(Float32Array.of(0.75, 0.25), spec(truth, 'boolean'), 2)).toEqual([true, false]);
    const table = addPredictions(batch, Float32Array.of(0.75, 0.25), spec(truth, 'boolean'), { probability: 'p' });
    expect([...table.getChild('prediction')!]).toEqual([true, false]);
    expect([...table.getChild('p')!.get(1)]).toEqual([0.75, 0.25]);
  });

  it('any of many labels', () => {
    const outputs = Float32Array.of(0.5, 0.9, 0.49, 0.1);
    expect(predictionsOf(outputs, spec(labels), 2)).toEqual([['é', 'b'], []]);
    const table = addPredictions(batch, outputs, spec(labels), { prediction: 'tags', probability: null });
    expect(table.schema.names).toEqual(['id', 'tags']);
    expect([...table.getChild('tags')!.get(0)]).toEqual(['é', 'b']);
    expect([...table.getChild('tags')!.get(1)]).toEqual([]);
  });

  it('values, in their units', () => {
    const one = { kind: 'values', columns: ['y'], width: 1, mean: [1000], deviation: [10] } as const;
    expect(predictionsOf(Float32Array.of(0, -1.5), spec(one), 2)).toEqual([1000, 985]);
    expect([...addPredictions(batch, Float32Array.of(0, -1.5), spec(one), {}).getChild('prediction')!]).toEqual([
      1000, 985,
    ]);
    const two = { kind: 'values', columns: ['a', 'b'], width: 2 } as const;
    expect(predictionsOf(Float32Array.of(1, 2, 3, 4), spec(two), 2)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const table = addPredictions(batch, Float32Array.of(1, 2, 3, 4), spec(two), {});
    expect([...table.getChild('prediction')!.get(1)]).toEqual([3, 4]);
  });
});
