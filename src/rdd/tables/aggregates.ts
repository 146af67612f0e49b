import { DataType, Field, Float64, List, type Schema } from 'apache-arrow';
import { userError } from '../operator-failure.js';
import { fieldOf, requireNumeric } from './schema-rules.js';

export const AGGREGATES = [
  ...(['count', 'sum', 'mean', 'min', 'max', 'variance', 'stdev', 'countDistinct', 'first', 'last'] as const),
];
export type AggregateKind = (typeof AGGREGATES)[number];

/** What `agg` computes of each group. Made by `count`, `sum`, `mean`, … */
export interface Aggregate {
  readonly aggregate: AggregateKind;
  /** Null: of rows, not of values. */
  readonly column: string | null;
}

/** Number of rows; with a column, of its values that are not null. */
export const count = (column?: string): Aggregate => ({ aggregate: 'count', column: column ?? null });
/** Of the values, as float64; null where there is none. */
export const sum = (column: string): Aggregate => ({ aggregate: 'sum', column });
/** Arithmetic mean of the values; null where there is none. */
export const mean = (column: string): Aggregate => ({ aggregate: 'mean', column });
/** The least value, of the column's type; texts by code unit, NaN last. */
export const min = (column: string): Aggregate => ({ aggregate: 'min', column });
/** The greatest value, of the column's type; texts by code unit, NaN last. */
export const max = (column: string): Aggregate => ({ aggregate: 'max', column });
/** Of the sample (n - 1); null for fewer than two values. */
export const variance = (column: string): Aggregate => ({ aggregate: 'variance', column });
/** Standard deviation of the sample (n - 1); null for fewer than two values. */
export const stdev = (column: string): Aggregate => ({ aggregate: 'stdev', column });
/** Number of different values, exact: each group's values are held in memory. */
export const countDistinct = (column: string): Aggregate => ({ aggregate: 'countDistinct', column });
/** The first value that is not null, in the order of partitions and rows. */
export const first = (column: string): Aggregate => ({ aggregate: 'first', column });
/** The last value that is not null, in the order of partitions and rows. */
export const last = (column: string): Aggregate => ({ aggregate: 'last', column });

export interface NamedAggregate extends Aggregate {
  readonly as: string;
}

export interface GroupParameters {
  /** Names of the key columns; null: all columns. */
  readonly keys: readonly string[] | null;
  readonly aggregates: readonly NamedAggregate[];
}

/** Names of the groups' key columns. */
export function keysOf(schema: Schema, { keys }: GroupParameters): readonly string[] {
  return keys ?? schema.fields.map(({ name }) => name);
}

/** Of the groups. Pure. @throws FailureError for a column that is missing or not of numbers where these are needed */
export function schemaOfGroups(schema: Schema, parameters: GroupParameters, name: string): Field[] {
  const keys = keysOf(schema, parameters).map((key) => fieldOf(schema, key, name));
  const results = parameters.aggregates.map(
    (each) =>
      new Field(
        each.as,
        resultType(schema, each, name),
        each.aggregate !== 'count' && each.aggregate !== 'countDistinct',
      ),
  );
  const names = [...keys, ...results].map((field) => field.name);
  const twice = names.find((each, k) => names.indexOf(each) < k);
  if (twice !== undefined) throw userError(`${name}: there would be two columns "${twice}"`);
  return [...keys, ...results];
}

const NESTED = [DataType.isList, DataType.isFixedSizeList, DataType.isStruct, DataType.isMap];

const OF_NUMBERS: ReadonlySet<AggregateKind> = new Set(['sum', 'mean', 'variance', 'stdev'] as const);

function resultType(schema: Schema, { aggregate, column }: Aggregate, name: string): DataType {
  if (column === null) return new Float64();
  const { type } = fieldOf(schema, column, name);
  if (OF_NUMBERS.has(aggregate)) requireNumeric(schema, column, name, aggregate);
  const picks = aggregate === 'min' || aggregate === 'max' || aggregate === 'first' || aggregate === 'last';
  if ((aggregate === 'min' || aggregate === 'max') && NESTED.some((is) => is(type)))
    throw userError(`${name}: ${aggregate} needs a column with an order, and "${column}" holds ${type}`);
  return picks ? type : new Float64();
}

/** Types of the columns that carry an aggregate's state between partitions. */
export function stateTypes(aggregate: AggregateKind, type: DataType): DataType[] {
  const number = new Float64();
  switch (aggregate) {
    case 'count':
      return [number];
    case 'sum':
    case 'mean':
      return [number, number];
    case 'variance':
    case 'stdev':
      return [number, number, number];
    case 'countDistinct':
      return [new List(new Field('item', type, true))];
    default:
      return [type];
  }
}
