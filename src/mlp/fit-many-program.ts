import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeValue } from '../executor/closure/index.js';
import type { Blocks } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { SlotContext, SlotProgram } from '../protocol/program.js';
import type { CompiledNetwork } from './backend.js';
import { type Shortcomings, shortcomingsOf } from './backend-warning.js';
import { type BackendChoice, loadBackend } from './backends.js';
import type { Cursor } from './checkpoint/checkpoint-header.js';
import { type CommittedPart, readTheta, writeParts } from './committed.js';
import { type ShardBlocks, shardData } from './fit-many-shard.js';
import { ManyNetworks, type ManyResult, type MemberState } from './many-networks.js';
import type { NumericalPlan } from './numerical-plan.js';
import { rangeOptimizer } from './updater.js';

/** What every slot that trains some of many networks needs to know. */
export interface ManySpec {
  /** Owns what slots keep. */
  readonly scope: string;
  readonly backend: BackendChoice;
  /** Of all networks. */
  readonly plans: readonly NumericalPlan[];
  /** The training rows, by shard. */
  readonly shards: readonly ShardBlocks[];
}

/** Some of the networks, from one state to a later one: a task depends on nothing but this and the rows. */
export interface ManyInputs {
  /** Updates that all of them have made, and after which they are to stop. */
  readonly from: number;
  readonly until: number;
  readonly members: readonly ManyMember[];
}

export interface ManyMember {
  readonly member: number;
  /** Of the state after `from` updates; none: the weights drawn by the seed. */
  readonly parts: readonly CommittedPart[];
  readonly partial: Cursor['partial'];
  /** Owns the state that is written. */
  readonly scope: string;
}

export interface ManyAnswer extends Shortcomings {
  /** Compute backend, for people. */
  readonly backend: string;
  readonly fingerprint: string;
  readonly networks: readonly (Pick<ManyResult, 'losses' | 'partial'> & {
    readonly member: number;
    readonly parts: readonly CommittedPart[];
    /** JSON has no NaN: the loss as text; null where it is a weight that is no number. */
    readonly diverged: {
      readonly step: number;
      readonly lossSum: string | null;
      readonly goodStep: number | null;
    } | null;
  })[];
}

/** Between two looks at the event loop, where cancellation is heard. */
const TURN_MS = 50;

/** Trains some of many networks over some steps; run again elsewhere, it gives the same bits. The rows stay in the slot. */
const program: SlotProgram = {
  async prepare(parameters, slot) {
    const spec = decodeValue(parameters) as ManySpec;
    const backend = await loadBackend(spec.backend);
    return {
      async run(task, context) {
        const { from, until, members } = task.inputs as unknown as ManyInputs;
        const network = await loaded(spec, slot);
        const states: MemberState[] = [];
        for (const member of members) states.push(await stateOf(spec, member, slot.blocks));
        const many = new ManyNetworks(network, states, { from, until });
        for (let turn = performance.now(); !many.done; ) {
          context.metrics.rows += many.step();
          if (performance.now() - turn < TURN_MS) continue;
          await nextTurn();
          context.signal.throwIfAborted();
          turn = performance.now();
        }
        const networks: ManyAnswer['networks'][number][] = [];
        for (const [m, { theta, optimizer, losses, partial, diverged }] of many.results().entries()) {
          const { member, scope } = members[m]!;
          const parts = await writeParts([{ from: 0, theta, slots: optimizer.slots }], until, scope, context.blocks);
          networks.push({ member, losses, partial, parts, diverged: diverged ? asJson(diverged) : null });
        }
        const { description, fingerprint } = backend;
        const answer = { backend: description, fingerprint, ...shortcomingsOf(backend), networks };
        return answer satisfies ManyAnswer as unknown as Json;
      },
    };
  },
};
export default program;

/** The network with all rows, which stay in the slot until the scope ends. */
async function loaded({ scope, backend, plans, shards }: ManySpec, slot: SlotContext): Promise<CompiledNetwork> {
  const id = `many-networks:${scope}`;
  const kept = slot.residents.get<CompiledNetwork>(id);
  if (kept) return kept;
  const [{ network: description, precision }] = plans as [NumericalPlan];
  const network = await (await loadBackend(backend)).compile(description, { precision });
  try {
    for (const [shard, blocks] of shards.entries()) network.loadShard(shard, await shardData(blocks, slot.blocks));
  } catch (error) {
    network.dispose();
    throw error;
  }
  return slot.residents.set(id, scope, network, () => network.dispose());
}

async function stateOf(
  { plans }: ManySpec,
  { member, parts, partial }: ManyMember,
  blocks: Blocks,
): Promise<MemberState> {
  const plan = plans[member]!;
  const optimizer = rangeOptimizer(plan);
  const theta = await readTheta(parts, plan, blocks, optimizer);
  return { plan, theta, optimizer, partial };
}

function asJson({ step, lossSum, goodStep }: NonNullable<ManyResult['diverged']>) {
  return { step, lossSum: lossSum === undefined ? null : String(lossSum), goodStep: goodStep ?? null };
}
