import { type Data, DataType } from 'apache-arrow';
import { hashKey, hashNumber, hashText, mix } from '../keys.js';
import { dictionaryValues, isTyped, readerOf } from './column-reader.js';

/**
 * Keys of tables: values of columns, compared by value whatever the columns' types are: 1 of an int32 column equals 1 of a float64
 * or int64 column, a text equals the same text of a dictionary. -0 equals 0, NaN itself.
 */
const NULL_HASH = 0x2f0b4f35;

/** 32 bits a row, of all key columns together; the same in every process. @param seed another one gives another spread */
export function hashRows(columns: readonly Data[], length: number, seed = 0): Int32Array {
  const hashes = new Int32Array(length).fill(seed);
  for (const column of columns) {
    const hash = hasherOf(column);
    const { nullCount } = column;
    for (let row = 0; row < length; row++) {
      const own = nullCount > 0 && !column.getValid(row) ? NULL_HASH : hash(row);
      hashes[row] = mix(Math.imul(hashes[row]!, 31) ^ own);
    }
  }
  return hashes;
}

function hasherOf(column: Data): (row: number) => number {
  const type = column.type as DataType;
  if (isTyped(type)) {
    const values = column.values as Float64Array;
    return (row) => hashNumber(values[row]!);
  }
  if (DataType.isDictionary(type)) {
    const hashes = dictionaryValues(column).map((value) => (value === null ? NULL_HASH : hashValue(value)));
    const codes = column.values as Int32Array;
    return (row) => hashes[codes[row]!]!;
  }
  const read = readerOf(column);
  return (row) => hashValue(read(row));
}

function hashValue(value: unknown): number {
  if (typeof value === 'string') return hashText(value);
  return hashKey(normal(value));
}

/** Equal numbers are equal keys, whatever their type. */
export function normal(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
