import { MessageReader, RecordBatchStreamWriter, type Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { type Chunks, isBatch } from '../chunks.js';

/**
 * The schema of a table, asked of the source below where every step between leaves columns alone; undefined otherwise.
 * @param ofSource of a leaf
 */
export async function schemaBelow(
  node: LineageNode,
  ofSource: (leaf: LineageNode) => Promise<Schema> | undefined,
): Promise<Schema | undefined> {
  let below = node;
  while (keepsColumns(below)) below = below.parents[0]!;
  return below.step.kind === 'source' ? ofSource(below) : undefined;
}

function keepsColumns({ step, shuffle }: LineageNode): boolean {
  return step.kind === 'where' || (step.kind === 'shuffle-read' && shuffle?.partitioner.kind === 'deal');
}

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
