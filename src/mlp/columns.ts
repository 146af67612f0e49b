import { DataType, type RecordBatch } from 'apache-arrow';

/** A fixed-size list column of float32 as one row-major matrix. @throws TypeError naming the column and what it is instead */
export function featureMatrix(
  batches: readonly RecordBatch[],
  column: string,
  width: number,
  shard?: number,
): Float32Array {
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const matrix = new Float32Array(rows * width);
  let at = 0;
  for (const batch of batches) {
    const values = listValues(batch, column, width);
    matrix.set(values, at);
    at += values.length;
  }
  const bad = matrix.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const where = shard === undefined ? '' : ` of shard ${shard}`;
    throw new RangeError(
      `column "${column}": value ${bad % width} of row ${Math.floor(bad / width)}${where} is ${matrix[bad]}; features must be finite numbers`,
    );
  }
  return matrix;
}

/** The values of a batch's list column without a copy, row after row. */
export function listValues(batch: RecordBatch, column: string, width?: number): Float32Array {
  const data = columnData(batch, column);
  const type = data.type;
  if (!DataType.isFixedSizeList(type) || !DataType.isFloat(type.valueType) || type.valueType.precision !== 1)
    throw new TypeError(`column "${column}" is ${type}; features must be a FixedSizeList of Float32`);
  if (width !== undefined && type.listSize !== width)
    throw new TypeError(`column "${column}" has ${type.listSize} features a row, expected ${width}`);
  const child = data.children[0]!;
  const first = child.length === data.length * type.listSize ? 0 : data.offset * type.listSize;
  return (child.values as Float32Array).subarray(first, first + data.length * type.listSize);
}

export function listWidth(batch: RecordBatch, column: string): number {
  const { type } = columnData(batch, column);
  if (!DataType.isFixedSizeList(type))
    throw new TypeError(`column "${column}" is ${type}; features must be a FixedSizeList of Float32`);
  return type.listSize;
}

/** Labels as they are, each as text; null is no label. */
export function labelTexts(batch: RecordBatch, column: string): string[] {
  columnData(batch, column);
  const vector = batch.getChild(column)!;
  return Array.from({ length: batch.numRows }, (_, row) => {
    const value = vector.get(row);
    if (value === null || value === undefined) throw new TypeError(`column "${column}": row ${row} has no label`);
    return String(value);
  });
}

/** Class numbers (classification) or values (regression, one output). */
export function labelIndices(
  batches: readonly RecordBatch[],
  column: string,
  classes: readonly string[] | undefined,
): Int32Array | Float32Array {
  if (!classes) return Float32Array.from(batches.flatMap((batch) => labelTexts(batch, column).map(Number)));
  const index = new Map(classes.map((name, k) => [name, k]));
  return Int32Array.from(
    batches.flatMap((batch) =>
      labelTexts(batch, column).map((text) => {
        const k = index.get(text);
        if (k === undefined)
          throw new RangeError(
            `label "${text}" of column "${column}" was not seen in training (${classes.join(', ')})`,
          );
        return k;
      }),
    ),
  );
}

function columnData(batch: RecordBatch, column: string) {
  const vector = batch.getChild(column);
  if (!vector) throw new TypeError(`there is no column "${column}" among ${batch.schema.names.join(', ')}`);
  return vector.data[0]!;
}
