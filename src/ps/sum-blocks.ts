import type { BlockRef } from '../protocol/block.js';
import type { TaskContext } from '../protocol/program.js';
import { bytesOf, floats } from './float-bytes.js';
import type { GradientSum, Spread, ValueNode } from './tree.js';

/** A tree node whose vector is a block: what travels in messages instead of tensors. */
export interface SumBlock {
  readonly level: number;
  readonly index: number;
  readonly rows: number;
  readonly weight: number;
  /** JSON has no NaN: null is one. */
  readonly lossSum: number | null;
  readonly spread?: Spread;
  readonly block: BlockRef;
}

export async function writeSums(
  nodes: readonly ValueNode<GradientSum>[],
  id: string,
  scope: string,
  { blocks, metrics }: TaskContext,
): Promise<SumBlock[]> {
  const begun = performance.now();
  const written: SumBlock[] = [];
  for (const { level, index, value } of nodes) {
    const { gradient, rows, weight, lossSum, spread } = value;
    const bytes = bytesOf(gradient);
    metrics.bytesOut += bytes.length;
    written.push({
      level,
      index,
      rows,
      weight,
      lossSum,
      ...(spread && { spread }),
      block: await blocks.put(`${id}:${level}.${index}`, scope, bytes),
    });
  }
  metrics.writeMs += performance.now() - begun;
  return written;
}

export async function readSums(
  sums: readonly SumBlock[],
  { blocks, metrics }: TaskContext,
): Promise<ValueNode<GradientSum>[]> {
  const begun = performance.now();
  const nodes: ValueNode<GradientSum>[] = [];
  for (const { level, index, rows, weight, lossSum, spread, block } of sums) {
    const bytes = await blocks.get(block);
    metrics.bytesIn += bytes.length;
    const gradient = floats(bytes);
    nodes.push({ level, index, value: { gradient, rows, weight, lossSum: lossSum ?? Number.NaN, spread } });
  }
  metrics.fetchMs += performance.now() - begun;
  return nodes;
}
