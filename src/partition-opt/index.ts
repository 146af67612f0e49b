import { SheafContext } from '../rdd/context.js';

/**
 * From now on this process's contexts choose partitions by measurement. Loaded when the first source is planned: slots,
 * which import the library too, never plan.
 */
export function usePartitionOpt(): void {
  SheafContext.partitionChooser = async (question, context) => {
    const { planPartitions } = await import('./planner.js');
    return planPartitions(question, context);
  };
}
