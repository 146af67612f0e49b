import type { BlockRef, Blocks } from '../protocol/block.js';
import type { RangeState } from '../ps/exchange.js';
import { alignedFloats, bytesOf, floats } from '../ps/float-bytes.js';
import type { Range } from '../ps/optimizer/range-optimizer.js';
import { initialTheta, layoutOf } from './layout.js';
import type { WorkerState } from './learners/learner.js';
import type { NumericalPlan } from './numerical-plan.js';

/** A state of a training that survives its slots: after so many updates. Without parts: the initial weights. */
export interface Committed {
  /** Updates made. */
  readonly step: number;
  /** Together they cover theta; in ascending order. */
  readonly parts: readonly CommittedPart[];
  /** Of elastic averaging: what each gradient shard keeps for itself, its weights and its optimizer's slots. */
  readonly workers?: readonly CommittedWorker[];
  /** Where sums are sent sparsely: what each member's still owe the weights, a block of theta's length a member, by rank. */
  readonly residuals?: readonly BlockRef[];
  /** After a loss, of servers that keep their updates: members that live keep what they owe, and so it is not here. */
  readonly salvaged?: true;
}

/** Owns what is committed after so many updates: a later generation that comes there again writes elsewhere. */
export function stateScope(
  model: string,
  { generation, step }: { readonly generation: number; readonly step: number },
) {
  return `${model}/state-${generation}-${step}`;
}

export interface CommittedWorker {
  readonly shard: number;
  readonly block: BlockRef;
}

/** The state over [from, to) of theta: a block of theta's values there, then of each of the optimizer's slots there. */
export interface CommittedPart extends Range {
  readonly block: BlockRef;
}

/** Writes states down, each that is not empty as a block of its own. */
export async function writeParts(
  states: readonly RangeState[],
  step: number,
  scope: string,
  blocks: Blocks,
): Promise<CommittedPart[]> {
  const parts: CommittedPart[] = [];
  for (const { from, theta, slots } of states) {
    if (theta.length === 0) continue;
    const block = await putVectors(`state:${step}:${from}`, scope, [theta, ...slots], blocks);
    parts.push({ from, to: from + theta.length, block });
  }
  return parts;
}

export async function writeWorkers(
  workers: readonly WorkerState[],
  step: number,
  scope: string,
  blocks: Blocks,
): Promise<CommittedWorker[]> {
  const written: CommittedWorker[] = [];
  for (const { shard, vectors } of workers)
    written.push({ shard, block: await putVectors(`worker:${step}:${shard}`, scope, vectors, blocks) });
  return written;
}

export function writeResidual(
  residual: Float32Array,
  { step, rank }: { readonly step: number; readonly rank: number },
  scope: string,
  blocks: Blocks,
): Promise<BlockRef> {
  return putVectors(`residual:${step}:${rank}`, scope, [residual], blocks);
}

function putVectors(id: string, scope: string, vectors: readonly Float32Array[], blocks: Blocks): Promise<BlockRef> {
  const all = vectors.map(bytesOf);
  const bytes = all.reduce((sum, { length }) => sum + length, 0);
  return blocks.put(id, scope, all, { bytes });
}

/**
 * Theta before `readParts` fills it in, aligned for graphs: the initial weights, which cost more than reading, where there are
 * no parts.
 */
export function unreadTheta(
  parts: readonly CommittedPart[],
  { network, seed, initializer }: Pick<NumericalPlan, 'network' | 'seed' | 'initializer'>,
): Float32Array {
  const theta = alignedFloats(layoutOf(network).length);
  if (parts.length === 0) theta.set(initialTheta(network, seed, initializer));
  return theta;
}

/**
 * Fills in theta, and the slots over `range`, from the parts that hold them.
 *
 * @param theta all of it
 * @param slots over `range`
 */
export async function readParts(
  parts: readonly CommittedPart[],
  blocks: Blocks,
  theta: Float32Array,
  range?: Range,
  slots: readonly Float32Array[] = [],
): Promise<void> {
  for (const { from, to, block } of parts) {
    const values = floats(await blocks.get(block));
    const length = to - from;
    theta.set(values.subarray(0, length), from);
    if (!range) continue;
    const first = Math.max(from, range.from);
    const last = Math.min(to, range.to);
    if (first >= last) continue;
    slots.forEach((slot, k) => {
      const at = (k + 1) * length - from;
      slot.set(values.subarray(at + first, at + last), first - range.from);
    });
  }
}

/** Theta as the parts have it, or the initial weights where there are none; fills in `slots` as `readParts`. */
export async function readTheta(
  parts: readonly CommittedPart[],
  plan: Parameters<typeof unreadTheta>[1],
  blocks: Blocks,
  { range, slots }: { readonly range?: Range; readonly slots?: readonly Float32Array[] } = {},
): Promise<Float32Array> {
  const theta = unreadTheta(parts, plan);
  await readParts(parts, blocks, theta, range, slots);
  return theta;
}
