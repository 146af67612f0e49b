import { addedUp, addInOrder, additionOrder, sumOfOne } from '../addition-order.js';
import { addTotals, type StepTotal, totalOf } from '../exchange.js';
import { dynSgdScale } from '../optimizer/staleness.js';
import { stepScale, sumInOrder } from '../optimizer/update-spec.js';
import type { ValueNode } from '../tree.js';
import type { OrderedSum } from '../vector/kernels.js';
import { type Consistency, isSync, maxLead } from './consistency.js';
import type { ShardState, ShardUpdate } from './shard-state.js';

/** A sum of gradients over one shard. */
export interface ShardSum extends StepTotal {
  /** One a range of the shard. */
  readonly gradients: readonly Float32Array[];
}

/** A member's sums of one step, over one shard. */
export interface Push {
  readonly member: number;
  readonly step: number;
  /** Stay as they are, and must until the push is answered. */
  readonly nodes: readonly ValueNode<ShardSum>[];
  /** Part of all rows that the member's shards hold. */
  readonly share: number;
  /** Progress of the weights the sums were computed with. */
  readonly basis: number;
  /** Whether the answer must bring theta: then it waits until the member may begin its next step. */
  readonly pull: boolean;
  /** Takes theta at the moment of the answer; absent: the answer has it. */
  readonly take?: TakeTheta;
  /** Of learning, in a synchronous step, the same from all members; absent: the optimizer's own. */
  readonly rate?: number;
}

/** Copies the shard's theta to where the member looks for it. */
export type TakeTheta = (theta: Float32Array) => void;

export interface PushAnswer {
  /** Of all members; absent unless synchronous. */
  readonly total?: StepTotal;
  /** Steps that even the slowest member has pushed. */
  readonly clock: number;
  readonly progress: number;
  /** Steps that members may be apart. */
  readonly lead: number;
  /** Whether theta was asked for. */
  readonly pulled: boolean;
  readonly theta?: Float32Array;
}

/** Why a push, or a wait, is of no use: told to the member, which gives its round up. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

export interface PrimarySettings {
  /** Ranks 0 … members - 1 are expected. */
  readonly members: number;
  /** G, gradient shards of the canonical tree. */
  readonly leaves: number;
  readonly consistency: Consistency;
  /** Makes steps smaller whose weights are old. Default false. @see dynSgdScale */
  readonly dynSGD?: boolean;
  /** Whether totals of synchronous steps tell the square of the sum. Default false. */
  readonly measure?: boolean;
  /** Needed where the learning rate's schedule counts in epochs. */
  readonly stepsPerEpoch?: number;
}

/** What a shard's server asks of the others. */
export interface PrimaryPeers {
  /** Makes the same update elsewhere; called just before it is made here. @param sums one a range */
  replicate(update: ShardUpdate, sums: readonly OrderedSum[]): Promise<void>;
  /**
   * The chunks' sums of squares over all of theta, in order.
   *
   * @param member whose sum it is; ALL_MEMBERS in a synchronous step
   */
  norms(member: number, step: number, own: readonly Float64Array[]): Promise<Iterable<number>>;
}

export const ALL_MEMBERS = -1;

/**
 * The one place where a shard is updated: decides which pushes make an update, and when a member may go on.
 *
 * - Synchronous: when all members have pushed a step, the sums are added along the canonical tree and make one update.
 * - Otherwise every push makes an update when it arrives: the optimizer's step for the mean over the member's own rows,
 *   with the learning rate times `share`, the member's part of all rows. M members of equal rows so make M updates a step
 *   with an M-th of the rate: an epoch moves as far as a synchronous one does, whatever the optimizer. (Dividing the
 *   gradient instead would do so for plain SGD only: Adam does not see a gradient's length.) The schedule goes by the steps
 *   of all rows that have been made, the optimizer's own corrections by its updates. With dynSGD the rate is also divided by
 *   1 + the push's staleness: the whole steps of all rows made since the weights it was computed with were read.
 *
 * A push that has been applied is answered, not applied again; one that leaves a step out is refused. Nobody is answered
 * before the replicas have the update.
 */
