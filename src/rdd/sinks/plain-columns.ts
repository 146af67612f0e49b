import { type DataType, type RecordBatch, type Timestamp, TimeUnit, Type, type Vector } from 'apache-arrow';
import { userError } from '../operator-failure.js';

/** A column of a batch, read value by value as plain JavaScript. */
export interface PlainColumn {
  readonly name: string;
  readonly type: DataType;
  get(row: number): unknown;
}

/**
 * The columns of a batch as text formats want their values: numbers, bigints, booleans, text, null; dates and times as text
 * (ISO 8601), decimals as text with all digits, lists as arrays, structs as objects, bytes as they are.
 * @throws FailureError for a type that has no plain form, naming the column
 */
export function plainColumns(batch: RecordBatch, name: string): PlainColumn[] {
  return batch.schema.fields.map((field, k) => {
    const column = batch.getChildAt(k)!;
    const convert = converter(field.type, `${name}: column "${field.name}"`);
    const value = reader(column);
    const get = convert ? (row: number) => apply(convert, value(row)) : value;
    return { name: field.name, type: field.type, get };
  });
}

type Convert = (value: any) => unknown;

const apply = (convert: Convert, value: unknown) => (value === null || value === undefined ? null : convert(value));

/** What turns Arrow's values of a type into plain ones; undefined when they are. @param where for messages */
function converter(type: DataType, where: string): Convert | undefined {
  switch (type.typeId) {
    case Type.Null:
    case Type.Bool:
    case Type.Int:
    case Type.Float:
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Binary:
    case Type.LargeBinary:
    case Type.FixedSizeBinary:
      return undefined;
    case Type.Dictionary:
      return converter((type as any).dictionary, where);
    case Type.Date:
      return (ms: number | Date) => new Date(ms).toISOString().slice(0, 10);
    case Type.Timestamp:
      return (value: number | bigint) => timestampText(value, type as Timestamp);
    case Type.Time:
      return (value: number | bigint) => timeText(value, (type as any).unit);
    case Type.Decimal:
      return (words: Uint32Array) => decimalText(unscaledOf(words), (type as any).scale);
    case Type.List:
    case Type.FixedSizeList: {
      const inner = converter(type.children[0]!.type, where);
      return (values: Vector) => Array.from(values, (value) => (inner ? apply(inner, value) : value));
    }
    case Type.Struct: {
      const inner = type.children.map((field) => ({ field: field.name, convert: converter(field.type, where) }));
      return (row: any) =>
        Object.fromEntries(
          inner.map(({ field, convert }) => [field, convert ? apply(convert, row[field]) : row[field]]),
        );
    }
    default:
      throw userError(`${where} is of type ${type}, which cannot be saved; turn it into text or numbers first`);
  }
}

/**
 * Values of a column by row. Timestamps are whole numbers of their unit: Arrow's JavaScript rounds them to a double of
 * milliseconds.
 */
export function reader(column: Vector): (row: number) => any {
  const { values, nullCount } = column.data[0]!;
  if (column.data.length !== 1) return (row) => column.get(row);
  if (column.type.typeId === Type.Timestamp) return (row) => (column.isValid(row) ? values[row] : null);
  return isTyped(column.type, values) && nullCount === 0 ? (row) => values[row] : (row) => column.get(row);
}

/** Whether the values of a column's buffer are the numbers themselves; 16-bit floats are bits. */
export function isTyped({ typeId }: DataType, values: unknown): boolean {
  return typeId === Type.Int || (typeId === Type.Float && !(values instanceof Uint16Array));
}

/** A timestamp in its unit, also when it comes in milliseconds, as inside of lists. */
export function inUnit(value: number | bigint, unit: TimeUnit): bigint {
  return typeof value === 'bigint' ? value : BigInt(Math.round(value * 10 ** (3 * (unit - 1))));
}

/** With the digits of its unit. Without a zone there is no `Z`: such times are local. */
function timestampText(value: number | bigint, { timezone, unit }: Timestamp): string {
  const units = inUnit(value, unit);
  const perSecond = 1000n ** BigInt(unit);
  const part = ((units % perSecond) + perSecond) % perSecond;
  const whole = new Date(Number((units - part) / perSecond) * 1000).toISOString().slice(0, -5);
  return `${whole}${fraction(part, unit)}${timezone ? 'Z' : ''}`;
}

const fraction = (part: bigint, unit: TimeUnit) =>
  unit === TimeUnit.SECOND ? '' : `.${String(part).padStart(3 * unit, '0')}`;

function timeText(value: number | bigint, unit: TimeUnit): string {
  const perSecond = 1000n ** BigInt(unit);
  const total = BigInt(value);
  const seconds = total / perSecond;
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => String(part).padStart(2, '0'));
  return `${clock.join(':')}${fraction(total % perSecond, unit)}`;
}

/** A decimal's little-endian two's complement words as one whole number. */
export function unscaledOf(words: Uint32Array): bigint {
  let value = 0n;
  for (let k = words.length - 1; k >= 0; k--) value = (value << 32n) | BigInt(words[k]!);
  return BigInt.asIntN(words.length * 32, value);
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
