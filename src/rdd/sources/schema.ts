import { MessageReader, RecordBatchStreamWriter, type Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { type Chunks, isBatch } from '../chunks.js';
import { ruleOf, type SchemaRule, schemaGiven } from '../tables/schema-rules.js';

/**
 * The schema of a table, as far as the steps down to its sources tell what they make of theirs; undefined where only batches know.
 * @param ofSource of a leaf
 * @throws FailureError when a step cannot work on such a table
 */
export async function schemaBelow(
  node: LineageNode,
  ofSource: (leaf: LineageNode) => Promise<Schema> | undefined,
): Promise<Schema | undefined> {
  const above: SchemaRule[] = [];
  let below = node;
  for (let rule = ruleOf(below); ; rule = ruleOf(below)) {
    if (rule) above.push(rule);
    else if (!keepsColumns(below)) break;
    if (below.parents.length !== 1 && rule) break;
    below = below.parents[0]!;
  }
  let schemas: (Schema | undefined)[];
  if (ruleOf(below)) schemas = await Promise.all(below.parents.map((parent) => schemaBelow(parent, ofSource)));
  else schemas = [await (schemaGiven(below) ?? (below.step.kind === 'source' ? ofSource(below) : undefined))];
  for (const rule of above.reverse()) {
    if (schemas.includes(undefined)) return undefined;
    schemas = [rule(schemas as Schema[])];
  }
  return schemas[0];
}

/** Of a union the first parent's. */
function keepsColumns({ step }: LineageNode): boolean {
  return COLUMNS_STAY.has(step.kind);
}

const COLUMNS_STAY: ReadonlySet<LineageNode['step']['kind']> = new Set([
  ...(['where', 'shuffle-read', 'coalesce', 'union'] as const),
]);

/** Terminal that answers with a partition's schema, encoded; null when it has no record batch. */
export async function consume(chunks: Chunks): Promise<Json> {
  for await (const chunk of chunks) if (isBatch(chunk)) return encodeSchema(chunk.schema);
  return null;
}

/** An Arrow stream with a schema and nothing else, in base64. */
export function encodeSchema(schema: Schema): string {
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  writer.finish();
  return Buffer.from(writer.toUint8Array(true)).toString('base64');
}

export function decodeSchema(encoded: string): Schema {
  return new MessageReader(Buffer.from(encoded, 'base64')).readSchema(true)!;
}
