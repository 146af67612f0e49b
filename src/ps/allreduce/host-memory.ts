import type { StepTotal } from '../exchange.js';
import type { GradientSum, ValueNode } from '../tree.js';
import type { Part } from './parts.js';
import { SharedMeeting } from './shared-meeting.js';
import type { SharedSegment } from './shared-segment.js';

/** What the members of one host share: their sums of a step, and the weights. Who writes what when, they agree on. */
export interface HostMemory {
  readonly theta: Float32Array;
  /** Where this member may compute its own sums, to spare a copy. */
  readonly sums: readonly Float32Array[];
  /** Shows this member's sums to the others. */
  write(nodes: readonly ValueNode<GradientSum>[]): void;
  /** What all members of the host have written, in shared memory. */
  read(): { readonly vectors: ValueNode<Part>[]; readonly totals: ValueNode<StepTotal>[] };
  /** Goes on when all members of the host are here. @throws the signal's reason when one never will be */
  meet(): Promise<void>;
}

/** Over segments that all processes of a host have mapped. */
export class SegmentMemory implements HostMemory {
  readonly theta: Float32Array;
  readonly sums: readonly Float32Array[];
  readonly #meeting: SharedMeeting;

  /**
   * @param place of this member among those of its host
   * @param segments of all members of the host
   * @param signal ends the waits: the mesh's `ended`, which notices a lost member by itself
   */
  constructor(
    readonly place: number,
    readonly segments: readonly SharedSegment[],
    signal: AbortSignal,
  ) {
    this.theta = segments[0]!.theta;
    this.sums = segments[place]!.sums;
    const words = segments.map((segment) => segment.words);
    this.#meeting = new SharedMeeting(place, words, signal);
  }

  write(nodes: readonly ValueNode<GradientSum>[]): void {
    this.segments[this.place]!.write(nodes);
  }

  read() {
    const totals = this.segments.map((segment) => segment.read());
    const vectors = totals.flatMap((nodes, place) =>
      nodes.map(({ level, index }, k) => {
        return { level, index, value: { from: 0, values: this.segments[place]!.sums[k]! } };
      }),
    );
    return { vectors, totals: totals.flat() };
  }

  meet(): Promise<void> {
    return this.#meeting.meet();
  }
}
