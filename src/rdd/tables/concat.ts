import {
  type Data,
  type DataType,
  type Dictionary,
  makeData,
  RecordBatch,
  type Schema,
  Struct,
  DataType as Types,
  Vector,
  vectorFromArray,
} from 'apache-arrow';
import { identityOf } from '../keys.js';
import { hasPlainValues, takeColumn } from '../take-rows.js';

/** Batches of one schema one after another as one. Dictionaries that differ are merged. */
export function concatBatches(batches: readonly RecordBatch[], schema: Schema = batches[0]!.schema): RecordBatch {
  if (batches.length === 1) return batches[0]!;
  const length = batches.reduce((sum, { numRows }) => sum + numRows, 0);
  const children = schema.fields.map((_, k) => concatColumns(batches.map(({ data }) => data.children[k]!)));
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
}

/** Columns of one type one after another. */
export function concatColumns(columns: readonly Data[]): Data {
  if (columns.length === 1) return columns[0]!;
  const type = columns[0]!.type as DataType;
  const length = columns.reduce((sum, column) => sum + column.length, 0);
  const filled = columns.filter((column) => column.length > 0);
  if (filled.length === 0) return columns[0]!;
  const common = { type, length, ...concatValidity(filled, length) };
  if (Types.isDictionary(type)) return concatCodes(filled, common);
  if (hasPlainValues(type)) return makeData({ ...common, data: concatValues(filled) } as never);
  if (Types.isBool(type)) return makeData({ ...common, data: concatBits(filled, length) } as never);
  if (Types.isUtf8(type) || Types.isBinary(type))
    return makeData({ ...common, ...concatBytes(filled, length) } as never);
  if (Types.isFixedSizeList(type))
    return makeData({ ...common, child: concatColumns(filled.map(({ children }) => children[0]!)) } as never);
  if (Types.isList(type)) return makeData({ ...common, ...concatLists(filled, length) } as never);
  if (Types.isStruct(type)) {
    const children = type.children.map((_, k) => concatColumns(filled.map((column) => column.children[k]!)));
    return makeData({ ...common, children } as never);
  }
  const values = filled.flatMap((column) => Array.from(new Vector([column])));
  return vectorFromArray(values, type).data[0]!;
}

function concatValidity(columns: readonly Data[], length: number): { nullCount: number; nullBitmap?: Uint8Array } {
  const nullCount = columns.reduce((sum, column) => sum + column.nullCount, 0);
  if (nullCount === 0) return { nullCount };
  const nullBitmap = new Uint8Array((length + 7) >> 3);
  let at = 0;
  for (const column of columns)
    for (let row = 0; row < column.length; row++, at++)
      if (column.nullCount === 0 || column.getValid(row)) nullBitmap[at >> 3]! |= 1 << (at & 7);
  return { nullCount, nullBitmap };
}

function concatValues(columns: readonly Data[]): Float64Array {
  const { constructor: Values } = columns[0]!.values as Float64Array;
  const out = new (Values as Float64ArrayConstructor)(columns.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const { values, length } of columns) {
    out.set((values as Float64Array).subarray(0, length), at);
    at += length;
  }
  return out;
}

function concatBits(columns: readonly Data[], length: number): Uint8Array {
  const out = new Uint8Array((length + 7) >> 3);
  let at = 0;
  for (const { values, offset, length: rows } of columns)
    for (let row = 0; row < rows; row++, at++) {
      const bit = offset + row;
      if ((values as Uint8Array)[bit >> 3]! & (1 << (bit & 7))) out[at >> 3]! |= 1 << (at & 7);
    }
  return out;
}

function concatBytes(columns: readonly Data[], length: number) {
  const valueOffsets = concatOffsets(columns, length);
  const data = new Uint8Array(valueOffsets[length]!);
  let at = 0;
  for (const { valueOffsets: offsets, values, length: rows } of columns) {
    const bytes = (values as Uint8Array).subarray(offsets[0]!, offsets[rows]!);
    data.set(bytes, at);
    at += bytes.length;
  }
  return { valueOffsets, data };
}

function concatLists(columns: readonly Data[], length: number) {
  const items = columns.map(({ valueOffsets, children, length: rows }) =>
    children[0]!.slice(valueOffsets[0]!, valueOffsets[rows]! - valueOffsets[0]!),
  );
  return { valueOffsets: concatOffsets(columns, length), child: concatColumns(items) };
}

function concatOffsets(columns: readonly Data[], length: number): Int32Array {
  const out = new Int32Array(length + 1);
  let at = 0;
  for (const { valueOffsets, length: rows } of columns)
    for (let row = 0; row < rows; row++, at++) out[at + 1] = out[at]! + valueOffsets[row + 1]! - valueOffsets[row]!;
  return out;
}

/** Codes into one dictionary that holds each value of all once. */
function concatCodes(columns: readonly Data[], common: { length: number }): Data {
  const [first] = columns;
  const dictionaryOf = (column: Data) => column.dictionary!.data[0]!;
  const data = concatValues(columns) as unknown as Int32Array;
  if (columns.every((column) => dictionaryOf(column) === dictionaryOf(first!)))
    return makeData({ ...common, data, dictionary: first!.dictionary } as never);
  const codes = new Map<string, number>();
  const added: Data[] = [];
  const known = new Map<Data, Int32Array>();
  let at = 0;
  for (const column of columns) {
    const own = dictionaryOf(column);
    const remap = known.get(own) ?? merged(column.dictionary!, codes, added);
    known.set(own, remap);
    for (let row = 0; row < column.length; row++, at++) data[at] = remap[data[at]!] ?? 0;
  }
  const { indices } = first!.type as Dictionary;
  if (codes.size > 2 ** (indices.bitWidth - (indices.isSigned ? 1 : 0)))
    throw new RangeError(`the merged dictionary has ${codes.size} values, too many for codes of ${indices}`);
  return makeData({ ...common, data, dictionary: new Vector([concatColumns(added)]) } as never);
}

/** The merged codes of a dictionary's entries; entries that are new go to `added`. */
function merged(dictionary: Vector, codes: Map<string, number>, added: Data[]): Int32Array {
  const remap = new Int32Array(dictionary.length);
  const fresh: number[] = [];
  for (let entry = 0; entry < dictionary.length; entry++) {
    const id = identityOf(dictionary.get(entry));
    let code = codes.get(id);
    if (code === undefined) {
      code = codes.size;
      codes.set(id, code);
      fresh.push(entry);
    }
    remap[entry] = code;
  }
  added.push(takeColumn(concatColumns(dictionary.data), fresh));
  return remap;
}

/** A column without rows. */
export function emptyColumn(type: DataType): Data {
  if (!Types.isDictionary(type)) return vectorFromArray([], type).data[0] ?? makeData({ type, length: 0 } as never);
  return makeData({ type, length: 0, dictionary: new Vector([emptyColumn(type.dictionary)]) } as never);
}
