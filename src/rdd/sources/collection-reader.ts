import { decodeValue } from '../../executor/closure/index.js';
import type { BlockRef } from '../../protocol/block.js';
import type { SourceReader } from './source.js';

/** Reads a partition of `parallelize`. */
export const read: SourceReader<unknown[], BlockRef> = async function* (_options, split, { blocks }) {
  yield decodeValue(await blocks.get(split)) as unknown[];
};
