import { CHUNK_ROWS, NumberRange } from '../chunks.js';
import type { RangeSplit } from './range.js';
import type { SourceReader } from './source.js';

/** Numbers of one chunk at most: as arrays they still are small. */
const MAX_ROWS = 1 << 16;

/** Reads a partition of `range`: numbers, counted where they are used. Ever longer runs, so that `take` makes few of them. */
export const read: SourceReader<NumberRange, RangeSplit> = async function* (_options, { from, step, first, count }) {
  let length = CHUNK_ROWS;
  for (let done = 0; done < count; done += length, length = Math.min(2 * length, MAX_ROWS))
    yield new NumberRange(from, step, first + done, Math.min(length, count - done));
};
