import { Field, makeData, RecordBatch, type Schema, Struct } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { userError } from '../operator-failure.js';
import { batches } from './batches.js';
import { indexOf, schemaWith } from './schema-rules.js';

/** Which columns stay, in which order, under which names. */
export type ColumnsParameters =
  | { readonly select: readonly string[] }
  | { readonly drop: readonly string[] }
  /** Old names and new ones. */
  | { readonly rename: Readonly<Record<string, string>> };

interface Kept {
  readonly index: number;
  readonly name: string;
}

/** Pure. @throws FailureError for a column that is missing, or two of one name */
function keptColumns(schema: Schema, parameters: ColumnsParameters, name: string): Kept[] {
  const { fields } = schema;
  if ('select' in parameters)
    return parameters.select.map((column) => ({ index: indexOf(schema, column, name), name: column }));
  if ('drop' in parameters) {
    const gone = new Set(parameters.drop.map((column) => indexOf(schema, column, name)));
    return fields.flatMap((field, index) => (gone.has(index) ? [] : [{ index, name: field.name }]));
  }
  for (const column of Object.keys(parameters.rename)) indexOf(schema, column, name);
  const kept = fields.map((field, index) => ({
    index,
    name: Object.hasOwn(parameters.rename, field.name) ? parameters.rename[field.name]! : field.name,
  }));
  const twice = kept.find((each, k) => kept.findIndex((other) => other.name === each.name) < k);
  if (twice) throw userError(`${name}: there would be two columns "${twice.name}"`);
  return kept;
}

/** Pure. */
export function schemaOfColumns(schema: Schema, parameters: ColumnsParameters, name: string): Schema {
  return schemaOfKept(schema, keptColumns(schema, parameters, name));
}

function schemaOfKept(schema: Schema, kept: readonly Kept[]): Schema {
  const fields = kept.map(({ index, name }) => {
    const field = schema.fields[index]!;
    return field.name === name ? field : new Field(name, field.type, field.nullable, field.metadata);
  });
  return schemaWith(schema, fields);
}

/** Step of `select`, `drop` and `rename`: columns are shared, nothing is copied. */
export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  for await (const batch of batches(chunks, name)) {
    const kept = keptColumns(batch.schema, parameters as unknown as ColumnsParameters, name);
    const schema = schemaOfKept(batch.schema, kept);
    const children = kept.map(({ index }) => batch.data.children[index]!);
    const type = new Struct(schema.fields);
    yield new RecordBatch(schema, makeData({ type, length: batch.numRows, nullCount: 0, children }));
  }
}
