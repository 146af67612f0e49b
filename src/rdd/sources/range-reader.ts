import { CHUNK_ROWS, NumberRange } from '../chunks.js';
import type { RangeSplit } from './range.js';
import type { SourceReader } from './source.js';

/** Reads a partition of `range`: numbers, counted where they are used. */
export const read: SourceReader<NumberRange, RangeSplit> = async function* (_options, { from, step, first, count }) {
  for (let done = 0; done < count; done += CHUNK_ROWS)
    yield new NumberRange(from, step, first + done, Math.min(CHUNK_ROWS, count - done));
};
