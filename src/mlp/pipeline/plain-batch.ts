import type { RecordBatch } from 'apache-arrow';
import { FailureError } from '../../protocol/failure.js';
import { shown } from '../../rdd/arguments.js';
import type { Row } from '../../rdd/arrow-rdd.js';
import { listColumn } from '../../rdd/list-column.js';
import { batchOfValues } from '../../rdd/tables/to-table.js';
import { putColumn } from './put-column.js';
import type { PlainRow } from './stage.js';

/**
 * Plain rows as a batch: objects of columns, or arrays that are the features alone. Columns of arrays of numbers, all of one
 * length, become vectors.
 * @param features name of the column that arrays are
 * @throws TypeError for what is no row, and for vectors of several lengths
 */
export function plainBatch(rows: readonly PlainRow[], features = 'features'): RecordBatch {
  if (!Array.isArray(rows)) throw new TypeError(`predict needs an array of rows, not ${shown(rows)}`);
  const objects = rows.map((row, k): Row => {
    if (isVector(row)) return { [features]: row };
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Row;
    throw new TypeError(
      `predict needs rows that are objects of columns, or arrays of numbers, and row ${k + 1} is ${shown(row)}`,
    );
  });
  const names = new Set(objects.flatMap((row) => Object.keys(row)));
  const vectors = [...names].filter((name) => objects.every((row) => isVector(row[name])));
  const others = objects.map((row) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !vectors.includes(name))),
  );
  // A batch of vectors alone needs a column to tell its rows.
  const plain = names.size > vectors.length ? batchOfValues(others) : undefined;
  let batch = plain;
  for (const name of vectors) {
    const column = vectorColumn(
      name,
      objects.map((row) => row[name] as ArrayLike<number>),
    );
    batch = batch ? putColumn(batch, column) : batchOfVector(column);
  }
  return batch ?? batchOfValues([]);
}

/**
 * What the engine complains of in a partition's rows, said of rows that were given in this process.
 * @throws TypeError in the place of a FailureError
 */
export function ofGivenRows<T>(compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    throw new TypeError(error.message.replace(/\b(row \d+) of the (partition|batch)\b/g, '$1'));
  }
}

function isVector(value: unknown): value is ArrayLike<number> {
  if (ArrayBuffer.isView(value)) return !(value instanceof DataView);
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'number');
}

function vectorColumn(name: string, rows: readonly ArrayLike<number>[]) {
  const width = rows[0]!.length;
  const odd = rows.findIndex((row) => row.length !== width);
  if (odd >= 0)
    throw new TypeError(`"${name}" of row ${odd + 1} has ${rows[odd]!.length} values, that of the first row ${width}`);
  const matrix = new Float32Array(rows.length * width);
  for (const [k, row] of rows.entries()) matrix.set(row, k * width);
  return listColumn(name, matrix, width);
}

function batchOfVector({ field, data }: ReturnType<typeof listColumn>): RecordBatch {
  const empty = batchOfValues({ [field.name]: new Float32Array(data.length) });
  return putColumn(empty, { field, data });
}
