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

export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

export function expected(target: Uint8Array, bytes: number, from: number): Uint8Array {
  if (bytes !== target.length)
    throw new RangeError(`member ${from} sent ${bytes} bytes where ${target.length} belong: it has another plan`);
  return target;
}
