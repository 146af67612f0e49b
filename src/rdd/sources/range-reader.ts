const CHUNK_ROWS = 1 << 16;

/** Reads a partition of `range`: whole numbers, made where they are used. */
export async function* read(
  _options: unknown,
  split: { from: number; count: number; step: number },
): AsyncGenerator<number[]> {
  for (let done = 0; done < split.count; done += CHUNK_ROWS) {
    const rows = new Array<number>(Math.min(CHUNK_ROWS, split.count - done));
    for (let i = 0; i < rows.length; i++) rows[i] = split.from + (done + i) * split.step;
    yield rows;
  }
}
