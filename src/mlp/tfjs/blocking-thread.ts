import { MessageChannel, type MessagePort, receiveMessageOnPort, type Transferable, Worker } from 'node:worker_threads';
import { entryPoint } from '../../protocol/entry.js';

/** What a thread behind a `BlockingThread` is started with. */
export interface BlockingThreadData {
  /** URL of the module whose `carryOut` answers. */
  readonly module: string;
  readonly port: MessagePort;
  /** Becomes 1, and is woken, when an answer is there. */
  readonly answered: Int32Array;
}

export type Answer = { readonly value: unknown } | { readonly error: unknown };

/**
 * A thread whose answers the caller waits for: synchronous calls of what works asynchronously there. The caller's thread is
 * blocked meanwhile, as in a native computation. Whatever goes wrong in the thread, its loading too, is answered.
 */
export class BlockingThread {
  readonly #port: MessagePort;
  readonly #answered = new Int32Array(new SharedArrayBuffer(4));

  /** @param module URL of a compiled module that exports `carryOut(order)`. The process may end while the thread is there. */
  constructor(module: string) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: BlockingThreadData = { module, port: port2, answered: this.#answered };
    // Without what this process was started with: loaders of a test runner, say, that ask the thread that waits.
    const options = { workerData, transferList: [port2], execArgv: [] };
    const worker = new Worker(entryPoint('mlp/tfjs/blocking-thread-main.js'), options);
    worker.unref();
    port1.unref();
  }

  /** @throws what the thread's function threw */
  call(order: unknown, transfer: Transferable[] = []): unknown {
    Atomics.store(this.#answered, 0, 0);
    this.#port.postMessage(order, transfer);
    Atomics.wait(this.#answered, 0, 0);
    const answer = receiveMessageOnPort(this.#port)!.message as Answer;
    if ('error' in answer) throw answer.error;
    return answer.value;
  }
}
