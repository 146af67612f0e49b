import type { RecordBatch } from 'apache-arrow';
import { operatorName, RDD } from './rdd.js';

export type Row = Record<string, unknown>;

/**
 * Rows with a schema, in Arrow record batches. Row operators (`map`, `filter`, …) see plain objects; column operators
 * work on whole batches and make no object a row.
 */
export class ArrowRDD extends RDD<Row> {
  /** The function gets each record batch and returns one, or several. */
  mapBatches(fn: (batch: RecordBatch) => RecordBatch | RecordBatch[] | Promise<RecordBatch | RecordBatch[]>): ArrowRDD {
    return this.#table({ kind: 'mapBatches', fn });
  }

  /** Rows whose value in `column` satisfies `fn`. @example features.where('subject', (subject) => subject <= 18) */
  where(column: string, fn: (value: any) => boolean): ArrowRDD {
    return this.#table({ kind: 'where', column, fn });
  }

  /** A step of the engine itself, named by its module; its `transform` rewrites a partition's batches. */
  transformBy(module: string, parameters: import('../protocol/json.js').Json): ArrowRDD {
    return this.#table({ kind: 'module', module, parameters });
  }

  /** Deals rows over `partitions` by their index in the whole data set: row i goes to partition i mod partitions, in order. */
  async deal(partitions: number, rowsPerPartition: readonly number[]): Promise<ArrowRDD> {
    let next = 0;
    const firstRows = rowsPerPartition.map((rows) => {
      next += rows;
      return next - rows;
    });
    return new ArrowRDD(
      this.context,
      this.context.shuffleNode(this.node, partitions, () => ({ kind: 'deal', firstRows })),
    );
  }

  override union(...others: RDD<Row>[]): ArrowRDD {
    const parents = [this, ...others].map(({ node }) => node);
    return new ArrowRDD(this.context, this.context.newNode(operatorName('union'), { kind: 'union' }, parents));
  }

  #table(step: Parameters<RDD<Row>['context']['newNode']>[1]): ArrowRDD {
    return new ArrowRDD(this.context, this.context.newNode(operatorName(step.kind), step, [this.node]));
  }
}
