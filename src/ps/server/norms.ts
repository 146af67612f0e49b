import type { Placement } from '../sharding/placement.js';
import { CHUNK } from '../slices.js';

/** Steps of one member (or of all) that are kept: nobody is more than one behind another server. */
const KEPT = 2;

/**
 * Collects, in each server process, the chunks' sums of squares of all shards, for norms over all of theta. Every shard's
 * server tells every process; what came for a step that is over stays for a while, as a process that takes over a shard
 * makes that step again.
 */
export class Norms {
  /** By member, then step, then shard: sums of the shard's ranges one after another. */
  readonly #known = new Map<number, Map<number, Map<number, Float64Array>>>();
  readonly #waiting = new Set<() => void>();

  constructor(readonly placement: Placement) {}

  set(member: number, step: number, shard: number, sums: Float64Array): void {
    const steps = this.#known.get(member) ?? new Map<number, Map<number, Float64Array>>();
    this.#known.set(member, steps);
    const shards = steps.get(step) ?? new Map<number, Float64Array>();
    steps.set(step, shards);
    shards.set(shard, sums);
    for (const old of steps.keys()) if (old <= step - KEPT) steps.delete(old);
    for (const look of this.#waiting) look();
  }

  /** All chunks' sums in the order of theta, when every shard's are there. */
  async all(member: number, step: number): Promise<number[]> {
    const shards = new Set(this.placement.map(({ server }) => server));
    const known = () => this.#known.get(member)?.get(step);
    await new Promise<void>((resolve) => {
      const look = () => {
        if (known()?.size !== shards.size) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
    return inOrder(this.placement, known()!);
  }
}

function inOrder(placement: Placement, sums: ReadonlyMap<number, Float64Array>): number[] {
  const at = new Map<number, number>();
  return placement.flatMap(({ from, to, server }) => {
    const begun = at.get(server) ?? 0;
    const end = begun + Math.ceil((to - from) / CHUNK);
    at.set(server, end);
    return [...sums.get(server)!.subarray(begun, end)];
  });
}
