import type { Exchange, RangeState, StepTotal } from '../exchange.js';
import { bytesOf } from '../float-bytes.js';
import type { Mesh } from '../mesh/mesh.js';
import type { RangeOptimizer } from '../optimizer/range-optimizer.js';
import { stepScale, sumInOrder } from '../optimizer/update-spec.js';
import { type GradientSum, mergeNodes, reduceNodes, type ValueNode } from '../tree.js';
import { askedNorms } from './all-norms.js';
import { Buffers } from './buffers.js';
import type { HostMemory } from './host-memory.js';
import { addParts, checkOwned, expected, type Part, restrict } from './parts.js';
import type { HierarchicalPlan } from './plan-hierarchical.js';
import { StepNumbers } from './step-numbers.js';

export interface HierarchicalOptions {
  readonly plan: HierarchicalPlan;
  /** Of all members, by rank. */
  readonly mesh: Mesh;
  /** Shared with the members of this host. */
  readonly memory: HostMemory;
  /** Over `plan.owned[mesh.rank]`. */
  readonly optimizer: RangeOptimizer;
  /** Whether totals tell the square of the sum. Default false. */
  readonly measure?: boolean;
}

const NOTHING = new Uint8Array(0);

/**
 * All-reduce in shared memory within hosts and through sockets between them: see `planHierarchical`. The canonical bits,
 * whatever the number of members and hosts. `bytesSent` counts what goes to other hosts.
 *
 * A step has two meetings of a host's members. After the first all their sums are in memory, each adds some ranges, and
 * nobody reads theta; before the second every range of theta has been written, by its owner or by who receives it.
 */
export class HierarchicalExchange implements Exchange {
  readonly homes: { readonly theta: Float32Array; readonly sums: readonly Float32Array[] };
  readonly #buffers = new Buffers();

  constructor(readonly options: HierarchicalOptions) {
    const { plan, mesh, memory, optimizer } = options;
    checkOwned(plan, mesh.rank, optimizer.range);
    if (memory.theta.length !== plan.length)
      throw new RangeError(`the plan is for ${plan.length} values, the shared theta has ${memory.theta.length}`);
    this.homes = { theta: memory.theta, sums: memory.sums };
  }

  get bytesSent(): number {
    return this.options.mesh.payloadBytes;
  }

  async step(step: number, nodes: readonly ValueNode<GradientSum>[], theta: Float32Array, rate?: number) {
    try {
      return await this.#step(step, nodes, theta, rate);
    } catch (error) {
      this.options.mesh.abort(error as Error); // the others must not wait for this member
      throw error;
    }
  }

  state(): readonly RangeState[] {
    const { range, slots } = this.options.optimizer;
    return [{ from: range.from, theta: this.homes.theta.slice(range.from, range.to), slots }];
  }

  async close(): Promise<void> {
    this.options.mesh.close();
  }

  async #step(
    step: number,
    nodes: readonly ValueNode<GradientSum>[],
    theta: Float32Array,
    rate: number | undefined,
  ): Promise<StepTotal> {
    const { plan, mesh, memory, optimizer, measure } = this.options;
    const { from, to } = plan.owned[mesh.rank]!;
    const shared = memory.theta;
    if (theta !== shared) shared.set(theta.subarray(from, to), from);
    memory.write(nodes);
    await memory.meet();

    const { vectors, totals } = memory.read();
    const numbers = new StepNumbers(totals);
    const tag = (phase: number) => (4 * step + phase) % 2 ** 32;
    const sends = this.#sendMerged(vectors, numbers.encode(), tag(0));
    const received = await this.#receiveMerged(numbers, tag(0));
    const total = numbers.total(plan.shards);
    const sum = reduceNodes([...restrict(vectors, { from, to }), ...received], plan.shards, addParts)?.values;
    const norms = await askedNorms(this.options, sum, tag(1));
    const scale = stepScale(optimizer.spec, () => norms, total.weight);
    if (sum && to > from) optimizer.update(shared.subarray(from, to), sum, total.weight, step + 1, { scale, rate });

    sends.push(...this.#gather(shared, tag(2)));
    await Promise.all(sends);
    await memory.meet();
    if (theta !== shared) theta.set(shared);
    return measure ? { ...total, square: sumInOrder(norms) } : total;
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
