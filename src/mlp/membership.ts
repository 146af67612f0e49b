import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Residents, TaskContext } from '../protocol/program.js';
import { SharedExchange } from '../ps/allreduce/shared-exchange.js';
import { type SegmentShape, SharedSegment, segmentBytes } from '../ps/allreduce/shared-segment.js';
import type { Exchange } from '../ps/exchange.js';
import { nativeAddon } from '../ps/native-addon.js';
import { joinServers, type ServersOrder } from '../ps/server/server-exchange.js';
import { subtreeRoots } from '../ps/tree.js';
import type { Replica } from './replica.js';

/** How the members of a generation merge their updates, as the driver tells each of them. */
export type ExchangePlan = SharedMemoryPlan | ({ readonly kind: 'servers' } & ServersOrder);

/** All-reduce in memory that all members map, in order of rank. */
interface SharedMemoryPlan {
  readonly kind: 'shared-memory';
  readonly rank: number;
  readonly members: readonly { readonly segment: BlockRef; readonly shards: readonly number[] }[];
}

/** A replica that takes part in an exchange, from its joining to the end of the generation. */
export class Membership {
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
    const exchange = await open(plan, replica, ending.signal);
    if (exchange.homes) replica.moveInto(exchange.homes, shards);
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
    if (membership) membership.#end();
  }

  #end(): void {
    if (this.ending.signal.aborted) return;
    this.ending.abort(new FailureError({ kind: 'executor-lost', executor: '', message: 'the generation has ended' }));
    void this.exchange.close();
  }
}

const idOf = (replica: Replica) => `membership:${replica.spec.model}`;

async function open(plan: ExchangePlan, replica: Replica, signal: AbortSignal): Promise<Exchange> {
  if (plan.kind === 'servers') return joinServers(plan, signal);
  const { plan: numbers } = replica.spec;
  const shape = ({ shards }: { shards: readonly number[] }) => shapeOf(replica, shards);
  const segments = plan.members.map((member) => mapped(member.segment, shape(member)));
  const members = { rank: plan.rank, segments, shards: numbers.shards };
  const exchange = new SharedExchange(members, replica.optimizer, signal);
  return exchange;
}

function mapped(segment: BlockRef, shape: SegmentShape): SharedSegment {
  const { path } = segment.at[0]!;
  return new SharedSegment(nativeAddon()!.map(path, segmentBytes(shape)), shape);
}

function shapeOf(replica: Replica, shards: readonly number[]): SegmentShape {
  return { length: replica.theta.length, nodes: subtreeRoots(shards, replica.spec.plan.shards).length };
}

/**
 * Memory for this member's part of an exchange within its host: a block, so that it goes with the generation's scope or
 * the executor. Null where processes cannot share memory.
 */
export async function offerSegment(
  replica: Replica,
  shards: readonly number[],
  scope: string,
  { blocks, executor, slot }: TaskContext,
): Promise<BlockRef | null> {
  if (!nativeAddon()) return null;
  const bytes = segmentBytes(shapeOf(replica, shards));
  return blocks.put(`segment:${executor}:${slot}`, scope, zeros(bytes), { bytes });
}

function* zeros(bytes: number): Iterable<Uint8Array> {
  const piece = new Uint8Array(Math.min(bytes, 1 << 20));
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(left, piece.length));
}
