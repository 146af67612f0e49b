import type { StepTotal } from '../exchange.js';
import { bytesOf } from '../float-bytes.js';
import { type GradientSum, mergeNodes, reduceNodes, type ValueNode } from '../tree.js';
import { vectorKernels } from '../vector/vector-kernels.js';
import type { WireCodec } from '../wire/wire-codec.js';
import { Buffers } from './buffers.js';
import { MeshMember, type MeshMemberOptions, type Step } from './mesh-member.js';
import { addParts, expected, type Part, restrict } from './parts.js';
import type { AllReducePlan, Message } from './plan.js';
import { StepNumbers } from './step-numbers.js';

export interface MeshExchangeOptions extends MeshMemberOptions {
  readonly plan: AllReducePlan;
  /** G, gradient shards of all members. */
  readonly shards: number;
  /** The member's weights. */
  readonly theta: Float32Array;
  /** How sums travel; needs a merged plan. Default: float32. */
  readonly codec?: WireCodec;
}

/**
 * All-reduce through a mesh, by whichever plan: sums are reduced to their owners, each owner updates its range, weights are
 * gathered. All memory it needs is allotted in the first step and kept.
 *
 * Plans in the tree's order give all members, whatever their number, the bits of one that has all shards.
 */
export class MeshExchange extends MeshMember<MeshExchangeOptions> {
  #sending: Promise<void>[] = [];
  readonly #buffers = new Buffers();
  #begun = false;

  constructor(options: MeshExchangeOptions) {
    super(options, options.theta);
    const { plan, codec } = options;
    if (codec && !plan.merged) throw new RangeError(`wire format ${codec.name} needs a merged plan`);
    if (codec && plan.algorithm !== 'sliced' && !(plan.algorithm === 'ring' && codec.relays))
      throw new RangeError(`wire format ${codec.name} does not go with ${plan.algorithm}: use sliced owners`);
  }

  get residual(): Float32Array | undefined {
    return this.options.codec?.residual;
  }

