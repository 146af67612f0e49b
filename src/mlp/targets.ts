import { type DataType, type RecordBatch, DataType as Types, type Vector } from 'apache-arrow';
import { FEATURE_NAMES } from '../rdd/assemble-step.js';
import { userError } from '../rdd/operator-failure.js';
import { isNumeric } from '../rdd/tables/schema-rules.js';
import { labelTexts, noColumn, requireClasses, shortList } from './columns.js';

/** What a network learns to give for a row, and in which columns it stands. */
export type TargetSpec =
  /** One class of several: a column of texts, numbers or booleans. */
  | { readonly kind: 'class'; readonly column: string; readonly classes: readonly string[] }
  /** Any of many labels: a column of lists of them, or of vectors of zeros and ones. */
  | { readonly kind: 'labels'; readonly column: string; readonly classes: readonly string[] }
  /** Numbers: columns of them, or of vectors; `width` in all. Scaled by (x - mean) / deviation for the training, where given. */
  | {
      readonly kind: 'values';
      readonly columns: readonly string[];
      readonly width: number;
      readonly mean?: readonly number[];
      readonly deviation?: readonly number[];
    };

/** Class numbers, one a row, or values, rows x outputs: what a backend is given. @throws FailureError naming column and row */
export function trainingTargets(batches: readonly RecordBatch[], target: TargetSpec): Int32Array | Float32Array {
  if (target.kind === 'class') {
    const numbers = new Map(target.classes.map((name, k) => [name, k]));
    const texts = batches.flatMap((batch) => labelTexts(batch, target.column));
    return Int32Array.from(texts, (text) => numbers.get(text) ?? refuseUnseen(target, [text]));
  }
  if (target.kind === 'labels') {
    const parts = batches.map((batch) => {
      const { truth, unknown } = labelMatrix(batch, target);
      if (unknown.size > 0) refuseUnseen(target, [...unknown.values()].flat());
      return truth;
    });
    return Float32Array.from(parts.flatMap((part) => [...part]));
  }
  const { width, mean, deviation } = target;
  const parts = batches.map((batch) => valueMatrix(batch, target.columns));
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts)
    for (let i = 0; i < part.length; i++)
      values[at++] = mean && deviation ? (part[i]! - mean[i % width]!) / deviation[i % width]! : part[i]!;
  return values;
}

function refuseUnseen(target: Labels, texts: readonly string[]): never {
  throw userError(`there are ${unseenText(target, texts)}`);
}

/** Targets that are labels, which training rows may have had or not. */
export type Labels = Extract<TargetSpec, { column: string }>;

/** Of errors and warnings. */
export function unseenText({ column, classes }: Labels, unseen: readonly string[]): string {
  const list = shortList([...new Set(unseen)]);
  return `labels in column "${column}" that were not seen in training: ${list} (seen: ${shortList(classes)})`;
}

/** Rows' weights. @param before rows of the partition before the first batch @throws FailureError naming column and row */
export function rowWeights(batches: readonly RecordBatch[], column: string, before = 0): Float32Array {
  const weights = new Float32Array(batches.reduce((sum, batch) => sum + batch.numRows, 0));
  let row = 0;
  for (const batch of batches) {
    weights.set(exactWeights(batch, column, before + row), row);
    row += batch.numRows;
  }
  return weights;
}

/** Likewise, as they stand there. */
export function exactWeights(batch: RecordBatch, column: string, before: number): Float64Array {
  const weights = valueMatrix(batch, [column], before);
  const bad = weights.findIndex((value) => value < 0 || !Number.isFinite(Math.fround(value)));
  if (bad >= 0)
    throw userError(
      `column "${column}": row ${before + bad + 1} of the partition weighs ${weights[bad]}; weights are 32-bit floats of at least 0`,
    );
  return weights;
}

/** How the labels of a column stand in it. */
export type LabelForm = 'class' | 'tags' | 'indicators';

export function labelForm(type: DataType): LabelForm {
  if (Types.isFixedSizeList(type) && isNumeric(type.valueType)) return 'indicators';
  return Types.isList(type) || Types.isFixedSizeList(type) ? 'tags' : 'class';
}

/** What a class is in the user's rows: predictions are given likewise. */
export type LabelType = 'text' | 'number' | 'boolean';

export function labelType(type: DataType): LabelType {
  if (Types.isList(type)) return labelType(type.valueType);
  if (Types.isDictionary(type)) return labelType(type.dictionary);
  if (Types.isBool(type)) return 'boolean';
  return Types.isInt(type) || Types.isFloat(type) ? 'number' : 'text';
}

/** @throws FailureError for a column that is missing */
export function labelColumn(batch: RecordBatch, column: string): Vector {
  const vector = batch.getChild(column);
  if (vector) return vector;
  throw noColumn(batch, column);
}

