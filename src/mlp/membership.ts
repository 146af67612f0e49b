import { nativeAddon } from '../native/addon.js';
import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Residents, SlotContext, TaskContext } from '../protocol/program.js';
import { HierarchicalExchange } from '../ps/allreduce/hierarchical-exchange.js';
import { SegmentMemory } from '../ps/allreduce/host-memory.js';
import { MeshExchange } from '../ps/allreduce/mesh-exchange.js';
import type { Algorithm } from '../ps/allreduce/plan.js';
import { planHierarchical } from '../ps/allreduce/plan-hierarchical.js';
import { planAllReduce } from '../ps/allreduce/planners.js';
import { SharedExchange } from '../ps/allreduce/shared-exchange.js';
import { type SegmentShape, SharedSegment, segmentBytes } from '../ps/allreduce/shared-segment.js';
import type { Exchange } from '../ps/exchange.js';
import { joinMesh } from '../ps/mesh/join.js';
import { type MeshAddress, MeshListener } from '../ps/mesh/listener.js';
import { Mailbox, mailboxBytes } from '../ps/server/mailbox.js';
import { joinServers, type OwnMailbox, type ServersOrder } from '../ps/server/server-exchange.js';
import { subtreeRoots } from '../ps/tree.js';
import { codecOf, type Wire } from '../ps/wire/wire.js';
import type { Replica } from './replica.js';

/** How the members of a generation merge their updates, as the driver tells each of them. */
export type ExchangePlan =
  | ({ readonly kind: 'servers' } & ServersOrder)
  /** All-reduce in memory that all members map. */
  | ({ readonly kind: 'shared-memory' } & Peers)
  /** All-reduce in shared memory within hosts, through sockets between them; each member's host, by rank. */
  | ({ readonly kind: 'hosts'; readonly hosts: readonly string[] } & Peers)
  /** All-reduce through sockets between the members. */
  | ({ readonly kind: 'mesh'; readonly algorithm: Algorithm; readonly wire: Wire } & Peers);

interface Peers {
  readonly rank: number;
  /** All members, in order of rank. */
  readonly members: readonly { readonly meeting: MeetingPoint; readonly shards: readonly number[] }[];
}

/** Where other members find one. */
export interface MeetingPoint {
  readonly address: MeshAddress;
  /** Memory that members of its host may map; null where processes cannot share memory. */
  readonly segment: BlockRef | null;
}

/** A replica that takes part in an exchange, from its joining to the end of the generation. */
export class Membership {
  #left = false;

  private constructor(
    readonly replica: Replica,
    readonly shards: readonly number[],
    readonly exchange: Exchange,
    /** Aborted when the generation ends for this member: no wait outlives it. */
    readonly ending: AbortController,
  ) {}

