import type { Data, Field, RecordBatch } from 'apache-arrow';
import { batchFrom } from '../../rdd/tables/batches.js';
import { schemaWith } from '../../rdd/tables/schema-rules.js';

/** A batch with a column more, or another in the place of one of that name. */
export function putColumn(batch: RecordBatch, { field, data }: { field: Field; data: Data }): RecordBatch {
  const { fields } = batch.schema;
  const found = fields.findIndex(({ name }) => name === field.name);
  const at = found < 0 ? fields.length : found;
  const put = <T>(all: readonly T[], one: T) => [...all.slice(0, at), one, ...all.slice(at + 1)];
  return batchFrom(schemaWith(batch.schema, put(fields, field)), batch.numRows, put(batch.data.children, data));
}
