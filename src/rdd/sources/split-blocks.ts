import type { BlockRef, Blocks } from '../../protocol/block.js';
import type { Json } from '../../protocol/json.js';

/** Tasks are messages and travel through the queue: a longer split (thousands of small files) becomes a block. */
const MAX_SPLIT_BYTES = 16 * 1024;

/** What a task carries in place of a split that became a block. */
interface StoredSplit {
  readonly splitBlock: BlockRef;
}

/** A source's splits as tasks carry them: short ones as they are, long ones as references to blocks of `scope`. */
export async function storeSplits(splits: readonly Json[], scope: string, blocks: Blocks): Promise<Json[]> {
  const stored: Json[] = [];
  for (const [p, split] of splits.entries()) {
    const bytes = Buffer.from(JSON.stringify(split));
    if (bytes.length <= MAX_SPLIT_BYTES) stored.push(split);
    else
      stored.push({
        splitBlock: await blocks.put(`split:${p}`, scope, bytes),
      } satisfies StoredSplit as unknown as Json);
  }
  return stored;
}

/** The split itself. @throws FailureError `fetch-failed` when its block is gone */
export async function loadSplit(split: Json, blocks: Blocks): Promise<Json> {
  const { splitBlock } = (split ?? {}) as unknown as Partial<StoredSplit>;
  return splitBlock ? JSON.parse((await blocks.get(splitBlock)).toString('utf8')) : split;
}
