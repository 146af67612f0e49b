import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeValue } from '../executor/closure/index.js';
import type { Json } from '../protocol/json.js';
import type { SlotProgram } from '../protocol/program.js';
import { alignedFloats, bytesOf } from '../ps/float-bytes.js';
import { type BackendChoice, loadBackend } from './backends.js';
import { type CommittedPart, readParts } from './committed.js';
import { type ShardBlocks, shardData } from './fit-many-shard.js';
import { initialTheta, layoutOf } from './layout.js';
import { ManyNetworks, type ManyResult } from './many-networks.js';
import type { NumericalPlan } from './numerical-plan.js';

/** What every slot that trains some of many networks needs to know. */
export interface ManySpec {
  /** Owns what is written. */
  readonly scope: string;
  readonly backend: BackendChoice;
  /** Of all networks. */
  readonly plans: readonly NumericalPlan[];
  /** First weights of each; absent: drawn by its seed. */
  readonly warmStarts: readonly (readonly CommittedPart[] | undefined)[];
  /** The training rows, by shard. */
  readonly shards: readonly ShardBlocks[];
}

/** Which of the networks a task trains. */
export interface ManyInputs {
  readonly members: readonly number[];
}

export interface ManyAnswer {
  /** Compute backend, for people. */
  readonly backend: string;
  readonly networks: readonly (Omit<ManyResult, 'theta' | 'diverged'> & {
    readonly member: number;
    readonly theta: CommittedPart;
    /** JSON has no NaN: null is one. */
    readonly diverged: { readonly step: number; readonly lossSum: number | null; readonly goodStep: number } | null;
  })[];
}

/** Between two looks at the event loop, where cancellation is heard. */
const TURN_MS = 50;

/** Trains some of many networks from beginning to end; run again elsewhere, it gives the same bits. */
const program: SlotProgram = {
  async prepare(parameters, slot) {
    const spec = decodeValue(parameters) as ManySpec;
    const [{ network: description, precision }] = spec.plans as [NumericalPlan];
    const backend = await loadBackend(spec.backend);
    return {
      async run(task, context) {
        const { members } = task.inputs as unknown as ManyInputs;
        const network = await backend.compile(description, { precision });
        try {
          for (const [shard, blocks] of spec.shards.entries())
            network.loadShard(shard, await shardData(blocks, slot.blocks));
          const thetas = [];
          for (const member of members) thetas.push(await firstTheta(spec, member, slot.blocks));
          const own = members.map((member) => spec.plans[member]!);
          const many = new ManyNetworks(network, own, thetas);
          for (let turn = performance.now(); !many.done; ) {
            context.metrics.rows += many.step();
            if (performance.now() - turn < TURN_MS) continue;
            await nextTurn();
            context.signal.throwIfAborted();
            turn = performance.now();
          }
          const networks: ManyAnswer['networks'][number][] = [];
          for (const [m, { theta, losses, diverged }] of many.results().entries()) {
            const member = members[m]!;
            const block = await context.blocks.put(`theta:${member}`, `${spec.scope}/theta`, bytesOf(theta));
            const { step, lossSum, goodStep } = diverged ?? {};
            networks.push({
              ...{ member, losses, theta: { from: 0, to: theta.length, block } },
              diverged: diverged ? { step: step!, lossSum: finite(lossSum), goodStep: goodStep! } : null,
            });
          }
          return { backend: backend.description, networks } satisfies ManyAnswer as unknown as Json;
        } finally {
          network.dispose();
        }
      },
    };
  },
};
export default program;

async function firstTheta({ plans, warmStarts }: ManySpec, member: number, blocks: Parameters<typeof readParts>[1]) {
  const plan = plans[member]!;
  const theta = alignedFloats(layoutOf(plan.network).length);
  theta.set(initialTheta(plan.network, plan.seed, plan.initializer));
  await readParts(warmStarts[member] ?? [], blocks, theta);
  return theta;
}

const finite = (value: number | undefined) => (value !== undefined && Number.isFinite(value) ? value : null);