  protected async exchange(step: Step): Promise<StepTotal> {
    const { plan, mesh, shards } = this.options;
    const { nodes, theta } = step;
    const numbers = new StepNumbers(nodes);
    const { from, to } = plan.owned[mesh.rank]!;
    const tag = (index: number) => (step.number * 256 + (index % 256)) % 2 ** 32;
    this.theta = theta;

    let held = this.#holdings(nodes);
    for (const [k, messages] of plan.reduce.entries()) held = await this.#reduce(messages, tag(k), held, numbers);

    const sum = reduceNodes(restrict(held, { from, to }), plan.shards, addParts)?.values;
    const total = await this.update(step, theta, sum, numbers.total(shards), tag(plan.reduce.length));

    for (const [k, messages] of plan.gather.entries())
      await this.#gather(messages, tag(plan.reduce.length + 1 + k), theta, numbers);
    // Nobody changes what is still being sent.
    await Promise.all(this.#sending);
    this.#sending = [];
    const told = plan.gather.flat().some(({ to, scalars }) => scalars && to === mesh.rank);
    return told ? { ...total, ...numbers.total(shards) } : total;
  }

  #holdings(nodes: readonly ValueNode<GradientSum>[]): ValueNode<Part>[] {
    const { plan, mesh, shards } = this.options;
    const parts = nodes.map(({ level, index, value }) => ({
      level,
      index,
      value: { from: 0, values: value.gradient },
    }));
    for (const { value } of parts)
      if (value.values.length !== plan.length)
        throw new RangeError(`a sum of ${value.values.length} values came where ${plan.length} belong`);
    if (plan.merged) {
      const values = reduceNodes(parts, shards, addParts)?.values;
      // A ring's parts begin at every member, whether it has anything to give or not.
      if (!values && plan.algorithm !== 'ring') return [];
      if (values) this.#settle(values);
      return [{ level: 0, index: mesh.rank, value: { from: 0, values: values ?? this.#zeros(plan.length) } }];
    }
    const planned = plan.holdings[mesh.rank]!;
    if (planned.length !== parts.length || planned.some((node, k) => !sameNode(node, parts[k]!)))
      throw new RangeError(`member ${mesh.rank} gives other sums than those planned`);
    return parts;
  }

  /**
   * What an earlier exchange of other members left behind over this member's own range is sent to nobody: it is added to
   * the sum of the first step. (Later nothing of that range is left out.)
   */
  #settle(sum: Float32Array): void {
    if (this.#begun) return;
    this.#begun = true;
    const { plan, mesh } = this.options;
    const { from, to } = plan.owned[mesh.rank]!;
    const own = this.residual?.subarray(from, to);
    if (!own || vectorKernels().absMax(own) === 0) return;
    vectorKernels().addInto(sum.subarray(from, to), own);
    own.fill(0);
  }

  async #reduce(messages: readonly Message[], tag: number, held: ValueNode<Part>[], numbers: StepNumbers) {
    const { plan, mesh } = this.options;
    const ring = plan.algorithm === 'ring';
    const meta = numbers.encode();
    for (const { from, to, range } of messages)
      if (from === mesh.rank) this.#send(to, tag, meta, restrict(held, range));
    const incoming = messages.filter(({ to }) => to === mesh.rank);
    const arrived = await Promise.all(
      incoming.map(async (message) => {
        const nodes = message.nodes ?? held;
        const { parts, meta } = await this.#receiveSums(message, tag, nodes.length);
        return { meta, nodes: nodes.map(({ level, index }, k) => ({ level, index, value: parts[k]! })) };
      }),
    );
    for (const { meta } of arrived) numbers.merge(meta);
    const range = incoming[0]?.range;
    if (!range) return held;
    const received = arrived.flatMap(({ nodes }) => nodes);
    if (!ring) return mergeNodes([...restrict(held, range), ...received], plan.shards, addParts);
    addParts(restrict(held, range)[0]!.value, received[0]!.value);
    return held;
  }

  async #gather(messages: readonly Message[], tag: number, theta: Float32Array, numbers: StepNumbers): Promise<void> {
    const { mesh } = this.options;
    for (const { from, to, range, scalars } of messages)
      if (from === mesh.rank) {
        const meta = scalars ? numbers.encode() : new Uint8Array(0);
        this.#track(mesh.send(to, tag, meta, [bytesOf(theta.subarray(range.from, range.to))]));
      }
    await Promise.all(
      messages
        .filter(({ to }) => to === mesh.rank)
        .map(async ({ from, range }) => {
          const target = bytesOf(theta.subarray(range.from, range.to));
          const { meta } = await mesh.receive(from, tag, (bytes) => expected(target, bytes, from));
          numbers.merge(meta);
        }),
    );
  }

  #send(to: number, tag: number, meta: Uint8Array, parts: readonly ValueNode<Part>[]): void {
    const { mesh, codec } = this.options;
    const payload = parts.map(({ value: { from, values } }) => {
      if (!codec) return bytesOf(values);
      const scratch = this.#buffers.bytes(`to ${to} ${from}`, codec.maxBytes(values.length));
      return scratch.subarray(0, codec.encode(values, from, scratch));
    });
    this.#track(mesh.send(to, tag, meta, payload));
  }

  /** Of one message: a part a node, in memory kept for this message. */
  async #receiveSums({ from, range }: Message, tag: number, nodes: number) {
    const { mesh, codec } = this.options;
    const length = range.to - range.from;
    const values = this.#buffers.floats(`from ${from}`, nodes * length);
    const part = (k: number) => ({ from: range.from, values: values.subarray(k * length, (k + 1) * length) });
    const parts = Array.from({ length: nodes }, (_, k) => part(k));
    if (!codec) {
      const { meta } = await mesh.receive(from, tag, (bytes) => expected(bytesOf(values), bytes, from));
      return { parts, meta };
    }
    const scratch = this.#buffers.bytes(`encoded from ${from}`, nodes * codec.maxBytes(length));
    const { meta, payload } = await mesh.receive(from, tag, (bytes) => {
      if (bytes > scratch.length)
        throw new RangeError(`member ${from} sent ${bytes} bytes, more than ${scratch.length}`);
      return scratch.subarray(0, bytes);
    });
    if (nodes > 0) codec.decode(payload, parts[0]!.values);
    return { parts, meta };
  }

  #track(sending: Promise<void>): void {
    sending.catch(() => {}); // it is awaited at the step's end
    this.#sending.push(sending);
  }

  #zeros(length: number): Float32Array {
    return this.#buffers.floats('zeros', length).fill(0);
  }
}

function sameNode(a: { level: number; index: number }, b: { level: number; index: number }): boolean {
  return a.level === b.level && a.index === b.index;
}
