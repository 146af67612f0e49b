import { AsyncLocalStorage } from 'node:async_hooks';
import type { Task } from '../protocol/task.js';

/** The task whose user code is running: labels what it prints. */
export const currentTask = new AsyncLocalStorage<Task>();

/**
 * Sends everything that user code prints (stdout included) to stderr, each line with the label of its task or of `fallback`,
 * so that a job's stdout stays what the job's command line promised.
 */
export function labelOutput(fallback: string, print = rawStderr()): void {
  const labelled = (chunk: string | Uint8Array): void => {
    const task = currentTask.getStore();
    const label = task ? `[task ${task.stage}.${task.partition}]` : `[${fallback}]`;
    const lines = Buffer.from(chunk as Uint8Array)
      .toString()
      .replace(/\n$/, '')
      .split('\n');
    print(`${lines.map((line) => `${label} ${line}`).join('\n')}\n`);
  };
  const redirected = ((chunk: string | Uint8Array, encoding?: unknown, done?: unknown) => {
    labelled(chunk);
    const callback = typeof encoding === 'function' ? encoding : done;
    if (typeof callback === 'function') queueMicrotask(() => callback());
    return true;
  }) as typeof process.stdout.write;
  process.stdout.write = redirected;
  process.stderr.write = redirected;
}

function rawStderr(): (text: string) => void {
  const write = process.stderr.write.bind(process.stderr);
  return (text) => {
    write(text);
  };
}
