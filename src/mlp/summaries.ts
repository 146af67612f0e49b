import type { Json } from '../protocol/json.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { PartitionSummary, SummariseParameters } from './summarise.js';

/** Runs `summarise` over a table. */
export async function summaries(
  table: ArrowRDD,
  parameters: SummariseParameters,
  name: string,
): Promise<PartitionSummary[]> {
  const terminal = { kind: 'module', module: 'mlp/summarise', parameters: parameters as unknown as Json } as const;
  return table.context.runJob(
    { top: table.node, terminal, name },
    async (answer) => answer as unknown as PartitionSummary,
  );
}

export const rowsOf = (parts: readonly PartitionSummary[]) => parts.reduce((sum, part) => sum + part.rows, 0);
