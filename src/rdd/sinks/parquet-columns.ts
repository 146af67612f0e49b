import {
  type DataType,
  type Field,
  Precision,
  type RecordBatch,
  type Schema,
  TimeUnit,
  Type,
  type Vector,
} from 'apache-arrow';
import type { DecodedArray, SchemaElement } from 'hyparquet';
import { userError } from '../operator-failure.js';
import { inUnit, isTyped, reader, unscaledOf } from './plain-columns.js';

/** A column of a Parquet file: how the schema describes it, and its values in the form that the writer takes. */
export interface ParquetColumn {
  readonly name: string;
  readonly elements: SchemaElement[];
  /** Of all batches of a row group. @param index of the column */
  data(batches: readonly RecordBatch[], index: number): DecodedArray;
}

/** @throws FailureError for a type that Parquet files of Sheaf do not hold, naming the column; for a table without columns */
export function parquetColumns(schema: Schema, name: string): ParquetColumn[] {
  if (schema.fields.length === 0) throw userError(`${name}: a Parquet file needs at least one column`);
  return schema.fields.map((field) => {
    const { elements, convert } = mapped(field, `${name}: column "${field.name}"`);
    return {
      name: field.name,
      elements,
      data: (batches, index) => {
        const vectors = batches.map((batch) => batch.getChildAt(index)!);
        return (convert ? undefined : typedValues(vectors)) ?? plainValues(vectors, convert);
      },
    };
  });
}

type Element = Omit<SchemaElement, 'name' | 'repetition_type'>;
interface Mapping {
  readonly element: Element;
  /** From Arrow's value, never null. */
  readonly convert?: (value: any) => unknown;
}

function mapped(field: Field, where: string): { elements: SchemaElement[]; convert?: (value: any) => unknown } {
  const { type, name } = field;
  // Always nullable: one partition's batches may hold nulls that another's schema does not know of.
  const base = { name, repetition_type: 'OPTIONAL' } as const;
  if (type.typeId !== Type.List && type.typeId !== Type.FixedSizeList) {
    const { element, convert } = primitive(type, where);
    return { elements: [{ ...base, ...element }], convert };
  }
  const { element, convert } = primitive(type.children[0]!.type, `${where}, a list,`);
  const inner = convert && ((value: unknown) => (value === null ? null : convert(value)));
  return {
    elements: [
      { ...base, converted_type: 'LIST', logical_type: { type: 'LIST' }, num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', repetition_type: 'OPTIONAL', ...element },
    ],
    convert: (values: Vector) => (inner ? Array.from(values, inner) : Array.from(values)),
  };
}

const WHOLE = (bits: number, signed: boolean): Element => ({
  type: bits === 64 ? 'INT64' : 'INT32',
  converted_type: `${signed ? '' : 'U'}INT_${bits}` as SchemaElement['converted_type'],
});

function primitive(type: DataType, where: string): Mapping {
  switch (type.typeId) {
    case Type.Dictionary:
      return primitive((type as any).dictionary, where);
    case Type.Bool:
      return { element: { type: 'BOOLEAN' } };
    case Type.Int: {
      const { bitWidth, isSigned } = type as unknown as { bitWidth: number; isSigned: boolean };
      return { element: WHOLE(bitWidth, isSigned) };
    }
    case Type.Float:
      return { element: { type: (type as any).precision === Precision.DOUBLE ? 'DOUBLE' : 'FLOAT' } };
    case Type.Utf8:
    case Type.LargeUtf8:
      return { element: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } };
    case Type.Binary:
    case Type.LargeBinary:
    case Type.FixedSizeBinary:
      return { element: { type: 'BYTE_ARRAY' } };
    case Type.Date:
      return {
        element: { type: 'INT32', converted_type: 'DATE' },
        convert: (ms) => Math.floor(Number(ms) / 86_400_000),
      };
    case Type.Timestamp: {
      const { unit, timezone } = type as unknown as { unit: TimeUnit; timezone: string | null };
      const name = TIMESTAMPS[unit];
      const seconds = unit === TimeUnit.SECOND;
      const logical_type = { type: 'TIMESTAMP', isAdjustedToUTC: Boolean(timezone), unit: name } as const;
      return {
        element: { type: 'INT64', logical_type },
        convert: (value) => inUnit(value, unit) * (seconds ? 1000n : 1n),
      };
    }
    case Type.Decimal: {
      const { precision, scale } = type as unknown as { precision: number; scale: number };
      const bytes = decimalBytes(precision);
      const element: Element = {
        type: 'FIXED_LEN_BYTE_ARRAY',
        type_length: bytes,
        converted_type: 'DECIMAL',
        precision,
        scale,
      };
      return { element, convert: (words: Uint32Array) => unscaledOf(words) };
    }
    default:
      throw userError(
        `${where} is of type ${type}, which cannot be saved as Parquet; turn it into text or numbers first`,
      );
  }
}

/** Parquet has no seconds. */
const TIMESTAMPS = {
  [TimeUnit.SECOND]: 'MILLIS',
  [TimeUnit.MILLISECOND]: 'MILLIS',
  [TimeUnit.MICROSECOND]: 'MICROS',
  [TimeUnit.NANOSECOND]: 'NANOS',
} as const;

/** Bytes of a two's complement number of so many digits. */
const decimalBytes = (digits: number) => Math.ceil((digits * Math.log2(10) + 1) / 8);

/** Columns of numbers without nulls stay typed: no value is boxed. */
function typedValues(vectors: readonly Vector[]): DecodedArray | undefined {
  const parts = vectors.flatMap((vector) => vector.data);
  const typed = parts.every(({ nullCount, type, values }) => nullCount === 0 && isTyped(type, values));
  if (!typed || parts.length === 0) return undefined;
  const rows = parts.reduce((sum, { length }) => sum + length, 0);
  const all = new (parts[0]!.values.constructor as Float64ArrayConstructor)(rows);
  let at = 0;
  for (const { values, length } of parts) {
    all.set(values.subarray(0, length), at);
    at += length;
  }
  return all as unknown as DecodedArray;
}

function plainValues(vectors: readonly Vector[], convert: Mapping['convert']): unknown[] {
  const all: unknown[] = [];
  for (const vector of vectors) {
    const read = reader(vector);
    for (let row = 0; row < vector.length; row++) {
      const value = read(row);
      all.push(value === null || !convert ? value : convert(value));
    }
  }
  return all;
}
