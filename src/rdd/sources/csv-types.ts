/**
 * Types a CSV column can be read as. `integer` is what detection gives to whole numbers: exact up to 2^53 and stored as
 * float64, so that rows hold plain JS numbers; `int64` holds bigints.
 */
export type ColumnType = 'float32' | 'float64' | 'int32' | 'int64' | 'integer' | 'utf8' | 'bool';

interface TypeInfo {
  /** How DuckDB parses the cell. Its integer types round `1.7` to 2: whole numbers are parsed otherwise, then checked. */
  readonly duck: 'FLOAT' | 'DOUBLE' | 'VARCHAR' | 'BOOLEAN';
  /** For messages: `"abc" is not …`. */
  readonly noun: string;
  /** Whether the text of a cell is a value of the type. */
  readonly accepts: (text: string) => boolean;
}

export const NUMBER = /^\s*[+-]?((\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)\s*$/i;
const numberWithin = (fits: (value: number) => boolean) => (text: string) =>
  NUMBER.test(text) && fits(Number(text.replaceAll('_', '')));

export const isInt32 = (value: number) => (value | 0) === value;
export const INT64 = /^\s*[+-]?\d{1,19}\s*$/;
export const isInt64 = (value: bigint) => BigInt.asIntN(64, value) === value;

export const COLUMN_TYPES: Record<ColumnType, TypeInfo> = {
  float32: { duck: 'FLOAT', noun: 'a number', accepts: (text) => NUMBER.test(text) },
  float64: { duck: 'DOUBLE', noun: 'a number', accepts: (text) => NUMBER.test(text) },
  int32: { duck: 'DOUBLE', noun: 'a 32-bit whole number', accepts: numberWithin(isInt32) },
  integer: {
    duck: 'DOUBLE',
    noun: 'a whole number of at most 2^53',
    accepts: numberWithin(Number.isSafeInteger),
  },
  int64: {
    duck: 'VARCHAR',
    noun: 'a 64-bit whole number',
    accepts: (text) => INT64.test(text) && isInt64(BigInt(text.trim())),
  },
  utf8: { duck: 'VARCHAR', noun: 'valid text', accepts: () => true },
  bool: {
    duck: 'BOOLEAN',
    noun: 'true or false',
    accepts: (text) => /^\s*(true|false|t|f|yes|no|y|n|1|0)\s*$/i.test(text),
  },
};
