import { type Data, Field, FixedSizeList, Float64, makeData, type RecordBatch, Utf8 } from 'apache-arrow';
import { FEATURE_NAMES } from '../rdd/assemble-step.js';
import { listColumn } from '../rdd/list-column.js';
import { columnFrom } from '../rdd/tables/types.js';
import { argmaxRows } from './metrics/confusion.js';
import { putColumn } from './pipeline/put-column.js';
import type { LabelType, TargetSpec } from './targets.js';

/** What a network's outputs mean. */
export interface OutputSpec {
  readonly target: TargetSpec;
  readonly labelType: LabelType;
  /** A label of many is predicted from this probability on. */
  readonly threshold: number;
}

/** Names of the columns that predictions are written to. */
export interface PredictionColumns {
  /** Default `prediction`. */
  readonly prediction?: string;
  /** Of classifiers; null: none. Default `probability`. */
  readonly probability?: string | null;
}

/** A class as it stands in the user's rows. */
export type Label = string | number | boolean;

/** Probabilities of each class, rows x classes: two for the one output that tells two classes apart. */
export function classProbabilities(outputs: Float32Array, { target }: Pick<OutputSpec, 'target'>, rows: number) {
  if (target.kind !== 'class' || outputs.length === rows * target.classes.length) return outputs;
  const both = new Float32Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    both[2 * row] = 1 - outputs[row]!;
    both[2 * row + 1] = outputs[row]!;
  }
  return both;
}

/** Values in the units of the target, rows x width, in float64. */
export function unscaled(outputs: Float32Array, target: Extract<TargetSpec, { kind: 'values' }>): Float64Array {
  const { mean, deviation, width } = target;
  if (!mean || !deviation) return Float64Array.from(outputs);
  return Float64Array.from(outputs, (value, i) => value * deviation[i % width]! + mean[i % width]!);
}

/**
 * Of each row: its class, its labels, its value, or its values.
 * @param outputs class probabilities, probabilities of labels, or values as the network gives them; rows x outputs
 */
export function predictionsOf(outputs: Float32Array, spec: OutputSpec, rows: number): unknown[] {
  const { target, labelType, threshold } = spec;
  if (target.kind === 'values') {
    const values = unscaled(outputs, target);
    return Array.from({ length: rows }, (_, row) =>
      target.width === 1 ? values[row]! : [...values.subarray(row * target.width, (row + 1) * target.width)],
    );
  }
  const labels = target.classes.map((name) => labelOf(name, labelType));
  if (target.kind === 'class')
    return Array.from(argmaxRows(classProbabilities(outputs, spec, rows), labels.length), (k) => labels[k]!);
  return Array.from({ length: rows }, (_, row) =>
    labels.filter((_, k) => outputs[row * labels.length + k]! >= threshold),
  );
}

export function labelOf(name: string, type: LabelType): Label {
  return type === 'number' ? Number(name) : type === 'boolean' ? name === 'true' : name;
}

/** The batch with columns of predictions, and of classifiers their probabilities (`FixedSizeList<Float32>`). */
export function addPredictions(
  batch: RecordBatch,
  outputs: Float32Array,
  spec: OutputSpec,
  { prediction = 'prediction', probability = 'probability' }: PredictionColumns,
): RecordBatch {
  const { target } = spec;
  const predicted = putColumn(batch, predictionColumn(prediction, outputs, spec, batch.numRows));
  if (target.kind === 'values' || probability === null) return predicted;
  const values = classProbabilities(outputs, spec, batch.numRows);
  const names = new Map([[FEATURE_NAMES, JSON.stringify(target.classes)]]);
  return putColumn(predicted, listColumn(probability, values, target.classes.length, names));
}

function predictionColumn(name: string, outputs: Float32Array, spec: OutputSpec, rows: number) {
  const { target, labelType } = spec;
  let data: Data;
  if (target.kind === 'values') data = valueColumn(unscaled(outputs, target), target.width);
  else if (target.kind === 'class' && labelType === 'text')
    data = textColumn(argmaxRows(classProbabilities(outputs, spec, rows), target.classes.length), target.classes);
  else {
    const type = ({ text: 'utf8', number: 'float64', boolean: 'bool' } as const)[labelType];
    data = columnFrom(target.kind === 'labels' ? [type] : type, predictionsOf(outputs, spec, rows)) as Data;
  }
  return { field: new Field(name, data.type, false), data };
}

/** One value a row as numbers, several as a vector. */
function valueColumn(values: Float64Array, width: number): Data {
  const numbers = makeData({ type: new Float64(), length: values.length, nullCount: 0, data: values });
  if (width === 1) return numbers;
  const type = new FixedSizeList(width, new Field('item', new Float64(), false));
  return makeData({ type, length: values.length / width, nullCount: 0, child: numbers });
}

/** Texts that repeat: each is encoded once. */
function textColumn(numbers: Int32Array, texts: readonly string[]): Data {
  const encoder = new TextEncoder();
  const encoded = texts.map((text) => encoder.encode(text));
  const valueOffsets = new Int32Array(numbers.length + 1);
  for (let row = 0; row < numbers.length; row++)
    valueOffsets[row + 1] = valueOffsets[row]! + encoded[numbers[row]!]!.length;
  const data = new Uint8Array(valueOffsets[numbers.length]!);
  for (let row = 0; row < numbers.length; row++) data.set(encoded[numbers[row]!]!, valueOffsets[row]);
  return makeData({ type: new Utf8(), length: numbers.length, nullCount: 0, valueOffsets, data });
}
