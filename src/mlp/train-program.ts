import { decodeValue } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { SlotProgram, TaskContext } from '../protocol/program.js';
import type { Range } from '../ps/optimizer/range-optimizer.js';
import { readSums, type SumBlock, writeSums } from '../ps/sum-blocks.js';
import { addGradientSums, mergeNodes } from '../ps/tree.js';
import { type Shortcomings, shortcomingsOf } from './backend-warning.js';
import { type Committed, stateScope, writeParts, writeResidual, writeWorkers } from './committed.js';
import type { Told } from './learners/learner.js';
import { type ExchangePlan, type MeetingPoint, Membership, offerMeeting } from './membership.js';
import type { PaceState } from './pace.js';
import { Replica } from './replica.js';
import { type RoundOrder, runRound } from './round.js';
import type { TrainingSpec } from './training-spec.js';

/**
 * What is ordered of a slot in training: by the driver, once a round; the three of tree aggregation by the slot's executor, for
 * each step (see tree-step.ts).
 */
export type TrainOrder = At &
  (
    | RestoreOrder
    /** Applies the sums of the step before, then computes the gradients of the shards it owns. */
    | { readonly op: 'gradient'; readonly shards: readonly number[]; readonly apply: readonly BlockRef[] }
    /** Applies the sums of the step before, and tells what has come of it. */
    | { readonly op: 'apply'; readonly apply: readonly BlockRef[] }
    /** Merges sums under one subtree, for others to read. */
    | { readonly op: 'merge'; readonly sums: readonly BlockRef[] }
    /** Joins the exchange of this generation. */
    | { readonly op: 'join'; readonly shards: readonly number[]; readonly exchange: ExchangePlan }
    /** Takes the weights as servers have them by now. */
    | { readonly op: 'pull' }
    /** So many steps with the exchange it has joined. */
    | ({ readonly op: 'round' } & RoundOrder)
    /** So many rows a step in the epoch that begins. */
    | { readonly op: 'batch'; readonly rows: number }
    /** Writes down what its shards keep for themselves. */
    | { readonly op: 'workers' }
    /** Writes down what its sums still owe the weights, where there may be any. */
    | { readonly op: 'residual'; readonly rank: number }
    /** Writes down what it keeps of the state. */
    | { readonly op: 'commit' }
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

/** A slot's gradients of a step, as sums. */
export interface GradientAnswer {
  readonly sums: readonly SumBlock[];
  readonly computeMs: number;
  /** What came of the sums applied before. */
  readonly told?: Told;
}

/** What a member computes with, and where others find it. */
export interface RestoreAnswer extends Shortcomings {
  readonly description: string;
  readonly fingerprint: string;
  readonly meeting: MeetingPoint | null;
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
      const told = await catchUp(order, replica, context);
      const begun = performance.now();
      const nodes = replica.sums(order.shards);
      const computeMs = performance.now() - begun;
      for (const { value } of nodes) context.metrics.rows += value.rows;
      const sums = await writeSums(nodes, order.step, scope, context);
      remember(replica, sums, order.step, context);
      return { sums, computeMs, ...(told && { told }) } satisfies GradientAnswer;
    }
    case 'apply':
      return (await catchUp(order, replica, context)) ?? null;
    case 'merge': {
      const merged = mergeNodes(await readSums(order.sums, context), replica.spec.plan.shards, addGradientSums);
      const sums = await writeSums(merged, order.step, scope, context);
      remember(replica, sums, order.step, context);
      return sums;
    }
    case 'join':
      replica.expect(order.generation, order.step);
      await Membership.join(order.exchange, order.shards, replica, context);
      return null;
    case 'pull':
      replica.expect(order.generation, order.step);
      await Membership.of(replica, context).exchange.pull?.(replica.theta);
      return null;
    case 'round':
      replica.expect(order.generation, order.step);
      return runRound(Membership.of(replica, context), order, context);
    case 'batch':
      replica.expect(order.generation, order.step);
      replica.pace.choose(order.rows);
      return null;
    case 'workers':
      replica.expect(order.generation, order.step);
      return writeWorkers(replica.workers(), replica.step, stateScope(model, replica), context.blocks);
    case 'residual': {
      replica.expect(order.generation, order.step);
      const residual = Membership.residual(replica, context);
      return residual ? writeResidual(residual, order, stateScope(model, replica), context.blocks) : null;
    }
    case 'commit':
      replica.expect(order.generation, order.step);
      return writeParts([replica.state()], replica.step, stateScope(model, replica), context.blocks);
  }
}

async function restore(order: At & RestoreOrder, replica: Replica, context: TaskContext, scope: string) {
  Membership.leave(replica, context);
  replica.keepOnly(order.shards);
  const { generation, committed, range, pace, owed } = order;
  await replica.restore(generation, committed, context.blocks, { range, pace, owed });
  const meeting = order.meet ? await offerMeeting(replica, order.shards, scope, context) : null;
  const { description, fingerprint } = replica.backend;
  return { description, fingerprint, meeting, ...shortcomingsOf(replica.backend) } satisfies RestoreAnswer;
}

/** Brings the replica to the order's step: by the sums of the step before, or it is there already (a round's first). */
async function catchUp(
  order: At & { apply: readonly BlockRef[] },
  replica: Replica,
  context: TaskContext,
): Promise<Told | undefined> {
  const pending = order.apply.length > 0;
  replica.expect(order.generation, pending ? order.step - 1 : order.step);
  if (!pending) return undefined;
  const { square, search } = replica.update(await readSums(order.apply, context));
  return { square, search };
}

/** Drops what the slot wrote the step before last: by now everybody has read it, so it need not wait for the scope's end. */
function remember(replica: Replica, sums: readonly SumBlock[], step: number, { blocks }: TaskContext): void {
  const old = replica.written.filter((each) => each.step < step - 1);
  for (const { block } of old) blocks.drop(block);
  const kept = replica.written.filter((each) => each.step >= step - 1);
  replica.written = [...kept, ...sums.map(({ block }) => ({ step, block }))];
}
