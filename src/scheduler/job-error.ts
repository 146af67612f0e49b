import type { TaskSetError } from './task-set.js';

/** A job that failed: which stage and partition, why, and, when user code threw, the user's own stack in .ts lines. */
export class JobError extends Error {
  readonly failure: TaskSetError['failure'];
  readonly partition: number;

  constructor(job: string, cause: TaskSetError) {
    const { failure, set } = cause;
    const partition = cause.partition % (set.partitions ?? Number.POSITIVE_INFINITY);
    const where = partition < 0 ? '' : ` in partition ${partition} of "${set.name}"`;
    const named = failure.kind === 'user-error' && failure.name && failure.name !== 'Error' ? `${failure.name}: ` : '';
    super(`${job} failed${where}: ${named}${failure.message}`);
    this.name = 'JobError';
    this.failure = failure;
    this.partition = partition;
    // What is wrong with the data has no stack of its own: then this one's says which action of the job met it.
    const frames = failure.kind === 'user-error' && failure.stack ? userFrames(failure.stack) : '';
    if (frames) this.stack = `${this.name}: ${this.message}\n${frames}`;
  }
}

/** The frames of the user's code: the engine's own say nothing about the user's mistake. */
export function userFrames(stack: string): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const users = frames.filter((line) => !/node:internal|[\\/](dist|src)[\\/](rdd|executor|scheduler)[\\/]/.test(line));
  return (process.env.SHEAF_DEBUG ? frames : users.length > 0 ? users : frames).join('\n');
}
