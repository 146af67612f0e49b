import {
  type Data,
  type DataType,
  Field,
  type FixedSizeList,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  DataType as Types,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';

/**
 * The given rows of a batch, in the given order, as a batch of its own. Numbers and fixed-size lists of numbers without
 * nulls are copied as typed arrays; other columns value by value. Dictionary columns come back as their plain values.
 */
export function takeRows(batch: RecordBatch, rows: readonly number[]): RecordBatch {
  const columns = batch.schema.fields.map((field, index) => takeColumn(batch.getChildAt(index)!, field, rows));
  const schema = new Schema(
    batch.schema.fields.map((field, index) => new Field(field.name, columns[index]!.type, field.nullable)),
    batch.schema.metadata,
  );
  const data = makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children: columns });
  return new RecordBatch(schema, data);
}

function takeColumn(column: Vector, field: Field, rows: readonly number[]): Data {
  const data = column.data[0]!;
  const type = Types.isDictionary(field.type) ? (field.type.dictionary as DataType) : (field.type as DataType);
  if (data.nullCount === 0 && isPlainNumber(type))
    return makeData({ type, length: rows.length, data: gather(data, rows) } as never);
  if (data.nullCount === 0 && Types.isFixedSizeList(type) && isPlainNumber(type.valueType))
    return takeLists(data, type, rows);
  const values = rows.map((row) => column.get(row));
  const vector = values.length > 0 ? vectorFromArray(values, type) : undefined;
  return vector?.data[0] ?? emptyColumn(type);
}

function isPlainNumber(type: DataType): boolean {
  return Types.isInt(type) || Types.isFloat(type);
}

function gather(data: Data, rows: readonly number[]): Float32Array {
  const values = data.values as Float32Array; // a slice's values are already moved to its offset
  const out = new (values.constructor as Float32ArrayConstructor)(rows.length);
  for (let i = 0; i < rows.length; i++) out[i] = values[rows[i]!]!;
  return out;
}

function takeLists(data: Data, type: FixedSizeList, rows: readonly number[]): Data {
  const width = type.listSize;
  const child = data.children[0]!;
  const values = child.values as Float32Array;
  const first = child.length === data.length * width ? 0 : data.offset * width;
  const out = new (values.constructor as Float32ArrayConstructor)(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const from = first + rows[i]! * width;
    out.set(values.subarray(from, from + width), i * width);
  }
  const items = makeData({ type: type.valueType, length: out.length, nullCount: 0, data: out } as never);
  return makeData({ type, length: rows.length, nullCount: 0, child: items } as never);
}

function emptyColumn(type: DataType): Data {
  return (
    vectorFromArray([], Types.isDictionary(type) ? new Utf8() : type).data[0] ?? makeData({ type, length: 0 } as never)
  );
}
