import { Field, FixedSizeList, Float32, makeData, RecordBatch, Schema, Struct, vectorFromArray } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import type { TaskContext } from '../protocol/program.js';
import { batchOfValues } from '../rdd/tables/to-table.js';
import { ColumnMoments } from './scaler.js';
import { consume, type PartitionSummary } from './summarise.js';

const context = {} as TaskContext;

function batch(values: readonly number[], labels: readonly string[]): RecordBatch {
  const type = new FixedSizeList(2, new Field('item', new Float32(), false));
  const items = makeData({ type: new Float32(), length: values.length, data: Float32Array.from(values) });
  const label = vectorFromArray(labels);
  const fields = [
    new Field('features', type, false, new Map([['note', 'kept']])),
    new Field('label', label.type, true),
  ];
  const children = [makeData({ type, length: labels.length, nullCount: 0, child: items }), label.data[0]!];
  const data = makeData({ type: new Struct(fields), length: labels.length, nullCount: 0, children });
  return new RecordBatch(new Schema(fields), data);
}

async function* chunks(...batches: RecordBatch[]) {
  yield* batches;
}

const one = batch([1, 10, 3, 10], ['a', 'constructor']);
const two = batch([5, 40], ['a']);

describe('the summary of a partition', () => {
  it('counts rows and labels, and takes moments', async () => {
    const parameters = { features: 'features', label: 'label', moments: true };
    const summary = (await consume(
      chunks(one, one.slice(0, 0), two),
      parameters,
      context,
    )) as unknown as PartitionSummary;
    expect({ ...summary, labels: { ...summary.labels }, moments: '' }).toEqual({
      ...{ rows: 3, width: 2, weighty: 3, moments: '', targets: null, featureNames: null },
      ...{ labels: { a: 2, constructor: 1 }, labelForm: 'class', labelType: 'text' },
    });
    const { mean, deviation } = ColumnMoments.fromBytes(Buffer.from(summary.moments!, 'base64')).finish();
    expect([...mean]).toEqual([3, 20]);
    expect(deviation[0]).toBeCloseTo(Math.sqrt(8 / 3), 12);
  });

  it('of no rows knows no width', async () => {
    expect(await consume(chunks(one.slice(0, 0)), { features: 'features', moments: true }, context)).toEqual({
      ...{ rows: 0, width: 0, weighty: 0, moments: null, targets: null, featureNames: null },
      ...{ labels: {}, labelForm: null, labelType: null },
    });
  });

  it('counts the rows of the batches before when it says where something is wrong', async () => {
    const parameters = { features: 'features', label: 'label' };
    await expect(consume(chunks(one, batch([1, Number.NaN], ['a'])), parameters, context)).rejects.toThrow(
      'feature 1 of row 3 of the partition is NaN',
    );
  });

  it('names targets that 32-bit floats cannot hold', async () => {
    const large = batchOfValues({ y: new Float64Array([1, 1e300]) });
    const table = new RecordBatch({ ...columnsOf(one.slice(0, 2)), y: large.getChildAt(0)!.data[0]! });
    await expect(consume(chunks(table), { features: 'features', targets: ['y'] }, context)).rejects.toThrow(
      'row 2 of the partition has a value of y beyond 32-bit floats',
    );
  });
});

const columnsOf = (given: RecordBatch) =>
  Object.fromEntries(given.schema.names.map((name) => [name, given.getChild(name)!.data[0]!]));
