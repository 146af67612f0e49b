import type { BlockRef, Blocks } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';

/** A task's result: small ones travel with the answer, large ones as a block. */
export type Payload = { readonly inline: string } | { readonly block: BlockRef };

/** Above this a result is a block: messages stay small. */
const INLINE_BYTES = 16 * 1024;

export async function packPayload(bytes: Buffer, id: string, scope: string, context: TaskContext): Promise<Json> {
  context.metrics.bytesOut += bytes.length;
  if (bytes.length <= INLINE_BYTES) return { inline: bytes.toString('base64') };
  return { block: await context.blocks.put(id, scope, bytes) } as unknown as Json;
}

export async function unpackPayload(payload: Payload, blocks: Blocks): Promise<Buffer> {
  return 'inline' in payload ? Buffer.from(payload.inline, 'base64') : blocks.get(payload.block);
}
