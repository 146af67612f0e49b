import { Schema } from 'apache-arrow';
import { decodeValue, encodeValue } from '../../executor/closure/index.js';
import { requireWhole, shown } from '../arguments.js';
import type { ArrowRDD, Row } from '../arrow-rdd.js';
import { operatorName } from '../call-site.js';
import type { RDD } from '../rdd.js';
import { rangeBounds } from '../shuffle/range-bounds.js';
import { encodeSchema } from '../sources/schema.js';
import { AGGREGATES, type Aggregate, type GroupParameters, schemaOfGroups } from './aggregates.js';
import { stateColumns } from './groups.js';
import { JOINS, type JoinHow, type JoinParameters, joinedColumns } from './join-schema.js';
import { indexOf, type SchemaRule } from './schema-rules.js';
import { compareRows, type SortKey } from './sort-order.js';
import { requireColumns, TableBase } from './table-base.js';
import { TableColumns } from './table-columns.js';

/** Keys of the sample for each partition wanted. */
const SAMPLE_KEYS = 60;

/** A column to sort by. */
export type SortColumn = string | { readonly column: string; readonly descending?: boolean };

export interface JoinOptions {
  /** Default `inner`. */
  readonly how?: JoinHow;
  /** Added to a right column's name that the left table has too. Default `_right`. */
  readonly suffix?: string;
  /** Of the result; default: as many as the table with the most. */
  readonly partitions?: number;
}

/** Grouped rows, waiting for `agg`. */
export class GroupedTable {
  /** @param make the table of the groups */
  constructor(
    readonly keys: readonly string[],
    private readonly make: (aggregates: Readonly<Record<string, Aggregate>>, partitions?: number) => ArrowRDD,
  ) {}

  /**
   * One row a group: its keys, then an aggregate a column, by name. Nulls are left out by aggregates of a column; `count()` counts rows;
   * null is a group. Each partition is aggregated before anything moves.
   * @param partitions of the result; default: as many as the table has
   * @throws TypeError for what is no aggregate; JobError before any task starts for a column that is missing or not of numbers, where
   *   the schema is known
   * @example runs.groupBy('activity').agg({ rows: count(), speed: mean('speed'), most: max('speed') })
   */
  agg(aggregates: Readonly<Record<string, Aggregate>>, partitions?: number): ArrowRDD {
    return this.make(aggregates, partitions);
  }

  /** Number of rows of each group, in a column `count`. */
  count(): ArrowRDD {
    return this.make({ count: { aggregate: 'count', column: null } });
  }
}

/** Operators that bring rows of equal or neighbouring keys together: record batches move, in Arrow's IPC format. */
export abstract class TableRows extends TableColumns {
  /**
   * Groups rows by the values of columns; without columns all rows are one group.
   * @example runs.groupBy('subject', 'activity').agg({ n: count(), mean: mean('x') })
   */
  override groupBy(...columns: string[]): GroupedTable;
  override groupBy<K>(fn: (row: Row) => K, partitions?: number): RDD<[K, Row[]]>;
  override groupBy(...columns: any[]): any {
    if (typeof columns[0] === 'function') return super.groupBy(columns[0], columns[1]);
    requireColumns('groupBy', columns, 0);
    return new GroupedTable(columns, (aggregates, partitions) => this.#grouped('agg', columns, aggregates, partitions));
  }

  /** Each different row once. */
  override distinct(partitions?: number): ArrowRDD {
    return this.#grouped('distinct', null, {}, partitions);
  }

  /**
   * Sorts all rows by the values of columns: nulls first (last where descending), NaN the greatest number, texts by code unit; rows of
   * equal keys keep their order. Partition p of the result holds what comes before partition p + 1; a job of its own samples keys.
   * @example runs.orderBy('subject', { column: 'speed', descending: true })
   */
  orderBy(...columns: SortColumn[]): ArrowRDD {
    const by = columns.map((each): SortKey => {
      const { column, descending = false } = typeof each === 'string' ? { column: each } : (each ?? {});
      if (typeof column !== 'string' || typeof descending !== 'boolean')
        throw new TypeError(`orderBy needs columns' names, or objects { column, descending }, not ${shown(each)}`);
      return { column, descending };
    });
    requireColumns(
      'orderBy',
      by.map(({ column }) => column),
    );
    const name = operatorName('orderBy');
    const rule: SchemaRule = ([schema]) => {
      for (const { column } of by) indexOf(schema!, column, name);
      return schema;
    };
    const moved = this.spread(name, async () => {
      const partitions = await this.context.numPartitions(this.node);
      const bounds = partitions === 1 ? [] : await this.#bounds(by, partitions, name);
      const parameters = { by, bounds: encodeValue(bounds).toString('base64'), name };
      return { partitions, partitioner: { kind: 'module', module: 'rdd/tables/place-by-range', parameters } } as never;
    });
    return (moved as unknown as TableRows).step('sort-step', { by }, name, { rule });
  }

  /**
   * Rows of both tables with equal keys side by side: this table's columns, then the other's without its keys. Keys are compared by value,
   * numbers whatever their types; null equals nothing. The other table's side is held in memory, partition by partition, and spilled where it does not
   * fit.
   * @param on key columns of both; an object where they are named differently, `{ mine: 'theirs' }`
   * @param how `inner`; `left`, `right`, `outer`: rows without a partner stay, with nulls (key columns hold the keys of both);
   *   `semi`, `anti`: this table's rows that have, or lack, a partner. Or an object with more options
   * @throws TypeError for a bad argument; an error before any task starts for missing columns or keys of different kinds, where the schemas are known
   * @example runs.join(subjects, 'subject', 'left')
   */
  override join(
    other: ArrowRDD,
    on: string | readonly string[] | Readonly<Record<string, string>>,
    how?: JoinHow | JoinOptions,
  ): ArrowRDD;
  override join<K, V, W>(this: RDD<[K, V]>, other: RDD<[K, W]>, partitions?: number): RDD<[K, [V, W]]>;
  override join(other: any, on?: any, options: any = {}): any {
    if (!(other instanceof TableBase) && typeof on !== 'number' && on !== undefined)
      throw new TypeError(
        `join of tables needs another table, not ${shown(other)}; toTable makes one of an RDD of objects`,
      );
    if (!(other instanceof TableBase)) return super.join.call(this as never, other as never, on);
    return this.#joined(
      other as unknown as ArrowRDD,
      on,
      typeof options === 'string' ? { how: options as JoinHow } : options,
    );
  }

