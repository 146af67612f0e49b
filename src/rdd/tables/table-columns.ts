import type { Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { requireSyncFunction, requireWhole, shown } from '../arguments.js';
import type { ArrowRDD, Row } from '../arrow-rdd.js';
import { operatorName } from '../call-site.js';
import { encodeSchema } from '../sources/schema.js';
import { type ColumnsParameters, schemaOfColumns } from './columns-step.js';
import { type FillValue, type NullsParameters, schemaWithoutNulls } from './nulls-step.js';
import { schemaOfQuery } from './query-schema.js';
import { giveSchema, indexOf } from './schema-rules.js';
import { requireColumns, TableBase } from './table-base.js';
import { requireTableType, type TableType } from './types.js';
import { schemaWithColumn, type WithColumnParameters } from './with-column-step.js';

/** Columns and rows of a table: no step here moves rows, and none but `withColumn` of whole rows makes an object a row. */
export abstract class TableColumns extends TableBase {
  /** These columns, in this order. @throws TypeError for none, or one twice @example runs.select('subject', 'speed') */
  select(...columns: string[]): ArrowRDD {
    requireColumns('select', columns);
    return this.#columns('select', { select: columns });
  }

  /** All columns but these. @example runs.drop('timestamp') */
  drop(...columns: string[]): ArrowRDD {
    requireColumns('drop', columns);
    return this.#columns('drop', { drop: columns });
  }

  /** Other names for some columns. @example runs.rename({ 'userAcceleration.x': 'ax' }) */
  rename(names: Readonly<Record<string, string>>): ArrowRDD {
    if (typeof names !== 'object' || names === null)
      throw new TypeError(`rename needs an object from old names to new ones, not ${shown(names)}`);
    requireColumns('rename', Object.values(names));
    return this.#columns('rename', { rename: { ...names } });
  }

  /**
   * Adds a column, or puts another in the place of one of that name: what `fn` gives for the values of some columns, row by row.
   * @param type of the new column; default: that of the first value of each partition (numbers are float64, a partition without
   *   any value counts as numbers). With a type the schema is known without a job
   * @throws JobError for a value of another type, naming column and row; for a column that is missing, before any task starts
   *   where the schema is known
   * @example runs.withColumn('speed', ['dx', 'dt'], (dx, dt) => dx / dt)
   * @example runs.withColumn('half', 'x', (x) => x / 2, 'float32')
   */
  withColumn(
    name: string,
    columns: string | readonly string[],
    fn: (...values: any[]) => unknown,
    type?: TableType,
  ): ArrowRDD;
  /** The function gets the row as a plain object, which costs more: prefer to name the columns it needs. */
  withColumn(name: string, fn: (row: Row) => unknown, type?: TableType): ArrowRDD;
  withColumn(column: string, ...rest: any[]): ArrowRDD {
    if (typeof column !== 'string') throw new TypeError(`withColumn needs a column's name, not ${shown(column)}`);
    const [of, fn, type] = typeof rest[0] === 'function' ? [null, ...rest] : [[rest[0]].flat(), ...rest.slice(1)];
    if (of) requireColumns('withColumn', of);
    requireSyncFunction('withColumn', fn);
    if (type !== undefined) requireTableType(column, type);
    const name = operatorName('withColumn');
    const parameters: WithColumnParameters = { column, of, type: type ?? null };
    return this.step('with-column-step', parameters, name, {
      fn,
      rule: ([schema]) => schemaWithColumn(schema!, parameters, name),
    });
  }

  /**
   * Leaves out rows without a value (null, or NaN in a column of floats).
   * @param columns that are looked at; default: all @param how whether one missing value is enough. Default `any`
   * @example runs.dropNulls(['x', 'y'])
   */
  dropNulls(columns?: readonly string[], how: 'any' | 'all' = 'any'): ArrowRDD {
    if (columns !== undefined) requireColumns('dropNulls', columns);
    if (how !== 'any' && how !== 'all')
      throw new TypeError(`how of dropNulls must be 'any' or 'all', not ${shown(how)}`);
    return this.#nulls('dropNulls', { drop: columns ?? null, how });
  }

  /**
   * Puts a value in the place of null (and of NaN in columns of floats): by column, or one for every column that can hold it
   * (a number for numbers, a text for texts, a boolean for booleans).
   * @throws JobError for a value that its column cannot hold
   * @example runs.fillNulls({ x: 0, device: 'unknown' })
   * @example runs.fillNulls({ age: (await runs.describe()).columns.age.mean })
   */
  fillNulls(values: FillValue | Readonly<Record<string, FillValue>>): ArrowRDD {
    const given = typeof values === 'object' && values !== null ? Object.values(values) : [values];
    const wrong = given.find((value) => !['number', 'string', 'boolean'].includes(typeof value));
    if (given.length === 0 || wrong !== undefined)
      throw new TypeError(
        `fillNulls needs a number, text or boolean, or an object of these by column, not ${shown(values)}`,
      );
    return this.#nulls('fillNulls', { fill: values });
  }

  /**
   * Rows whose value in `column`, or in each of several columns, satisfies `fn`.
   * @example features.where('subject', (subject) => subject <= 18)
   * @example runs.where(['x', 'y'], (x, y) => x * x + y * y < 1)
   */
  where(columns: string | readonly string[], fn: (...values: any[]) => boolean): ArrowRDD {
    const name = operatorName('where');
    if (typeof columns !== 'string' && !Array.isArray(columns))
      throw new TypeError(`where needs a column's name, or an array of names, not ${shown(columns)}`);
    requireSyncFunction('where', fn);
    const given = typeof columns === 'string' ? [columns] : [...columns];
    requireColumns('where', given);
    const rule = ([schema]: readonly any[]) => {
      for (const column of given) indexOf(schema, column, name);
      return schema;
    };
    return this.step('where-step', { columns: given }, name, { fn, rule });
  }

  /**
   * The first `rows` rows, in the order of partitions, in one partition. An action on it computes of each partition at most so many.
   * `take` fetches rows with less work.
   */
  limit(rows: number): ArrowRDD {
    requireWhole('the number of rows of limit', rows, 0);
    const name = operatorName('limit');
    const rule = ([schema]: readonly any[]) => schema;
    const each = this.step('limit-step', { rows }, name, { rule });
    const spread = async () => {
      const maps = await this.context.numPartitions(this.node);
      return { partitions: 1, partitioner: { kind: 'neighbours', maps } } as const;
    };
    const one = this.tableOf(this.context.shuffled(each.node, name, spread)) as unknown as TableColumns;
    return one.step('limit-step', { rows }, name, { rule });
  }

  /**
   * Runs a query in DuckDB's SQL over each partition by itself: the partition is the table `t`. Whatever it groups, sorts or
   * counts, it does within a partition; `groupBy`, `join` and `orderBy` work across partitions. The partition has to fit into memory. Columns of
   * lists and structs cannot be taken over.
   * @throws TypeError before any task starts for a query that DuckDB refuses, and for columns that it cannot take over
   * @example runs.sql('SELECT *, x - lag(x) OVER (PARTITION BY subject ORDER BY time) AS dx FROM t')
   */
  sql(query: string): ArrowRDD {
    if (typeof query !== 'string' || query.trim() === '') throw new TypeError(`sql needs a query, not ${shown(query)}`);
    const name = operatorName('sql');
    const step = { kind: 'module', module: 'rdd/tables/sql-step', parameters: null } as const;
    const plan = async () => {
      const parameters = { query, schema: encodeSchema(await this.schema()) } as unknown as Json;
      return { planner: undefined, step: { ...step, parameters } };
    };
    const node: LineageNode = { ...this.context.newNode(name, step, [this.node]), planner: { plan } };
    let fields: Promise<Schema> | undefined;
    giveSchema(node, () => {
      fields ??= this.schema().then((schema) => schemaOfQuery(schema, query, name));
      return fields;
    });
    node.check = () => this.context.tableSchema(node);
    return this.tableOf(node);
  }

  #columns(operator: string, parameters: ColumnsParameters): ArrowRDD {
    const name = operatorName(operator);
    return this.step('columns-step', parameters, name, {
      rule: ([schema]) => schemaOfColumns(schema!, parameters, name),
    });
  }

  #nulls(operator: string, parameters: NullsParameters): ArrowRDD {
    const name = operatorName(operator);
    return this.step('nulls-step', parameters, name, {
      rule: ([schema]) => schemaWithoutNulls(schema!, parameters, name),
    });
  }
}
