import { FailureError } from '../protocol/failure.js';
import type { Slots } from '../protocol/program.js';
import type { TaskMessage, TaskOutcome } from '../protocol/task.js';

/**
 * The slots, for what a message's task orders of them: its parts bear the message's id, so that they are cancelled with it.
 * @param run in the slot that the message names
 */
export function partsOf(
  message: TaskMessage,
  signal: AbortSignal,
  run: (message: TaskMessage) => Promise<TaskOutcome[]> | TaskOutcome[],
): Slots {
  return {
    async run(slot, program, task) {
      signal.throwIfAborted();
      const { id, driver, executor } = message;
      const part = { id, driver, executor, slot, program, tasks: [task], sentAt: Date.now() };
      const outcome = (await run(part))[0]!;
      if (!outcome.ok) throw new FailureError(outcome.failure);
      return { value: outcome.value, metrics: outcome.metrics };
    },
  };
}
