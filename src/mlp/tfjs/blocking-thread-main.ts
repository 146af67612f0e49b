/** The thread's side of a `BlockingThread`: one call at a time, each answered. */
import { workerData } from 'node:worker_threads';
import type { Answer, BlockingThreadData } from './blocking-thread.js';

const { module, port, answered } = workerData as BlockingThreadData;

function answer(message: Answer): void {
  try {
    port.postMessage(message);
  } catch (error) {
    port.postMessage({ error: new Error(`the answer cannot travel: ${(error as Error).message}`) });
  }
  Atomics.store(answered, 0, 1);
  Atomics.notify(answered, 0);
}

// Nobody else would wake the caller.
process.on('uncaughtException', (error) => answer({ error }));
const loading = import(module) as Promise<{ carryOut(order: unknown): unknown }>;
loading.catch(() => {}); // every call says so

port.on('message', async (order: unknown) => {
  try {
    answer({ value: await (await loading).carryOut(order) });
  } catch (error) {
    answer({ error });
  }
});
