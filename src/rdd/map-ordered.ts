/**
 * Runs `work` over items, at most `width` at a time; answers in order. After the first failure, or when the signal
 * aborts, nothing more is started.
 */
export async function mapOrdered<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => R | Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      signal?.throwIfAborted();
      const index = next++;
      try {
        results[index] = await work(items[index]!);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
