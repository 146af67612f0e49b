import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TaskContext } from '../protocol/program.js';
import type { TreeNode } from '../ps/tree.js';
import { type CommittedPart, stateScope, writeParts } from './committed.js';
import type { Learnt } from './learners/learner.js';
import type { Membership } from './membership.js';

/** What a member tells of a round, a step an entry. JSON has no NaN: null is one. */
export interface RoundAnswer {
  /** Sums over all members, or what of them this member knows; none where it is not asked. */
  readonly totals: readonly (Omit<Learnt, 'lossSum'> & { readonly lossSum: number | null })[];
  /** This member's own sums whose loss is no number, with their step's place in the round. */
  readonly bad: readonly (TreeNode & { readonly at: number })[];
  /** What this member keeps of the state after the round, where it is asked. */
  readonly parts: readonly CommittedPart[];
  /** Payload sent to others. */
  readonly bytes: number;
  /** Spent on gradients, and on all else: merging, updating, waiting. */
  readonly computeMs: number;
  readonly exchangeMs: number;
}

/** What is asked of a member. */
export interface RoundOrder {
  readonly steps: number;
  /** Whether to tell the totals. */
  readonly tell: boolean;
  /** Whether to write down its part of the state at the end: a commit follows, and need not ask again. */
  readonly write: boolean;
}

/** Between two looks at the event loop: cancellation and lost members are heard there. */
const TURN_MS = 50;

/** So many steps: gradients of the member's shards, the exchange, the new weights. No step passes through the driver. */
export async function runRound(
  membership: Membership,
  { steps, tell, write }: RoundOrder,
  context: TaskContext,
): Promise<RoundAnswer> {
  const { replica, shards, exchange, ending } = membership;
  const abandon = () => ending.abort(context.signal.reason);
  context.signal.addEventListener('abort', abandon);
  const totals: RoundAnswer['totals'][number][] = [];
  const bad: RoundAnswer['bad'][number][] = [];
  const sentBefore = exchange.bytesSent;
  const begun = performance.now();
  let computeMs = 0;
  let turn = begun;
  try {
    for (let at = 0; at < steps; at++) {
      const before = performance.now();
      if (before - turn > TURN_MS) {
        await nextTurn();
        ending.signal.throwIfAborted();
        turn = before;
      }
      const nodes = replica.sums(shards);
      computeMs += performance.now() - before;
      for (const { level, index, value } of nodes) {
        context.metrics.rows += value.rows;
        if (!Number.isFinite(value.lossSum)) bad.push({ level, index, at });
      }
      const learnt = replica.adopt(await exchange.step(replica.step, nodes, replica.theta, replica.pace.rate));
      if (tell) totals.push({ ...learnt, lossSum: Number.isFinite(learnt.lossSum) ? learnt.lossSum : null });
    }
  } finally {
    context.signal.removeEventListener('abort', abandon);
  }
  const exchangeMs = performance.now() - begun - computeMs;
  context.metrics.fetchMs += exchangeMs;
  const bytes = exchange.bytesSent - sentBefore;
  context.metrics.bytesOut += bytes;
  const { model } = replica.spec;
  const parts = write
    ? await writeParts([replica.state()], replica.step, stateScope(model, replica), context.blocks)
    : [];
  return { totals, bad, parts, bytes, computeMs, exchangeMs };
}
