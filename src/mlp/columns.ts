import { type Data, DataType, type FixedSizeList, type RecordBatch } from 'apache-arrow';
import { FailureError } from '../protocol/failure.js';
import { FEATURE_NAMES } from '../rdd/assemble-step.js';

/** A fixed-size list column of float32 as one row-major matrix. @throws FailureError naming the column and what it is instead */
export function featureMatrix(batches: readonly RecordBatch[], column: string, width: number): Float32Array {
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const matrix = new Float32Array(rows * width);
  let at = 0;
  for (const batch of batches) {
    const values = listValues(batch, column, width);
    matrix.set(values, at);
    at += values.length;
  }
  return matrix;
}

/**
 * Looks for a feature that is not a finite number.
 * @param before rows of the partition before this batch
 * @throws FailureError naming the column, the feature (by its name, where the column knows it) and the row
 */
export function requireFinite(batch: RecordBatch, column: string, before: number): void {
  const values = listValues(batch, column, undefined, before);
  // One addition a value: a sum is finite unless a value is not, or finite ones overflow it, which no float32 do in float64.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  if (Number.isFinite(sum)) return;
  const width = listWidth(batch, column);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  const feature = `feature ${bad % width}${featureName(batch, column, bad % width)}`;
  throw badData(
    `column "${column}": ${feature} of row ${before + Math.floor(bad / width) + 1} of the partition is ${values[bad]}; ` +
      'features must be finite numbers: correct what makes it, or leave such rows out before',
  );
}

function featureName(batch: RecordBatch, column: string, k: number): string {
  const names = batch.schema.fields.find(({ name }) => name === column)?.metadata.get(FEATURE_NAMES);
  return names === undefined ? '' : ` ("${(JSON.parse(names) as string[])[k]}")`;
}

/**
 * The values of a batch's list column without a copy, row after row.
 * @param before rows of the partition before this batch, for messages
 * @throws FailureError for a column of another type or width, or a row without a list or with a null in it
 */
export function listValues(batch: RecordBatch, column: string, width?: number, before?: number): Float32Array {
  const data = columnData(batch, column);
  const type = data.type;
  if (!DataType.isFixedSizeList(type) || !DataType.isFloat(type.valueType) || type.valueType.precision !== 1)
    throw badData(
      `column "${column}" is ${type}; features must be a FixedSizeList of Float32 (assemble makes one of number columns)`,
    );
  if (width !== undefined && type.listSize !== width)
    throw badData(`column "${column}" has ${type.listSize} features a row, expected ${width}`);
  const child = data.children[0]!;
  const first = child.length === data.length * type.listSize ? 0 : data.offset * type.listSize;
  refuseNulls(data, child, first, column, before);
  return (child.values as Float32Array).subarray(first, first + data.length * type.listSize);
}

/** What lies under a null is left over from anything. @param first place of the first row's first value in `child` */
function refuseNulls(
  data: Data<FixedSizeList>,
  child: Data,
  first: number,
  column: string,
  before: number | undefined,
): void {
  if (data.nullCount === 0 && child.nullCount === 0) return;
  const places = Array.from({ length: data.type.listSize }, (_, k) => k);
  for (let row = 0; row < data.length; row++) {
    const valid = data.getValid(row);
    const missing = places.find((k) => !child.getValid(first + row * places.length + k));
    if (valid && missing === undefined) continue;
    const what = valid ? `no value for feature ${missing}` : 'no value';
    const where = before === undefined ? 'the batch' : 'the partition';
    throw badData(
      `column "${column}": row ${(before ?? 0) + row + 1} of ${where} has ${what}; fill it in, or leave such rows out before`,
    );
  }
}

export function listWidth(batch: RecordBatch, column: string): number {
  const { type } = columnData(batch, column);
  if (!DataType.isFixedSizeList(type))
    throw badData(
      `column "${column}" is ${type}; features must be a FixedSizeList of Float32 (assemble makes one of number columns)`,
    );
  return type.listSize;
}

/**
 * Labels as they are, each as text.
 * @param before rows of the partition before this batch, for messages
 * @throws FailureError for a row without a label, and a column of what is no class
 */
export function labelTexts(batch: RecordBatch, column: string, before = 0): string[] {
  requireClasses(columnData(batch, column).type, column);
  const vector = batch.getChild(column)!;
  return Array.from({ length: batch.numRows }, (_, row) => {
    const value = vector.get(row);
    if (value === null || value === undefined || Number.isNaN(value))
      throw badData(
        `column "${column}": row ${before + row + 1} of the partition has no label; ` +
          `leave such rows out: where("${column}", (label) => label !== null)`,
      );
    return String(value);
  });
}

/**
 * Dates would become classes of milliseconds without a word, decimals of their digits' halves, structures of their kind.
 * @param type of labels @throws FailureError saying what to do
 */
export function requireClasses(type: DataType, column: string): void {
  const kind = DataType.isDictionary(type) ? type.dictionary : type;
  const classes = [
    DataType.isUtf8,
    DataType.isLargeUtf8,
    DataType.isInt,
    DataType.isFloat,
    DataType.isBool,
    DataType.isNull,
  ];
  if (classes.some((is) => is(kind))) return;
  throw badData(
    `column "${column}" holds ${kind}; labels are texts, numbers or booleans: make a column of classes of it before, ` +
      `as by withColumn("class", "${column}", (value) => …)`,
  );
}

/** `walk, run, …` */
export function shortList(names: readonly string[]): string {
  return names.length > 20 ? `${names.slice(0, 20).join(', ')}, … ${names.length} in all` : names.join(', ');
}

function columnData(batch: RecordBatch, column: string) {
  const vector = batch.getChild(column);
  if (!vector) throw noColumn(batch, column);
  return vector.data[0]!;
}

/** A column that is missing; of one that was perhaps never asked for by its name, how it is named. */
export function noColumn(batch: RecordBatch, column: string): FailureError {
  const unnamed = column === 'label' || column === 'target';
  const advice = unnamed ? `. Say which is the ${column}: fit(table, { ${column}: "…" })` : '';
  return badData(`there is no column "${column}"; there are ${shortList(batch.schema.names.map(String))}${advice}`);
}

/** What is wrong with the user's data: it needs no stack, the message says where. */
function badData(message: string): FailureError {
  return new FailureError({ kind: 'user-error', message });
}
