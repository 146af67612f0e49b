/** All of them, also when one fails: nothing goes on behind its caller. @throws what the first in order failed with */
export async function together<T>(work: Iterable<Promise<T>>): Promise<T[]> {
  const ended = await Promise.allSettled(work);
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
  return ended.map((each) => (each as PromiseFulfilledResult<T>).value);
}
