import { type Data, Field, FixedSizeList, Float32, makeData } from 'apache-arrow';

/**
 * A row-major matrix as a column of fixed-size lists without nulls; the matrix is shared, not copied.
 * @param values rows x width
 * @param metadata of the field
 */
export function listColumn(
  name: string,
  values: Float32Array,
  width: number,
  metadata?: Map<string, string>,
): { field: Field<FixedSizeList<Float32>>; data: Data<FixedSizeList<Float32>> } {
  const type = new FixedSizeList(width, new Field('item', new Float32(), false));
  const child = makeData({ type: new Float32(), length: values.length, nullCount: 0, data: values });
  const data = makeData({ type, length: values.length / width, nullCount: 0, child });
  return { field: new Field(name, type, false, metadata), data };
}
