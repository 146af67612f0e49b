import { toFailure } from '../protocol/failure.js';
import { JobError } from '../scheduler/job-error.js';
import { TaskSetError } from '../scheduler/task-set.js';

/** A member, its slot, its executor or its server is gone: the round can be run again. */
export function isLoss(error: unknown): boolean {
  const carriesFailure = error instanceof TaskSetError || error instanceof JobError;
  const { kind } = carriesFailure ? error.failure : toFailure(error);
  return kind === 'executor-lost' || kind === 'fetch-failed';
}