  #joined(other: ArrowRDD, on: unknown, { how = 'inner', suffix = '_right', partitions }: JoinOptions): ArrowRDD {
    if (!JOINS.includes(how)) throw new TypeError(`how of join must be one of ${JOINS.join(', ')}, not ${shown(how)}`);
    if (typeof suffix !== 'string' || suffix === '')
      throw new TypeError(`the suffix of join must be a text, not ${shown(suffix)}`);
    if (partitions !== undefined) requireWhole('the number of partitions of join', partitions, 1);
    if (typeof on !== 'string' && (typeof on !== 'object' || on === null))
      throw new TypeError(
        `join needs key columns: a name, an array of names, or an object { mine: 'theirs' }, not ${shown(on)}`,
      );
    const pairs =
      typeof on === 'object' && !Array.isArray(on) ? Object.entries(on) : [on].flat().map((key) => [key, key]);
    const [left, right] = [pairs.map(([key]) => key), pairs.map(([, key]) => key)];
    requireColumns('join', left);
    requireColumns('join', right);
    this.withOthers('join', [other]);
    const name = operatorName('join');
    const parameters: JoinParameters = { how, left, right, suffix };
    const rule: SchemaRule = ([a, b]) => joinedColumns(a!, b!, parameters, name).schema;
    let count: Promise<number> | undefined;
    const counted = async () => {
      const counts = [await this.getNumPartitions(), await other.getNumPartitions()];
      return partitions ?? Math.max(...counts);
    };
    const sides = [this, other].map((side, k) =>
      this.context.shuffled(side.node, name, async () => {
        count ??= counted();
        const places = { name, columns: k === 0 ? left : right };
        return {
          partitions: await count,
          partitioner: { kind: 'module', module: 'rdd/tables/place-by-hash', parameters: places },
        };
      }),
    );
    const step = { kind: 'module', module: 'rdd/tables/join-step', parameters: parameters as never } as const;
    // A side without rows in a partition has no batch that tells its columns.
    const plan = async () => {
      if (how === 'inner' || how === 'semi' || how === 'anti') return { planner: undefined, step };
      const schemas = [encodeSchema(await this.schema()), encodeSchema(await other.schema())];
      return { planner: undefined, step: { ...step, parameters: { ...parameters, schemas } as never } };
    };
    return this.tableOf(this.ruled({ ...this.context.newNode(name, step, sides), planner: { plan } }, rule));
  }

  #grouped(
    operator: string,
    keys: readonly string[] | null,
    named: Readonly<Record<string, Aggregate>>,
    partitions?: number,
  ): ArrowRDD {
    if (partitions !== undefined) requireWhole(`the number of partitions of ${operator}`, partitions, 1);
    const aggregates = Object.entries(named ?? {}).map(([as, each]) => {
      if (!AGGREGATES.includes(each?.aggregate))
        throw new TypeError(`agg needs aggregates such as mean('x'), and "${as}" is ${shown(each)}`);
      if (each.column !== null) requireColumns(each.aggregate, [each.column]);
      return { as, aggregate: each.aggregate, column: each.column };
    });
    const name = operatorName(operator);
    const parameters: GroupParameters = { keys, aggregates };
    const checked: SchemaRule = ([schema]) => new Schema(schemaOfGroups(schema!, parameters, name));
    const partial = this.step('group-step', parameters, name, { rule: checked }) as unknown as TableRows;
    const moved = partial.spread(name, async () => {
      const count = await this.getNumPartitions();
      if (keys?.length === 0) return { partitions: 1, partitioner: { kind: 'neighbours', maps: count } };
      if (count === 1 && (partitions ?? 1) === 1) return 'in place';
      const places = { name, butLast: stateColumns(aggregates) };
      const partitioner = { kind: 'module', module: 'rdd/tables/place-by-hash', parameters: places } as const;
      return { partitions: partitions ?? count, partitioner };
    }) as unknown as TableRows;
    // The rule of the step below tells the columns of the result, this one leaves them alone.
    return moved.step('merge-groups-step', parameters, name, { rule: ([schema]) => schema });
  }

  async #bounds(by: readonly SortKey[], partitions: number, name: string): Promise<unknown[]> {
    const count = await this.getNumPartitions();
    const columns = by.map(({ column }) => column);
    const parameters = { columns, size: Math.ceil((SAMPLE_KEYS * partitions) / count), name };
    const terminal = { kind: 'module', module: 'rdd/tables/sample-keys', parameters } as const;
    const samples = await this.context.runJob(
      { top: this.node, terminal, name: `${name} (sample)` },
      async (answer) => {
        const { keys, rows } = answer as { keys: string; rows: number };
        return { keys: decodeValue(Buffer.from(keys, 'base64')) as unknown[], rows };
      },
    );
    return rangeBounds(samples, partitions, compareRows(by));
  }
}
