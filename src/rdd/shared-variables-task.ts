import type { PreparedProgram, SlotContext } from '../protocol/program.js';
import { leaveAccumulated, provideTaskAccumulators } from './accumulator-task.js';
import { loadBroadcasts, provideTaskBroadcasts, type ShippedBroadcast } from './broadcast-task.js';

provideTaskAccumulators();
provideTaskBroadcasts();

/**
 * A stage's tasks with what its functions share: broadcasts are there before a function is restored and before each task (they
 * may have been dropped meanwhile), and what a task has added to accumulators leaves with it.
 */
export async function withSharedVariables(
  { broadcasts, scope }: { readonly broadcasts: readonly ShippedBroadcast[]; readonly scope: string },
  slot: SlotContext,
  restore: () => PreparedProgram,
): Promise<PreparedProgram> {
  await loadBroadcasts(broadcasts, slot);
  const program = restore();
  return {
    async run(task, context) {
      await loadBroadcasts(broadcasts, context, context.metrics);
      const value = await program.run(task, context);
      await leaveAccumulated(task, context, scope);
      return value;
    },
  };
}