  static async join(plan: ExchangePlan, shards: readonly number[], replica: Replica, context: TaskContext) {
    Membership.leave(replica, context);
    const ending = new AbortController();
    const exchange = await open(plan, shards, replica, ending.signal, context);
    if (exchange.homes) replica.moveInto(exchange.homes, shards);
    if (replica.owed && exchange.residual) {
      exchange.residual.set(replica.owed);
      replica.owed = undefined;
    }
    const membership = new Membership(replica, shards, exchange, ending);
    context.residents.set(idOf(replica), replica.spec.model, membership, () => membership.#end());
  }

  static of(replica: Replica, { residents }: { residents: Residents }): Membership {
    const membership = residents.get<Membership>(idOf(replica));
    if (membership && !membership.ending.signal.aborted) return membership;
    const message = `this slot takes no part in an exchange of ${replica.spec.model}`;
    throw new FailureError({ kind: 'executor-lost', executor: '', message });
  }

  static leave(replica: Replica, { residents }: { residents: Residents }): void {
    const membership = residents.get<Membership>(idOf(replica));
    if (!membership || membership.#left) return;
    membership.#left = true;
    replica.owed ??= membership.exchange.residual;
    membership.#end();
  }

  /** What the replica's sums still owe the weights, in an exchange or between two. */
  static residual(replica: Replica, { residents }: { residents: Residents }): Float32Array | undefined {
    return replica.owed ?? residents.get<Membership>(idOf(replica))?.exchange.residual;
  }

  #end(): void {
    if (this.ending.signal.aborted) return;
    this.ending.abort(new FailureError({ kind: 'executor-lost', executor: '', message: 'the generation has ended' }));
    void this.exchange.close();
  }
}

const idOf = (replica: Replica) => `membership:${replica.spec.model}`;

async function open(
  plan: ExchangePlan,
  own: readonly number[],
  replica: Replica,
  signal: AbortSignal,
  slot: SlotContext,
): Promise<Exchange> {
  if (plan.kind === 'servers') return joinServers(plan, signal, await mailboxFor(plan, own, replica, slot));
  const { shards } = replica.spec.plan;
  const { measure } = replica.spec;
  const { rank, members } = plan;
  if (plan.kind === 'shared-memory') {
    const segments = members.map(({ meeting, shards }) => mapped(meeting.segment!, shapeOf(replica, shards)));
    return new SharedExchange({ rank, segments, shards, measure }, replica.optimizer, signal);
  }
  const { optimizer, theta, generation, step } = replica;
  const addresses = members.map(({ meeting }) => meeting.address);
  const listener = await listenerOf(slot);
  const mesh = await joinMesh({ name: replica.spec.model, generation, step, rank, addresses, listener, signal });
  const owned = members.map(({ shards: own }) => own);
  if (plan.kind === 'hosts') {
    const reduction = planHierarchical(owned, plan.hosts, shards, theta.length);
    const group = reduction.hosts.find((ranks) => ranks.includes(rank))!;
    const segments = group.map((member) => mapped(members[member]!.meeting.segment!, shapeOf(replica, owned[member]!)));
    const memory = new SegmentMemory(group.indexOf(rank), segments, mesh.ended);
    return new HierarchicalExchange({ plan: reduction, mesh, memory, optimizer, measure });
  }
  const shape = { members: owned, shards, length: theta.length };
  const codec = codecOf(plan.wire, theta.length);
  const reduction = planAllReduce(plan.algorithm, codec ? { ...shape, merged: true } : shape);
  return new MeshExchange({ plan: reduction, mesh, shards, optimizer, theta, codec, measure });
}

/** Memory for what goes between a member and the servers of its host; none where sums are encoded, or the add-on is missing. */
async function mailboxFor(
  { wire = 'float32', near = [] }: ServersOrder,
  shards: readonly number[],
  replica: Replica,
  slot: SlotContext,
): Promise<OwnMailbox | undefined> {
  const addon = nativeAddon();
  if (!addon || wire !== 'float32' || !near.includes(true)) return undefined;
  const shape = shapeOf(replica, shards);
  const bytes = mailboxBytes(shape);
  const { model } = replica.spec;
  const block = await sharedMemory('mailbox', bytes, `${model}/g${replica.generation}`, slot);
  const { path } = block.at[0]!;
  const mailbox = new Mailbox(addon.map(path, bytes), shape).seal();
  return { mailbox, offer: { path, key: mailbox.key, ...shape } };
}

/** One a slot, kept while it lives. */
async function listenerOf({ residents, bind, hostname }: SlotContext): Promise<MeshListener> {
  const id = 'mesh-listener';
  const kept = residents.get<MeshListener>(id);
  if (kept) return kept;
  const listener = await MeshListener.listen(bind, hostname);
  return residents.set(id, id, listener, () => void listener.close());
}

function mapped(segment: BlockRef, shape: SegmentShape): SharedSegment {
  const { path } = segment.at[0]!;
  return new SharedSegment(nativeAddon()!.map(path, segmentBytes(shape)), shape);
}

function shapeOf(replica: Replica, shards: readonly number[]): SegmentShape {
  return { length: replica.theta.length, nodes: subtreeRoots(shards, replica.spec.plan.shards).length };
}

/** Memory is a block, so that it goes with the generation's scope or the executor. */
export async function offerMeeting(
  replica: Replica,
  shards: readonly number[],
  scope: string,
  slot: TaskContext,
): Promise<MeetingPoint> {
  const { address } = await listenerOf(slot);
  if (!nativeAddon()) return { address, segment: null };
  return { address, segment: await sharedMemory('segment', segmentBytes(shapeOf(replica, shards)), scope, slot) };
}

/** Zeros that other processes of the host may map; one of a kind and slot in a scope. */
async function sharedMemory(kind: string, bytes: number, scope: string, slot: SlotContext): Promise<BlockRef> {
  return slot.blocks.put(`${kind}:${slot.executor}:${slot.slot}`, scope, zeros(bytes), { bytes });
}

function* zeros(bytes: number): Iterable<Uint8Array> {
  const piece = new Uint8Array(Math.min(bytes, 1 << 20));
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(left, piece.length));
}
