import { type Data, DataType, Field, Float64, type RecordBatch, Schema } from 'apache-arrow';
import { takeColumn } from '../take-rows.js';
import { type Accumulator, accumulatorOf } from './accumulators.js';
import { type GroupParameters, keysOf, type NamedAggregate, schemaOfGroups, stateTypes } from './aggregates.js';
import { batchFrom } from './batches.js';
import { concatColumns } from './concat.js';
import { KeyTable } from './key-table.js';
import { fieldOf } from './schema-rules.js';

/** Rough bytes of a group in the tables, beside its columns. */
const GROUP_BYTES = 96;

/** What groups are made of. */
export interface GroupShape {
  readonly keys: readonly Field[];
  /** Each with the type of its column, float64 where it has none. */
  readonly aggregates: readonly (NamedAggregate & { readonly type: DataType })[];
}

/** @throws FailureError as `schemaOfGroups` */
export function shapeOfRows(schema: Schema, options: GroupParameters, name: string): GroupShape {
  schemaOfGroups(schema, options, name);
  const keys = keysOf(schema, options).map((key) => fieldOf(schema, key, name));
  const aggregates = options.aggregates.map((each) => {
    const type = each.column === null ? new Float64() : fieldOf(schema, each.column, name).type;
    return { ...each, type: type as DataType };
  });
  return { keys, aggregates };
}

/** Of what `Groups.states` gives: keys, then states. */
export function shapeOfStates(schema: Schema, { aggregates }: GroupParameters): GroupShape {
  let at = schema.fields.length - stateColumns(aggregates);
  const keys = schema.fields.slice(0, at);
  const withTypes = aggregates.map((each) => {
    const { type } = schema.fields[at]!;
    at += stateWidth(each);
    return {
      ...each,
      type: (DataType.isList(type) && each.aggregate === 'countDistinct' ? type.valueType : type) as DataType,
    };
  });
  return { keys, aggregates: withTypes };
}

const stateWidth = ({ aggregate }: NamedAggregate) => stateTypes(aggregate, new Float64()).length;

export function stateColumns(aggregates: readonly NamedAggregate[]): number {
  return aggregates.reduce((sum, each) => sum + stateWidth(each), 0);
}

/** Groups of rows: their keys and aggregates in columns. */
export class Groups {
  readonly #table: KeyTable;
  readonly #accumulators: readonly Accumulator[];
  /** Key columns of groups in the order of their numbers, piece after piece. */
  #pieces: Data[][] = [];
  #keyBytes = 0;

  constructor(readonly shape: GroupShape) {
    this.#table = new KeyTable(shape.keys.length);
    this.#accumulators = shape.aggregates.map(({ aggregate, type }) => accumulatorOf(aggregate, type));
  }

  get size(): number {
    return this.#table.size;
  }

  /** Estimated. */
  get bytes(): number {
    return this.#keyBytes + this.size * (GROUP_BYTES + 16 * this.#accumulators.length);
  }

  /** @param columns of the aggregates, undefined for those of rows */
  update(keys: readonly Data[], columns: readonly (Data | undefined)[], length: number): void {
    const ids = this.#ids(keys, length);
    for (const [k, accumulator] of this.#accumulators.entries()) accumulator.update(ids, this.size, columns[k]);
  }

  /** Takes what `states` of other partitions gave. */
  merge({ data: { children }, numRows }: RecordBatch): void {
    let at = this.shape.keys.length;
    const ids = this.#ids(children.slice(0, at), numRows);
    for (const [k, accumulator] of this.#accumulators.entries()) {
      const width = stateWidth(this.shape.aggregates[k]!);
      accumulator.merge(ids, this.size, children.slice(at, at + width));
      at += width;
    }
  }

  /** A row a group: key columns, then states. */
  states(): RecordBatch {
    const columns = [...this.#keyColumns(), ...this.#accumulators.flatMap((each) => each.state(this.size))];
    return batchOf(
      columns,
      [
        ...this.shape.keys.map((field) => field.name),
        ...columns.slice(this.shape.keys.length).map((_, k) => `state ${k}`),
      ],
      this.size,
    );
  }

  /** A row a group: key columns, then results. */
  results(): RecordBatch {
    const { keys, aggregates } = this.shape;
    const columns = [...this.#keyColumns(), ...this.#accumulators.map((each) => each.result(this.size))];
    return batchOf(columns, [...keys.map(({ name }) => name), ...aggregates.map(({ as }) => as)], this.size);
  }

  #ids(keys: readonly Data[], length: number): Int32Array {
    const before = this.size;
    const ids = this.#table.add(keys, length);
    const fresh: number[] = [];
    // Numbers are given in the order in which keys come: a key is new in the row that has the next one.
    for (let row = 0, next = before; next < this.size; row++)
      if (ids[row] === next) {
        fresh.push(row);
        next++;
      }
    if (fresh.length > 0 || this.#pieces.length === 0) {
      const piece = keys.map((key) => takeColumn(key, fresh));
      this.#pieces.push(piece);
      for (const { byteLength } of piece) this.#keyBytes += byteLength;
    }
    return ids;
  }

  #keyColumns(): Data[] {
    const columns = this.shape.keys.map((_, k) => concatColumns(this.#pieces.map((piece) => piece[k]!)));
    this.#pieces = [columns];
    return columns;
  }
}

function batchOf(columns: readonly Data[], names: readonly string[], length: number): RecordBatch {
  return batchFrom(new Schema(columns.map(({ type }, k) => new Field(names[k]!, type, true))), length, columns);
}
