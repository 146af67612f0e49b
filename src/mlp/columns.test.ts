import {
  type Data,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  vectorFromArray,
} from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { FEATURE_NAMES } from '../rdd/assemble-step.js';
import { featureMatrix, labelTexts, listValues, requireFinite } from './columns.js';

/** A batch with features of two values a row and labels as they are given. */
function batch(values: readonly number[], labels: readonly unknown[] = [], names?: readonly string[]): RecordBatch {
  const length = values.length / 2;
  const type = new FixedSizeList(2, new Field('item', new Float32(), false));
  const items = makeData({ type: new Float32(), length: values.length, data: Float32Array.from(values) });
  const metadata = names && new Map([[FEATURE_NAMES, JSON.stringify(names)]]);
  const label = vectorFromArray(labels.length > 0 ? labels : Array(length).fill('a'));
  const fields = [new Field('features', type, false, metadata), new Field('label', label.type, true)];
  const children = [makeData({ type, length, nullCount: 0, child: items }), label.data[0]!];
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

describe('features', () => {
  it('are one row-major matrix, of slices too', () => {
    const whole = batch([1, 2, 3, 4, 5, 6]);
    expect([...listValues(whole.slice(1, 3), 'features', 2)]).toEqual([3, 4, 5, 6]);
    expect([...featureMatrix([whole.slice(2, 3), whole.slice(0, 1), whole.slice(0, 0)], 'features', 2)]).toEqual([
      5, 6, 1, 2,
    ]);
  });

  it('must be there, be lists of float32 and have the width', () => {
    expect(() => listValues(batch([1, 2]), 'feature')).toThrow('no column "feature"; there are features, label');
    expect(() => listValues(batch([1, 2]), 'label')).toThrow(/column "label" is .*FixedSizeList of Float32 \(assemble/);
    expect(() => listValues(batch([1, 2]), 'features', 3)).toThrow('has 2 features a row, expected 3');
  });

  it('must not be null, the whole list or one of its values: says which', () => {
    const item = (values: readonly (number | null)[]) => vectorFromArray(values, new Float32()).data[0]!;
    const type = new FixedSizeList(2, new Field('item', new Float32(), true));
    const of = (child: Data<Float32>, length: number, validity?: Uint8Array) => {
      const list = makeData({ type, length, child, nullBitmap: validity, nullCount: validity && 1 });
      const fields = [new Field('features', type, true)];
      const struct = makeData({ type: new Struct(fields), length, nullCount: 0, children: [list] });
      return new RecordBatch(new Schema(fields), struct);
    };
    const noList = of(item([1, 2, 3, 4, 5, 6]), 3, Uint8Array.of(0b101));
    expect(() => requireFinite(noList, 'features', 10)).toThrow(
      'column "features": row 12 of the partition has no value',
    );
    expect(() => listValues(noList, 'features')).toThrow('row 2 of the batch has no value');
    const noItem = of(item([1, 2, 3, null]), 2);
    expect(() => listValues(noItem, 'features')).toThrow('row 2 of the batch has no value for feature 1');
    expect([...listValues(noItem.slice(0, 1), 'features')]).toEqual([1, 2]);
    expect(() => listValues(noItem.slice(1, 2), 'features')).toThrow('row 1 of the batch has no value for feature 1');
    expect([...listValues(of(item([1, 2]), 1), 'features')]).toEqual([1, 2]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('must not be %d: says which', (value) => {
    expect(() => requireFinite(batch([1, 2, 3, value]), 'features', 10)).toThrow(
      `column "features": feature 1 of row 12 of the partition is ${value}`,
    );
    expect(() => requireFinite(batch([value, 2], [], ['speed', 'mass']), 'features', 0)).toThrow(
      `feature 0 ("speed") of row 1 of the partition is ${value}`,
    );
  });

  it('may be as large as float32 goes', () => {
    requireFinite(batch(Array(1000).fill(3.4e38)), 'features', 0);
    requireFinite(batch([3.4e38, -3.4e38]), 'features', 0);
    requireFinite(batch([]), 'features', 0);
  });
});

describe('labels', () => {
  const texts = (labels: readonly unknown[]) => labelTexts(batch(Array(2 * labels.length).fill(0), labels), 'label');

  it('are text, whatever the type of their column', () => {
    expect(texts(['b', 'a'])).toEqual(['b', 'a']);
    expect(texts([true, false])).toEqual(['true', 'false']);
    const int64 = vectorFromArray([3n, 1n], new Int64());
    const doubles = vectorFromArray([3, 1.5], new Float64());
    const typed = new RecordBatch({ whole: int64.data[0]!, label: doubles.data[0]! });
    expect(labelTexts(typed, 'whole')).toEqual(['3', '1']);
    expect(labelTexts(typed, 'label')).toEqual(['3', '1.5']);
  });

  it.each([null, Number.NaN])('must be there: %s is none', (none) => {
    const labels = none === null ? ['a', null] : [1.5, none];
    expect(() => labelTexts(batch([1, 2, 3, 4], labels), 'label', 5)).toThrow(
      'column "label": row 7 of the partition has no label',
    );
  });
});
