import { fromNumbers, NUMBERS, numbersOf, type StepTotal } from '../exchange.js';
import { alignedBytes, isSameView } from '../float-bytes.js';
import { CHUNK } from '../slices.js';
import type { GradientSum, ValueNode } from '../tree.js';

/** What all members of an exchange must know of one another's segments. */
export interface SegmentShape {
  /** Length of theta. */
  readonly length: number;
  /** Subtree sums the member may give in a step. */
  readonly nodes: number;
}

const HEADER_BYTES = 64;

/** Bytes of a member's segment: header, its nodes' numbers, its sums, theta, norms. */
export function segmentBytes({ length, nodes }: SegmentShape): number {
  return (
    HEADER_BYTES + alignedBytes(8 * NUMBERS * nodes) + (nodes + 1) * alignedBytes(4 * length) + 8 * chunksOf(length)
  );
}

const chunksOf = (length: number) => Math.ceil(length / CHUNK);

/**
 * What one member shows the others of its host, as views of memory that all of them map. One writes at a time: which, the
 * phases of the exchange decide.
 */
export class SharedSegment {
  /** [phases done, nodes given]. */
  readonly words: Int32Array;
  /** One sum a node, each of theta's length. */
  readonly sums: readonly Float32Array[];
  /** The weights of all members, in the first one's segment. */
  readonly theta: Float32Array;
  /** Of the chunks of the summed gradient, likewise. */
  readonly norms: Float64Array;
  readonly #numbers: Float64Array;

  constructor(buffer: ArrayBuffer, { length, nodes }: SegmentShape) {
    this.words = new Int32Array(buffer, 0, 2);
    this.#numbers = new Float64Array(buffer, HEADER_BYTES, NUMBERS * nodes);
    const first = HEADER_BYTES + alignedBytes(8 * NUMBERS * nodes);
    const vector = (k: number) => new Float32Array(buffer, first + k * alignedBytes(4 * length), length);
    this.sums = Array.from({ length: nodes }, (_, k) => vector(k));
    this.theta = vector(nodes);
    this.norms = new Float64Array(buffer, first + (nodes + 1) * alignedBytes(4 * length), chunksOf(length));
  }

  /** Leaves a step's sums for the others to read. */
  write(nodes: readonly ValueNode<GradientSum>[]): void {
    this.words[1] = nodes.length;
    nodes.forEach((node, k) => {
      this.#numbers.set(numbersOf(node), k * NUMBERS);
      const { gradient } = node.value;
      const home = this.sums[k]!;
      if (!isSameView(gradient, home)) home.set(gradient);
    });
  }

  /** How many there are in the step. */
  get given(): number {
    return this.words[1]!;
  }

  /** The step's nodes, without their vectors. */
  read(): ValueNode<StepTotal>[] {
    const row = (k: number) => this.#numbers.subarray(k * NUMBERS, (k + 1) * NUMBERS);
    return Array.from({ length: this.given }, (_, k) => fromNumbers(row(k)));
  }
}
