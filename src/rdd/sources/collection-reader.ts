import { decodeValue } from '../../executor/closure/index.js';
import type { BlockRef, Blocks } from '../../protocol/block.js';

/** Reads a partition of `parallelize`. */
export async function* read(
  _options: unknown,
  split: BlockRef,
  { blocks }: { blocks: Blocks },
): AsyncGenerator<unknown[]> {
  yield decodeValue(await blocks.get(split)) as unknown[];
}
