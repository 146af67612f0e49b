import { type Data, DataType, Vector } from 'apache-arrow';

/** The value of a row as rows of plain objects have it; null where there is none. */
export type Reader = (row: number) => any;

/** Reads a column's values one by one, without Arrow's visitors where the type allows it. */
export function readerOf(column: Data): Reader {
  const type = column.type as DataType;
  const read = validReader(column, type);
  if (column.nullCount === 0) return read;
  return (row) => (column.getValid(row) ? read(row) : null);
}

/** The typed array of a number column without nulls; it may be longer than the column. */
export function typedOf(column: Data): ArrayLike<number> | undefined {
  return column.nullCount === 0 && isTyped(column.type) ? (column.values as Float64Array) : undefined;
}

/** Number columns whose values a row shows as they lie in memory. */
export function isTyped(type: DataType): boolean {
  return (DataType.isInt(type) && type.bitWidth < 64) || (DataType.isFloat(type) && type.precision > 0);
}

function validReader(column: Data, type: DataType): Reader {
  if (isTyped(type) || DataType.isInt(type)) {
    const values = column.values as Float64Array;
    return (row) => values[row];
  }
  if (DataType.isBool(type)) {
    const { values, offset } = column as Data & { values: Uint8Array };
    return (row) => (values[(offset + row) >> 3]! & (1 << ((offset + row) & 7))) !== 0;
  }
  if (DataType.isUtf8(type)) {
    const { values, valueOffsets } = column as Data & { values: Uint8Array };
    const text = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    return (row) => text.toString('utf8', valueOffsets[row], valueOffsets[row + 1]);
  }
  if (DataType.isDictionary(type)) {
    const entries = dictionaryValues(column);
    const codes = column.values as Int32Array;
    return (row) => entries[codes[row]!] ?? null;
  }
  const vector = new Vector([column]);
  return (row) => {
    const value = vector.get(row);
    return value instanceof Vector ? Array.from(value) : value;
  };
}

const decoded = new WeakMap<Data, unknown[]>();

/** A dictionary's entries as plain values, decoded once. */
export function dictionaryValues(column: Data): readonly unknown[] {
  const key = column.dictionary!.data[0]!;
  let entries = decoded.get(key);
  if (!entries || entries.length !== column.dictionary!.length) {
    entries = column.dictionary!.data.flatMap((part: Data) => {
      const read = readerOf(part);
      return Array.from({ length: part.length }, (_, row) => read(row));
    });
    decoded.set(key, entries);
  }
  return entries;
}
