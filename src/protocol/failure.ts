import type { BlockRef } from './block.js';

/**
 * Why a task did not succeed. What the driver does about each kind stands in one table, `scheduler/recovery.ts`.
 */
export type Failure =
  /** The user's function threw: fail the job with the user's own stack. */
  | { readonly kind: 'user-error'; readonly message: string; readonly stack?: string; readonly name?: string }
  /** The executor or its slot died: run the task elsewhere. */
  | { readonly kind: 'executor-lost'; readonly message: string; readonly executor: string }
  /** An input block could not be read: recompute what made it. */
  | { readonly kind: 'fetch-failed'; readonly message: string; readonly block: BlockRef }
  /** Memory or disk ran out. */
  | { readonly kind: 'resource'; readonly message: string }
  | { readonly kind: 'cancelled'; readonly message: string }
  | { readonly kind: 'timeout'; readonly message: string };

export type FailureKind = Failure['kind'];

/** A failure as an exception. `toFailure` turns anything thrown into its failure. */
export class FailureError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
    this.name = 'FailureError';
  }
}

export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof FailureError) return thrown.failure;
  if (thrown instanceof Error)
    return { kind: 'user-error', message: thrown.message, stack: thrown.stack, name: thrown.name };
  return { kind: 'user-error', message: `a value was thrown that is no Error: ${String(thrown)}` };
}
