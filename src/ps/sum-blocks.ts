import { type BlockRef, blockBeside } from '../protocol/block.js';
import type { TaskContext } from '../protocol/program.js';
import { fromNumbers, NUMBERS, numbersOf } from './exchange.js';
import { bytesOf, floats } from './float-bytes.js';
import type { GradientSum, Spread, TreeNode, ValueNode } from './tree.js';

/** A tree node whose vector is a block, with its numbers: what travels in messages instead of tensors. */
export interface SumBlock extends TreeNode {
  readonly rows: number;
  readonly weight: number;
  /** JSON has no NaN: null is one. */
  readonly lossSum: number | null;
  readonly spread?: Spread;
  readonly block: BlockRef;
}

/** The numbers stand before the vector, in a block of their own right; the vector so begins at a multiple of 64 bytes. */
const HEADER_BYTES = 64;

/** @param length of the vector */
export function sumBytes(length: number): number {
  return HEADER_BYTES + 4 * length;
}

/** Id of the block of one node's sum in one step: no two slots write the same. */
export function sumId(step: number, { level, index }: TreeNode): string {
  return `sum:${step}:${level}.${index}`;
}

export async function writeSums(
  nodes: readonly ValueNode<GradientSum>[],
  step: number,
  scope: string,
  { blocks, metrics }: TaskContext,
): Promise<SumBlock[]> {
  const begun = performance.now();
  const written: SumBlock[] = [];
  for (const node of nodes) {
    const { level, index, value } = node;
    const { gradient, rows, weight, lossSum, spread } = value;
    const header = new Float64Array(HEADER_BYTES / 8);
    header.set(numbersOf(node));
    const bytes = sumBytes(gradient.length);
    metrics.bytesOut += bytes;
    const parts = [bytesOf(header), bytesOf(gradient)];
    const block = await blocks.put(sumId(step, node), scope, parts, { bytes });
    written.push({ level, index, rows, weight, lossSum, ...(spread && { spread }), block });
  }
  metrics.writeMs += performance.now() - begun;
  return written;
}

export async function readSums(
  sums: readonly BlockRef[],
  { blocks, metrics }: TaskContext,
): Promise<ValueNode<GradientSum>[]> {
  const begun = performance.now();
  const nodes: ValueNode<GradientSum>[] = [];
  for (const block of sums) {
    const bytes = await blocks.get(block);
    metrics.bytesIn += bytes.length;
    const { level, index, value } = fromNumbers(new Float64Array(bytes.buffer, bytes.byteOffset, NUMBERS));
    nodes.push({ level, index, value: { ...value, gradient: floats(bytes.subarray(HEADER_BYTES)) } });
  }
  metrics.fetchMs += performance.now() - begun;
  return nodes;
}

/** A reference for who knows where the block should lie: its checksum alone when it does, the whole one when not. */
export type ShortRef = number | BlockRef;

/** Of the block of one node's sum in one step. */
export interface ExpectedSum {
  readonly step: number;
  readonly node: TreeNode;
  readonly bytes: number;
  /** A block that the sum's holder keeps in the same scope. */
  readonly home: BlockRef;
}

/** The reference to a sum that lies where it should. */
export function wholeRef(short: ShortRef, { step, node, bytes, home }: ExpectedSum): BlockRef {
  return typeof short === 'number' ? blockBeside(home, { id: sumId(step, node), bytes, crc32: short }) : short;
}

export function shortRef(ref: BlockRef, expected: ExpectedSum): ShortRef {
  const there = wholeRef(ref.crc32, expected);
  const asExpected = there.id === ref.id && there.bytes === ref.bytes && there.at[0]?.path === ref.at[0]?.path;
  return asExpected && ref.at.length === 1 ? ref.crc32 : ref;
}
