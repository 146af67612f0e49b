import type { FailureKind } from '../protocol/failure.js';

export type Recovery =
  /** End the job with this failure. */
  | 'fail'
  /** Run the task again, alone in its message and rather on another slot, at most `sheaf.task.maxFailures` times. */
  | 'retry'
  /** Run again what made the missing block, then the stage's remaining tasks. */
  | 'recompute-parent';

/** The one table of what the driver does about each kind of failure. */
export const RECOVERY: Record<FailureKind, Recovery> = {
  'user-error': 'fail',
  'executor-lost': 'retry',
  'fetch-failed': 'recompute-parent',
  resource: 'retry',
  cancelled: 'fail',
  timeout: 'retry',
};
