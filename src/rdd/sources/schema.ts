import { MessageReader, RecordBatchStreamWriter, type Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { type Chunks, isBatch } from '../chunks.js';
import { ruleOf, schemaGiven } from '../tables/schema-rules.js';

/**
 * The schema of a table, as far as the steps down to its sources tell what they make of theirs; undefined where only batches know.
 * @param ofSource of a leaf
 * @throws FailureError when a step cannot work on such a table
 */
export async function schemaBelow(
  node: LineageNode,
  ofSource: (leaf: LineageNode) => Promise<Schema> | undefined,
): Promise<Schema | undefined> {
  const above: LineageNode[] = [];
  let below = node;
  for (; !told.has(below) && (ruleOf(below) || keepsColumns(below)); below = below.parents[0]!) {
    above.push(below);
    if (below.parents.length !== 1) break;
  }
  let schemas = [told.get(below) ?? (await ownSchema(below, ofSource))];
  if (above.at(-1) === below) {
    await null; // a union may be the last of thousands
    schemas = await Promise.all(below.parents.map((parent) => schemaBelow(parent, ofSource)));
  }
  for (const each of above.reverse()) {
    if (schemas.includes(undefined)) return undefined;
    const rule = ruleOf(each);
    if (rule) schemas = [rule(schemas as Schema[])];
    if (schemas[0]) told.set(each, schemas[0]);
  }
  return schemas[0];
}

/** What nodes were found to have: a lineage may be thousands of steps long, and each step is checked. */
const told = new WeakMap<LineageNode, Schema>();

async function ownSchema(node: LineageNode, ofSource: (leaf: LineageNode) => Promise<Schema> | undefined) {
  return schemaGiven(node) ?? (node.step.kind === 'source' ? ofSource(node) : undefined);
}

function keepsColumns({ step }: LineageNode): boolean {
  return COLUMNS_STAY.has(step.kind);
}

const COLUMNS_STAY: ReadonlySet<LineageNode['step']['kind']> = new Set([
  ...(['shuffle-read', 'coalesce', 'union'] as const),
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
