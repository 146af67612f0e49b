import { type Data, Dictionary, Float64, Int32, makeData, Utf8, type Vector, vectorFromArray } from 'apache-arrow';
import type { PathColumnType } from './csv-path.js';

/** Makes one path column's constant data for any number of rows. Text shares one dictionary across a split. */
export class PathColumn {
  readonly type: Int32 | Float64 | Dictionary<Utf8, Int32>;
  #codes = new Map<string, number>();
  #dictionary: Vector<Utf8> | undefined;

  /** @param values of all files of the split @param id of the dictionary, equal for equal columns of all splits */
  constructor(type: PathColumnType, values: readonly (string | number)[], id: number) {
    this.type = pathColumnType(type, id);
    if (type !== 'utf8') return;
    const distinct = [...new Set(values as string[])];
    this.#codes = new Map(distinct.map((text, code) => [text, code]));
    this.#dictionary = vectorFromArray(distinct, new Utf8());
  }

  data(value: string | number, rows: number): Data {
    if (this.type instanceof Float64)
      return makeData({
        type: this.type,
        length: rows,
        nullCount: 0,
        data: new Float64Array(rows).fill(value as number),
      });
    const constant = this.#dictionary ? this.#codes.get(value as string)! : (value as number);
    const data = new Int32Array(rows).fill(constant);
    return makeData({
      type: this.type as Int32,
      length: rows,
      nullCount: 0,
      data,
      dictionary: this.#dictionary,
    } as any);
  }
}

export function pathColumnType(type: PathColumnType, id: number): PathColumn['type'] {
  if (type === 'utf8') return new Dictionary(new Utf8(), new Int32(), id);
  return type === 'int32' ? new Int32() : new Float64();
}
