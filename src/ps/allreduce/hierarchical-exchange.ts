import type { StepTotal } from '../exchange.js';
import { bytesOf } from '../float-bytes.js';
import { mergeNodes, reduceNodes, type ValueNode } from '../tree.js';
import { Buffers } from './buffers.js';
import type { HostMemory } from './host-memory.js';
import { MeshMember, type MeshMemberOptions, type Step } from './mesh-member.js';
import { addParts, expected, type Part, restrict } from './parts.js';
import type { HierarchicalPlan } from './plan-hierarchical.js';
import { StepNumbers } from './step-numbers.js';

export interface HierarchicalOptions extends MeshMemberOptions {
  readonly plan: HierarchicalPlan;
  /** Shared with the members of this host. */
  readonly memory: HostMemory;
}

const NOTHING = new Uint8Array(0);

/**
 * All-reduce in shared memory within hosts and through sockets between them: see `planHierarchical`. The canonical bits,
 * whatever the number of members and hosts. `bytesSent` counts what goes to other hosts.
 *
 * A step has two meetings of a host's members. After the first all their sums are in memory, each adds some ranges, and
 * nobody reads theta; before the second every range of theta has been written, by its owner or by who receives it.
 */
export class HierarchicalExchange extends MeshMember<HierarchicalOptions> {
  readonly homes: { readonly theta: Float32Array; readonly sums: readonly Float32Array[] };
  readonly #buffers = new Buffers();

  constructor(options: HierarchicalOptions) {
    const { theta, sums } = options.memory;
    super(options, theta);
    this.homes = { theta, sums };
  }

  protected async exchange(step: Step): Promise<StepTotal> {
    const { plan, mesh, memory } = this.options;
    const { from, to } = plan.owned[mesh.rank]!;
    const { nodes, theta } = step;
    const shared = memory.theta;
    if (theta !== shared) shared.set(theta.subarray(from, to), from);
    memory.write(nodes);
    await memory.meet();

    const { vectors, totals } = memory.read();
    const numbers = new StepNumbers(totals);
    const tag = (phase: number) => (4 * step.number + phase) % 2 ** 32;
    const sends = this.#sendMerged(vectors, numbers.encode(), tag(0));
    const received = await this.#receiveMerged(numbers, tag(0));
    const sum = reduceNodes([...restrict(vectors, { from, to }), ...received], plan.shards, addParts)?.values;
    const total = await this.update(step, shared, sum, numbers.total(plan.shards), tag(1));

    sends.push(...this.#gather(shared, tag(2)));
    await Promise.all(sends);
    await memory.meet();
    if (theta !== shared) theta.set(shared);
    return total;
  }

  /** Each message's range is this member's alone to add, in its host's memory. */
  #sendMerged(vectors: readonly ValueNode<Part>[], meta: Uint8Array, tag: number): Promise<unknown>[] {
    const { plan, mesh } = this.options;
    return plan.reduce
      .filter((message) => message.from === mesh.rank)
      .map(({ to, range }) => {
        const merged = mergeNodes(restrict(vectors, range), plan.shards, addParts);
        return tracked(
          mesh.send(
            to,
            tag,
            meta,
            merged.map(({ value }) => bytesOf(value.values)),
          ),
        );
      });
  }

  async #receiveMerged(numbers: StepNumbers, tag: number): Promise<ValueNode<Part>[]> {
    const { plan, mesh } = this.options;
    const arrived = await Promise.all(
      plan.reduce
        .filter((message) => message.to === mesh.rank)
        .map(async ({ from, range, nodes = [] }) => {
          const length = range.to - range.from;
          const values = this.#buffers.floats(`from ${from}`, nodes.length * length);
          const { meta } = await mesh.receive(from, tag, (bytes) => expected(bytesOf(values), bytes, from));
          numbers.merge(meta);
          return nodes.map(({ level, index }, k) => {
            const part = { from: range.from, values: values.subarray(k * length, (k + 1) * length) };
            return { level, index, value: part };
          });
        }),
    );
    return arrived.flat();
  }

  /** The weights of this member's slice go out, those of slices owned elsewhere come into the host's memory. */
  #gather(shared: Float32Array, tag: number): Promise<unknown>[] {
    const { plan, mesh } = this.options;
    const bytesIn = ({ range }: { range: { from: number; to: number } }) =>
      bytesOf(shared.subarray(range.from, range.to));
    return plan.gather.flatMap((message): Promise<unknown>[] => {
      const { from, to } = message;
      if (from === mesh.rank) return [tracked(mesh.send(to, tag, NOTHING, [bytesIn(message)]))];
      if (to !== mesh.rank) return [];
      return [tracked(mesh.receive(from, tag, (bytes) => expected(bytesIn(message), bytes, from)))];
    });
  }
}

/** It is awaited later. */
function tracked<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