export class Primary {
  readonly #active: Set<number>;
  /** Of the synchronous step at hand: what has been pushed so far, by member. */
  readonly #pushed = new Map<number, readonly ValueNode<ShardSum>[]>();
  #step = deferred();
  /** Pushes that have come and are in no update yet, by member. */
  readonly #coming = new Map<number, Promise<void>>();
  readonly #waiting = new Set<{ readonly next: number; readonly go: ReturnType<typeof deferred> }>();
  #replicated: Promise<unknown> = Promise.resolve();
  #snapshot: { readonly version: number; readonly theta: Float32Array } | undefined;
  #over: Error | undefined;
  /** Milliseconds that members have waited for slower ones. */
  waitedMs = 0;

  constructor(
    readonly state: ShardState,
    readonly settings: PrimarySettings,
    public consistency: Consistency,
    readonly peers: PrimaryPeers,
  ) {
    this.#active = new Set(Array.from({ length: settings.members }, (_, rank) => rank));
  }

  /** @throws Refused */
  async push(push: Push): Promise<PushAnswer> {
    if (this.#over) throw this.#over;
    this.#active.add(push.member);
    const clock = this.state.clocks.of(push.member);
    if (push.step > clock)
      throw new Refused(`member ${push.member} pushed step ${push.step}; its step ${clock} is missing`);
    if (push.step === clock) await this.#once(push);
    const { total } = this.state;
    await this.#replicated;
    if (push.pull) await this.#mayBegin(push.step + 1);
    return { total, ...this.#reading(push.pull || isSync(this.consistency), push.take) };
  }

  /** Theta as it is. @throws Refused */
  async pull(take?: TakeTheta): Promise<PushAnswer> {
    if (this.#over) throw this.#over;
    await this.#replicated;
    return this.#reading(true, take);
  }

  /** Nobody waits for this member any more; a synchronous step cannot do without it. */
  lose(member: number): void {
    this.#active.delete(member);
    if (isSync(this.consistency))
      this.fail(new Refused(`member ${member} was lost in step ${this.state.clocks.of(member)}`));
    else this.#wake();
  }

  /** Lets nobody wait, now or later, and says why. */
  fail(error: Error): void {
    this.#over ??= error;
    this.#step.reject(this.#over);
    for (const { go } of this.#waiting) go.reject(this.#over);
  }

  /** Nobody waits, and all members stand at one step. */
  get idle(): boolean {
    const clocks = [...this.#active].map((member) => this.state.clocks.of(member));
    return this.#coming.size === 0 && this.#waiting.size === 0 && clocks.every((clock) => clock === clocks[0]);
  }

  setConsistency(consistency: Consistency): void {
    this.consistency = consistency;
    this.#wake();
  }

  /** A push that is sent again before the first has made its update waits for that. */
  async #once(push: Push): Promise<void> {
    const { member } = push;
    const known = this.#coming.get(member);
    if (known) return known;
    const coming = isSync(this.consistency) ? this.#together(push) : this.#alone(push);
    this.#coming.set(member, coming);
    await coming.finally(() => this.#coming.delete(member));
  }

  async #together({ member, step, nodes, rate }: Push): Promise<void> {
    this.#pushed.set(member, nodes);
    const all = this.#step;
    if (this.#pushed.size === this.settings.members) await this.#updateTogether(step, rate);
    const begun = performance.now();
    await all.promise;
    this.waitedMs += performance.now() - begun;
  }

  async #updateTogether(step: number, rate: number | undefined): Promise<void> {
    const nodes = [...this.#pushed.values()].flat();
    const clocks = [...this.#pushed.keys()].map((member) => [member, step + 1] as const);
    const { sums, norms, ...all } = await this.#sumOf(nodes, ALL_MEMBERS, step);
    const { weight } = all;
    const square = this.settings.measure && norms ? { square: sumInOrder(norms) } : {};
    const total = { ...all, ...square };
    const scale = stepScale(this.state.spec, () => norms!, weight);
    this.#apply({ clocks, weight, step: step + 1, rate, scale, progress: 1, total }, sums);
    this.#pushed.clear();
    this.#step.resolve();
    this.#step = deferred();
  }

  async #alone({ member, step, nodes, share, basis }: Push): Promise<void> {
    const { sums, norms, weight } = await this.#sumOf(nodes, member, step);
    const scale = stepScale(this.state.spec, () => norms!, weight);
    const { progress, updates } = this.state;
    const due = Math.floor(progress + ROUNDING) + 1;
    const fresh = this.settings.dynSGD ? dynSgdScale(Math.floor(progress - basis + ROUNDING)) : 1;
    const rate = this.state.learningRate(due, this.settings.stepsPerEpoch) * share * fresh;
    const clocks = [[member, step + 1]] as const;
    this.#apply({ clocks, weight, step: updates + 1, rate, scale, progress: share }, sums);
    this.#wake();
  }

  /** With norms of the chunks of all of theta's gradient, where anybody asks for them. */
  async #sumOf(nodes: readonly ValueNode<ShardSum>[], member: number, step: number): Promise<PushedSum> {
    const sum = this.#sumOfAll(nodes);
    const measured = this.settings.measure && member === ALL_MEMBERS;
    if (!measured && this.state.spec.clipNorm === undefined) return sum;
    const whole = sum.sums.map(addedUp);
    const norms = await this.peers.norms(member, step, this.state.norms(whole));
    return { ...sum, sums: whole.map(sumOfOne), norms };
  }

  /** Along the canonical tree; vectors are added when they are looked at. */
  #sumOfAll(nodes: readonly ValueNode<ShardSum>[]): PushedSum {
    if (nodes.length === 0) {
      const zeros = this.state.views(new Float32Array(this.state.length));
      return { rows: 0, weight: 0, lossSum: 0, sums: zeros.map(sumOfOne) };
    }
    const order = additionOrder(nodes, this.settings.leaves);
    const totals = nodes.map(({ value }) => totalOf(value));
    const sums = this.state.ranges.map((_, k) => ({ order, vectors: nodes.map(({ value }) => value.gradients[k]!) }));
    return { ...addInOrder(order, totals, addTotals), sums };
  }

  #apply(update: ShardUpdate, sums: readonly OrderedSum[]): void {
    this.#replicated = Promise.all([this.#replicated, this.peers.replicate(update, sums)]);
    this.#replicated.catch(() => {});
    this.state.apply(update, sums);
  }

  async #mayBegin(next: number): Promise<void> {
    if (this.#fits(next)) return;
    const waiting = { next, go: deferred() };
    this.#waiting.add(waiting);
    const begun = performance.now();
    await waiting.go.promise;
    this.waitedMs += performance.now() - begun;
  }

  #fits(next: number): boolean {
    return next - this.#slowest() <= maxLead(this.consistency);
  }

  #slowest(): number {
    return this.state.clocks.slowest(this.#active);
  }

  #wake(): void {
    for (const waiting of this.#waiting) {
      if (!this.#fits(waiting.next)) continue;
      this.#waiting.delete(waiting);
      waiting.go.resolve();
    }
  }

  #reading(pulled: boolean, take: TakeTheta | undefined): PushAnswer {
    const { progress } = this.state;
    const lead = maxLead(this.consistency);
    const theta = pulled && !take ? this.#readable() : undefined;
    if (pulled) take?.(this.state.theta);
    return { clock: this.#slowest(), progress, lead, pulled, theta };
  }

  /** Theta that stays as it is while it is sent: in synchronous mode nobody changes it before all have it. */
  #readable(): Float32Array {
    const { theta, version } = this.state;
    if (isSync(this.consistency)) return theta;
    if (this.#snapshot?.version !== version) this.#snapshot = { version, theta: theta.slice() };
    return this.#snapshot.theta;
  }
}

interface PushedSum extends StepTotal {
  /** One a range of the shard. */
  readonly sums: readonly OrderedSum[];
  readonly norms?: Iterable<number>;
}

/** Shares of members add up to whole steps but for their rounding. */
const ROUNDING = 1e-6;

function deferred() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  promise.catch(() => {}); // those who wait for it hear of it
  return { promise, resolve, reject };
}
