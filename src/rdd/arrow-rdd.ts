import { type RecordBatch, Schema } from 'apache-arrow';
import type { Json } from '../protocol/json.js';
import type { LineageNode } from '../scheduler/lineage.js';
import type { DevicePreference } from '../scheduler/slot-device.js';
import type { Step } from '../scheduler/step.js';
import { requireFunction, requireWhole, shown } from './arguments.js';
import { schemaWithFeatures } from './assemble-step.js';
import { operatorName } from './call-site.js';
import type { RDD } from './rdd.js';
import { decodeSchema } from './sources/schema.js';
import { commonColumns } from './tables/schema-rules.js';
import { TableActions } from './tables/table-actions.js';

export type Row = Record<string, unknown>;

/**
 * Rows with a schema, in Arrow record batches. Row operators (`map`, `filter`, …) see plain objects, one property a
 * column; column operators (`mapBatches`, `where`) work on whole batches, make no object a row, and give an ArrowRDD again.
 */
export class ArrowRDD extends TableActions {
  /**
   * The function gets each record batch and returns one, or several; it may be async.
   * Beware of Arrow's own `batch.select(names)`, which loses columns (apache-arrow 21); `selectAt(indices)` does not.
   * @example table.mapBatches((batch) => batch.slice(0, 100))
   */
  mapBatches(fn: (batch: RecordBatch) => RecordBatch | RecordBatch[] | Promise<RecordBatch | RecordBatch[]>): ArrowRDD {
    requireFunction('mapBatches', fn);
    return this.#table({ kind: 'mapBatches', fn });
  }

  /**
   * Names and types of the columns: without a job where the source knows them and no step since has changed them, else of the
   * first partition that has a record batch; no columns when none has.
   * @example (await sc.csv('runs').schema()).fields.map((field) => `${field.name}: ${field.type}`)
   */
  async schema(): Promise<Schema> {
    const known = await this.context.tableSchema(this.node);
    if (known) return known;
    const name = operatorName('schema');
    const terminal = { kind: 'module', module: 'rdd/sources/schema', parameters: null } as const;
    const partitions = await this.getNumPartitions();
    for (let p = 0; p < partitions; p++) {
      const request = { top: this.node, terminal, name, partitions: [p] };
      const [encoded] = await this.context.runJob(request, async (answer) => answer as string | null);
      if (encoded) return decodeSchema(encoded);
    }
    return new Schema([]);
  }

  /**
   * Adds a column of features: the values of number columns (integers, floats, decimals, booleans as 0 and 1) and of vectors
   * (`FixedSizeList<Float32>`, say of `OneHotEncoder`) side by side, as 32-bit floats. The other columns stay. As Spark's
   * VectorAssembler.
   * @param columns in the order of the features
   * @param into name of the new column, a `FixedSizeList<Float32>`
   * @param badRows what to do with a row without a finite number in one of the columns. Default `error`, which names row
   *   and column; `drop` leaves it out and counts it in `badRows`
   * @throws TypeError here for no columns or one twice; when it runs, for a column that is missing or not of numbers
   * @example sc.csv('iris.csv').assemble(['petal length', 'petal width'])
   */
  assemble(
    columns: readonly string[],
    into = 'features',
    { badRows = 'error' }: { readonly badRows?: 'error' | 'drop' } = {},
  ): ArrowRDD {
    if (!Array.isArray(columns) || columns.length === 0 || columns.some((name) => typeof name !== 'string'))
      throw new TypeError(`assemble needs an array of columns' names, at least one, not ${shown(columns)}`);
    const twice = columns.find((name, k) => columns.indexOf(name) < k);
    if (twice !== undefined) throw new TypeError(`assemble is given the column "${twice}" twice`);
    if (badRows !== 'error' && badRows !== 'drop')
      throw new TypeError(`badRows of assemble must be 'error' or 'drop', not ${shown(badRows)}`);
    const name = operatorName('assemble');
    const step = { kind: 'module', module: 'rdd/assemble-step', parameters: { columns, into, badRows } } as const;
    const node = this.context.newNode(name, step, [this.node]);
    return this.tableOf(this.ruled(node, ([schema]) => schemaWithFeatures(schema!, columns, into, name)));
  }

  /**
   * A step of the engine itself, named by its module; its `transform` rewrites a partition's batches.
   * @param parameters or what gives them, asked when the first job needs them
   * @param device slots in which it computes; absent: all
   */
  transformBy(
    module: string,
    parameters: Json | (() => Promise<Json>),
    operator = 'transform',
    device?: DevicePreference,
  ): ArrowRDD {
    if (typeof parameters !== 'function') return this.#table({ kind: 'module', module, parameters }, operator);
    const step = { kind: 'module', module, parameters: null } as const;
    const plan = async () => ({ planner: undefined, step: { ...step, parameters: await parameters() } });
    const node = this.context.newNode(operatorName(operator), step, [this.node]);
    return this.tableOf({ ...node, planner: { plan }, ...(device && { device }) });
  }

  /**
   * Deals rows over `partitions` by their index in the whole data set: row i goes to partition i mod partitions, in order.
   * @param rowsPerPartition rows of each partition of this RDD; counted by a job of its own when not given
   */
  async deal(partitions: number, rowsPerPartition?: readonly number[]): Promise<ArrowRDD> {
    requireWhole('the number of partitions', partitions, 1);
    const name = operatorName('deal');
    const rows = rowsPerPartition ?? (await this.countPerPartition());
    const maps = await this.getNumPartitions();
    if (rows.length !== maps)
      throw new RangeError(`deal needs the rows of all ${maps} partitions, not of ${rows.length}`);
    let next = 0;
    const firstRows = rows.map((count) => {
      next += count;
      return next - count;
    });
    return this.tableOf(this.context.shuffleNode(this.node, partitions, () => ({ kind: 'deal', firstRows }), name));
  }

  /**
   * With tables only, which must have the same columns: a table; else an RDD of rows.
   * @throws TypeError by the action, before any task starts where the schemas are known, for other columns
   */
  override union(...others: ArrowRDD[]): ArrowRDD;
  override union<U = Row>(...others: RDD<U>[]): RDD<Row | U>;
  override union(...others: RDD<any>[]): RDD<any> {
    if (others.some((other) => !(other instanceof ArrowRDD))) return super.union(...others);
    const name = operatorName('union');
    const node = this.context.newNode(name, { kind: 'union' }, this.withOthers('union', others));
    return this.tableOf(this.ruled(node, (schemas) => commonColumns(schemas, name)));
  }

  #table(step: Step, operator: string = step.kind): ArrowRDD {
    return this.tableOf(this.context.newNode(operatorName(operator), step, [this.node]));
  }

  protected assembled(columns: readonly string[], into: string, badRows: 'error' | 'drop'): ArrowRDD {
    return this.assemble(columns, into, { badRows });
  }

  protected tableOf(node: LineageNode): ArrowRDD {
    return new ArrowRDD(this.context, node);
  }
}
