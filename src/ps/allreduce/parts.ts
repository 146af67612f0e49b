import type { Range } from '../optimizer/range-optimizer.js';
import type { ValueNode } from '../tree.js';
import { vectorKernels } from '../vector/vector-kernels.js';

/** Values of a vector from some element on. */
export interface Part {
  readonly from: number;
  readonly values: Float32Array;
}

/** Adds what is in memory of this member's own; both cover the same range. */
export function addParts(left: Part, right: Part): Part {
  vectorKernels().addInto(left.values, right.values);
  return left;
}

export function restrict(nodes: readonly ValueNode<Part>[], { from, to }: Range): ValueNode<Part>[] {
  return nodes.map(({ level, index, value }) => {
    const values = value.values.subarray(from - value.from, to - value.from);
    return { level, index, value: { from, values } };
  });
}

export function expected(target: Uint8Array, bytes: number, from: number): Uint8Array {
  if (bytes !== target.length)
    throw new RangeError(`member ${from} sent ${bytes} bytes where ${target.length} belong: it has another plan`);
  return target;
}

/** @throws RangeError when a member's optimizer stands over another range than the plan gives it */
export function checkOwned({ owned }: { readonly owned: readonly Range[] }, rank: number, range: Range): void {
  const { from, to } = owned[rank]!;
  if (range.from !== from || range.to !== to)
    throw new RangeError(`member ${rank} owns ${from} to ${to}, its optimizer's range is ${range.from} to ${range.to}`);
}
