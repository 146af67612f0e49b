import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * A computation that names the tensors it is about to read. Where a device computes beside the thread they can be read only
 * after their `data()` has been waited for; `dataSync()` then gives what came.
 */
export type Reading<T> = Generator<readonly Tensor[], T, void>;

/** On a device that can be read at once. */
export function readAtOnce<T>(reading: Reading<T>): T {
  let next = reading.next();
  while (!next.done) next = reading.next();
  return next.value;
}

/** On any device. */
export async function readLater<T>(reading: Reading<T>): Promise<T> {
  let next = reading.next();
  while (!next.done) {
    await Promise.all(next.value.map((tensor) => tensor.data()));
    next = reading.next();
  }
  return next.value;
}