/** Names of the labels that a column of vectors holds: those it knows, else numbers. */
export function indicatorNames(batch: RecordBatch, column: string): string[] {
  const { type, metadata } = batch.schema.fields.find(({ name }) => name === column)!;
  const names = metadata.get(FEATURE_NAMES);
  if (names !== undefined) return JSON.parse(names) as string[];
  return Array.from({ length: (type as { listSize: number }).listSize }, (_, k) => String(k));
}

/**
 * Labels of each row.
 * @param before rows of the partition before this batch, for messages
 * @throws FailureError for lists of what is no class, a row without a list, a null in one, an indicator other than 0 and 1
 */
export function labelSets(batch: RecordBatch, column: string, before = 0): string[][] {
  const vector = labelColumn(batch, column);
  const type = vector.type as DataType;
  const names = labelForm(type) === 'indicators' ? indicatorNames(batch, column) : undefined;
  if (!names) requireClasses((type as { valueType?: DataType }).valueType ?? type, column);
  return Array.from({ length: batch.numRows }, (_, row) => {
    const list = vector.get(row) as Iterable<unknown> | null;
    if (list === null || typeof list !== 'object') throw noLabels(column, before + row, 'no list of labels');
    const values = [...list];
    if (!names) {
      if (values.includes(null)) throw noLabels(column, before + row, 'a label without a value');
      return [...new Set(values.map(String))];
    }
    const odd = values.find((value) => Number(value) !== 0 && Number(value) !== 1);
    if (odd !== undefined) throw noLabels(column, before + row, `${odd} where 0 or 1 says whether a label is there`);
    return names.filter((_, k) => Number(values[k]) === 1);
  });
}

function noLabels(column: string, row: number, what: string): Error {
  return userError(
    `column "${column}": row ${row + 1} of the partition has ${what}; correct it, or leave such rows out before`,
  );
}

/** 1 where a row has a label, else 0, rows x classes; and labels that are none of the classes, by row. */
export function labelMatrix(
  batch: RecordBatch,
  { column, classes }: Extract<TargetSpec, { kind: 'labels' }>,
  before = 0,
): { truth: Uint8Array; unknown: Map<number, string[]> } {
  const numbers = new Map(classes.map((name, k) => [name, k]));
  const truth = new Uint8Array(batch.numRows * classes.length);
  const unknown = new Map<number, string[]>();
  for (const [row, labels] of labelSets(batch, column, before).entries())
    for (const label of labels) {
      const k = numbers.get(label);
      if (k !== undefined) truth[row * classes.length + k] = 1;
      else unknown.set(row, [...(unknown.get(row) ?? []), label]);
    }
  return { truth, unknown };
}

/**
 * Columns of numbers, or of vectors of them, side by side, in float64.
 * @param before rows of the partition before this batch, for messages
 * @throws FailureError for a column of another type, and for a value that is missing or not finite
 */
export function valueMatrix(batch: RecordBatch, columns: readonly string[], before = 0): Float64Array {
  const readers = columns.map((column) => valueReader(batch, column));
  const width = readers.reduce((sum, reader) => sum + reader.width, 0);
  const matrix = new Float64Array(batch.numRows * width);
  let first = 0;
  for (const [c, { width: own, read }] of readers.entries()) {
    for (let row = 0; row < batch.numRows; row++)
      for (let k = 0; k < own; k++) {
        const value = read(row, k);
        if (value === null || !Number.isFinite(value))
          throw userError(
            `column "${columns[c]}": row ${before + row + 1} of the partition has ${value === null ? 'no value' : `the value ${value}`}; ` +
              `a finite number is needed: leave such rows out: where("${columns[c]}", Number.isFinite)`,
          );
        matrix[row * width + first + k] = value;
      }
    first += own;
  }
  return matrix;
}

/** Numbers of a row that columns hold together. @throws FailureError for a column of another type */
export function valueWidth(batch: RecordBatch, columns: readonly string[]): number {
  return columns.reduce((sum, column) => sum + valueReader(batch, column).width, 0);
}

function valueReader(batch: RecordBatch, column: string) {
  const vector = labelColumn(batch, column);
  const type = vector.type as DataType;
  if (Types.isFixedSizeList(type) && isNumeric(type.valueType)) {
    const read = (row: number, k: number) => numberOf((vector.get(row) as Vector | null)?.get(k));
    return { width: type.listSize, read };
  }
  if (!isNumeric(type) || Types.isDecimal(type))
    throw userError(`column "${column}" holds ${type}; numbers, or vectors of them, are needed`);
  return { width: 1, read: (row: number) => numberOf(vector.get(row)) };
}

const numberOf = (value: unknown) => (value === null || value === undefined ? null : Number(value));
