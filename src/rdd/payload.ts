import { encodeParts } from '../executor/closure/index.js';
import type { BlockRef, Blocks } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { bytesOf } from './chunk-codec.js';

/** A task's result: small ones travel with the answer, large ones as a block. */
export type Payload = { readonly inline: string } | { readonly block: BlockRef };

/** Above this a result is a block: messages stay small. */
const INLINE_BYTES = 16 * 1024;

export async function packPayload(value: unknown, id: string, scope: string, context: TaskContext): Promise<Json> {
  const parts = encodeParts(value);
  const bytes = bytesOf(parts);
  context.metrics.bytesOut += bytes;
  if (bytes <= INLINE_BYTES) return { inline: Buffer.concat(parts).toString('base64') };
  return { block: await context.blocks.put(id, scope, parts, { bytes }) } as unknown as Json;
}

export async function unpackPayload(payload: Payload, blocks: Blocks): Promise<Buffer> {
  return 'inline' in payload ? Buffer.from(payload.inline, 'base64') : blocks.get(payload.block);
}
