import { encodeValue } from '../../executor/closure/index.js';
import type { Blocks } from '../../protocol/block.js';
import type { Json } from '../../protocol/json.js';

/** A driver's array as partitions: runs of neighbours, one block each. */
export async function collectionSplits<T>(
  rows: readonly T[],
  partitions: number,
  id: string,
  scope: string,
  blocks: Blocks,
): Promise<Json[]> {
  const splits: Json[] = [];
  for (let p = 0; p < partitions; p++) {
    const part = rows.slice(
      Math.floor((p * rows.length) / partitions),
      Math.floor(((p + 1) * rows.length) / partitions),
    );
    // Values may hold functions: their block is code.
    splits.push((await blocks.put(`${id}:${p}`, scope, encodeValue(part), { code: true })) as unknown as Json);
  }
  return splits;
}
