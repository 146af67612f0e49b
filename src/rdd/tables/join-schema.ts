import { DataType, type Dictionary, Field, Float64, type Schema } from 'apache-arrow';
import { userError } from '../operator-failure.js';
import { apart, fieldOf, isNumeric, nullable, schemaWith } from './schema-rules.js';

export const JOINS = [...(['inner', 'left', 'right', 'outer', 'semi', 'anti'] as const)];
export type JoinHow = (typeof JOINS)[number];

export interface JoinParameters {
  readonly how: JoinHow;
  /** Key columns of both sides. */
  readonly left: readonly string[];
  readonly right: readonly string[];
  /** Of a right column whose name the left side has too. */
  readonly suffix: string;
}

/** The columns of the right side that a join adds, and all of its result. Pure. */
export interface JoinedColumns {
  readonly schema: Schema;
  /** Names in the right side. */
  readonly added: readonly string[];
}

/** @throws FailureError for columns that are missing, keys that cannot be equal, two columns of one name */
export function joinedColumns(left: Schema, right: Schema, parameters: JoinParameters, name: string): JoinedColumns {
  const { how, suffix } = parameters;
  const keys = parameters.left.map((key, k) => keyField(left, right, key, parameters.right[k]!, name, how));
  if (how === 'semi' || how === 'anti') return { schema: left, added: [] };
  const keyNames = new Set(parameters.right);
  const rest = right.fields.filter((field) => !keyNames.has(field.name));
  const own = left.fields.map((field) => {
    const key = keys[parameters.left.indexOf(field.name)];
    return key ?? (how === 'right' || how === 'outer' ? nullable(field) : field);
  });
  const taken = new Set(own.map((field) => field.name));
  const added = rest.map((field) => {
    const named = taken.has(field.name) ? `${field.name}${suffix}` : field.name;
    if (taken.has(named) && named !== field.name)
      throw userError(
        `${name}: both sides have "${field.name}", and "${named}" is there already; choose another suffix`,
      );
    taken.add(named);
    return new Field(named, field.type, field.nullable || how === 'left' || how === 'outer', field.metadata);
  });
  const fields = apart([...own, ...added], own.length);
  return { schema: schemaWith(left, fields), added: rest.map((field) => field.name) };
}

/** Where rows of the right side stay, a key column holds keys of both sides. */
function keyField(left: Schema, right: Schema, mine: string, theirs: string, name: string, how: JoinHow): Field {
  const a = fieldOf(left, mine, name);
  const b = fieldOf(right, theirs, name);
  const [x, y] = [plainType(a.type), plainType(b.type)];
  if (kindOf(x) !== kindOf(y))
    throw userError(
      `${name}: the keys "${mine}" (${a.type}) and "${theirs}" (${b.type}) can never be equal; convert one with withColumn`,
    );
  if (how !== 'right' && how !== 'outer') return a;
  const sure = how === 'right' ? b.nullable : a.nullable || b.nullable;
  const same = String(x) === String(y) && !DataType.isDictionary(a.type) && !DataType.isDictionary(b.type);
  const type = same ? a.type : isNumeric(x) && String(x) !== String(y) ? new Float64() : x;
  return new Field(mine, type, sure, a.metadata);
}

/** A dictionary's values are of this type. */
export function plainType(type: DataType): DataType {
  return DataType.isDictionary(type) ? (type as Dictionary).dictionary : type;
}

function kindOf(type: DataType): string {
  if (isNumeric(type)) return 'number';
  return DataType.isUtf8(type) ? 'text' : String(type);
}
