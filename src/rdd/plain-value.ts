import { DataType, MapRow, StructRow, Vector } from 'apache-arrow';

/** A value of an Arrow column as rows show it: lists are arrays, structs and maps plain objects; all else is what Arrow gives. */
export function plainValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Vector) return plainList(value);
  if (value instanceof StructRow || value instanceof MapRow)
    return Object.fromEntries(
      Array.from(value as Iterable<[string, unknown]>, ([name, field]) => [name, plainValue(field)]),
    );
  return value;
}

function plainList(list: Vector): unknown[] {
  const { type } = list;
  const numbers = list.nullCount === 0 && ((DataType.isFloat(type) && type.precision > 0) || DataType.isInt(type));
  return numbers ? Array.from(list.toArray()) : Array.from(list, plainValue);
}
