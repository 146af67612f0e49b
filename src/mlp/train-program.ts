import { decodeValue } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { SlotProgram, TaskContext } from '../protocol/program.js';
import type { Range } from '../ps/optimizer/range-optimizer.js';
import { readSums, type SumBlock, writeSums } from '../ps/sum-blocks.js';
import { addGradientSums, mergeNodes } from '../ps/tree.js';
import { type Committed, writeParts, writeResidual, writeWorkers } from './committed.js';
import type { Learnt } from './learners/learner.js';
import { type ExchangePlan, type MeetingPoint, Membership, offerMeeting } from './membership.js';
import type { PaceState } from './pace.js';
import { Replica } from './replica.js';
import { runRound } from './round.js';
import type { TrainingSpec } from './training-spec.js';

/** What the driver orders of a slot in training; one small message a slot and step (tree), or a slot and round (others). */
export type TrainOrder = At &
  (
    | RestoreOrder
    /** Applies the sums of the step before, then computes the gradients of the shards it owns. */
    | { readonly op: 'gradient'; readonly shards: readonly number[]; readonly apply: readonly SumBlock[] }
    /** Applies the sums of a step, and tells what has come of it. */
    | { readonly op: 'apply'; readonly apply: readonly SumBlock[] }
    /** Merges sums under one subtree, for others to read. */
    | { readonly op: 'merge'; readonly sums: readonly SumBlock[] }
    /** Joins the exchange of this generation. */
    | { readonly op: 'join'; readonly shards: readonly number[]; readonly exchange: ExchangePlan }
    /** So many steps with the exchange it has joined. */
    | { readonly op: 'round'; readonly steps: number }
    /** Writes down what its shards keep for themselves. */
    | { readonly op: 'workers' }
    /** Writes down what its sums still owe the weights, where there may be any. */
    | { readonly op: 'residual'; readonly rank: number }
    /** Applies the last sums of a round and, when asked, writes down what it keeps of the state. */
    | { readonly op: 'commit'; readonly apply: readonly SumBlock[]; readonly write: boolean }
  );

interface At {
  readonly generation: number;
  /** Updates applied so far. */
  readonly step: number;
}

/** Begins a generation from a committed state. */
interface RestoreOrder {
  readonly op: 'restore';
  readonly shards: readonly number[];
  readonly committed: Committed;
  /** Where the training stands then; absent: where the plan says. */
  readonly pace?: PaceState;
  /** Residuals of former members that this one goes on with. */
  readonly owed?: readonly BlockRef[];
  /** Of theta: what this member updates; absent: all. */
  readonly range?: Range;
  /** Whether others are to find this member, to exchange among themselves. */
  readonly meet?: boolean;
}

/** What a member computes with, and where others find it. */
export interface RestoreAnswer {
  readonly name: string;
  readonly description: string;
  readonly fingerprint: string;
  readonly meeting: MeetingPoint | null;
  /** Of a GPU slot that computes on its CPU: why. */
  readonly shortfall?: string;
}

const trainProgram: SlotProgram = {
  async prepare(parameters, slot) {
    const spec = decodeValue(parameters) as TrainingSpec;
    await Replica.resident(spec, slot);
    return {
      async run(task, context) {
        const order = task.inputs as unknown as TrainOrder;
        const replica = Replica.of(spec.model, context.residents);
        return (await carryOut(order, replica, context)) as Json;
      },
    };
  },
};
export default trainProgram;

async function carryOut(order: TrainOrder, replica: Replica, context: TaskContext): Promise<unknown> {
  const { model } = replica.spec;
  const scope = `${model}/g${order.generation}`;
  switch (order.op) {
    case 'restore':
      return restore(order, replica, context, scope);
    case 'gradient': {
      await catchUp(order, replica, context);
      const nodes = replica.sums(order.shards);
      for (const { value } of nodes) context.metrics.rows += value.rows;
      const sums = await writeSums(nodes, `gradient:${replica.step}`, scope, context);
      forget(replica, 'gradients', sums, context);
      return sums;
    }
    case 'apply': {
      const { square, search } = (await catchUp(order, replica, context))!;
      return { square, search };
    }
    case 'merge': {
      const merged = mergeNodes(await readSums(order.sums, context), replica.spec.plan.shards, addGradientSums);
      const sums = await writeSums(merged, `merged:${order.step}`, scope, context);
      forget(replica, 'merged', sums, context);
      return sums;
    }
    case 'join':
      replica.expect(order.generation, order.step);
      await Membership.join(order.exchange, order.shards, replica, context);
      return null;
    case 'round':
      replica.expect(order.generation, order.step);
      return runRound(Membership.of(replica, context), order.steps, context);
    case 'workers':
      replica.expect(order.generation, order.step);
      return writeWorkers(replica.workers(), replica.step, `${model}/state-${replica.step}`, context.blocks);
    case 'residual': {
      replica.expect(order.generation, order.step);
      const residual = Membership.residual(replica, context);
      return residual ? writeResidual(residual, order, `${model}/state-${replica.step}`, context.blocks) : null;
    }
    case 'commit': {
      await catchUp(order, replica, context);
      if (!order.write) return [];
      return writeParts([replica.state()], replica.step, `${model}/state-${replica.step}`, context.blocks);
    }
  }
}

async function restore(order: At & RestoreOrder, replica: Replica, context: TaskContext, scope: string) {
  Membership.leave(replica, context);
  replica.keepOnly(order.shards);
  const { generation, committed, range, pace, owed } = order;
  await replica.restore(generation, committed, context.blocks, { range, pace, owed });
  const meeting = order.meet ? await offerMeeting(replica, order.shards, scope, context) : null;
  const { name, description, fingerprint, shortfall } = replica.backend;
  return { name, description, fingerprint, meeting, ...(shortfall && { shortfall }) } satisfies RestoreAnswer;
}

/** Brings the replica to the order's step: by the sums of the step before, or it is there already (a round's first). */
async function catchUp(
  order: At & { apply: readonly SumBlock[] },
  replica: Replica,
  context: TaskContext,
): Promise<Learnt | undefined> {
  const pending = order.apply.length > 0;
  replica.expect(order.generation, pending ? order.step - 1 : order.step);
  return pending ? replica.update(await readSums(order.apply, context)) : undefined;
}

/**
 * Drops what a slot wrote the time before last: by then everybody has read it, merged sums and gradients alike, so they
 * need not wait for the scope's end.
 */
function forget(
  replica: Replica,
  kind: 'gradients' | 'merged',
  sums: readonly SumBlock[],
  { blocks }: TaskContext,
): void {
  const { written } = replica;
  written[kind].push(sums);
  if (written[kind].length > 2) for (const { block } of written[kind].shift()!) blocks.drop(block);
}
