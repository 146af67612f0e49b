import { CHUNK_ROWS, NumberRange } from '../chunks.js';
import type { RangeSplit } from './range.js';

/** Reads a partition of `range`: numbers, counted where they are used. */
export async function* read(_options: unknown, { from, step, first, count }: RangeSplit): AsyncGenerator<NumberRange> {
  for (let done = 0; done < count; done += CHUNK_ROWS)
    yield new NumberRange(from, step, first + done, Math.min(CHUNK_ROWS, count - done));
}
