import { decodeValue } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { SlotProgram, TaskContext } from '../protocol/program.js';
import { joinServer } from '../ps/ps-client.js';
import type { ServerAddress } from '../ps/ps-protocol.js';
import { readSums, type SumBlock, writeSums } from '../ps/sum-blocks.js';
import { addGradientSums, mergeNodes } from '../ps/tree.js';
import { bytesOf, floats } from './float-bytes.js';
import { Replica } from './replica.js';
import type { TrainingSpec } from './training-spec.js';

/** What the driver orders of a slot in training; one small message a slot and step (tree), or a slot and round (ps). */
export type TrainOrder =
  | (At & { readonly op: 'restore'; readonly shards: readonly number[]; readonly state: BlockRef | null })
  /** Applies the sums of the step before, then computes the gradients of the shards it owns. */
  | (At & { readonly op: 'gradient'; readonly shards: readonly number[]; readonly apply: readonly SumBlock[] })
  /** Merges sums under one subtree, for others to read. */
  | (At & { readonly op: 'merge'; readonly sums: readonly SumBlock[] })
  /** Applies the last sums of a round and, when asked, writes the state down. */
  | (At & { readonly op: 'commit'; readonly apply: readonly SumBlock[]; readonly write: boolean })
  /** A whole round against a parameter server. */
  | (At & RoundOrder);

interface At {
  readonly generation: number;
  /** Updates applied so far. */
  readonly step: number;
}

export interface RoundOrder {
  readonly op: 'round';
  readonly shards: readonly number[];
  readonly steps: number;
  readonly rank: number;
  readonly server: ServerAddress;
}

/** What a member computes with. */
export interface RestoreAnswer {
  readonly name: string;
  readonly description: string;
  readonly fingerprint: string;
  readonly [key: string]: Json;
}

const trainProgram: SlotProgram = {
  async prepare(parameters, slot) {
    const spec = decodeValue(parameters) as TrainingSpec;
    await Replica.resident(spec, slot);
    return {
      async run(task, context) {
        const order = task.inputs as unknown as TrainOrder;
        const replica = Replica.of(spec.model, context.residents);
        return carryOut(order, replica, context);
      },
    };
  },
};
export default trainProgram;

async function carryOut(order: TrainOrder, replica: Replica, context: TaskContext): Promise<Json> {
  const { model } = replica.spec;
  switch (order.op) {
    case 'restore': {
      const state = order.state ? floats(await context.blocks.get(order.state)) : undefined;
      replica.restore(order.generation, order.step, state);
      replica.keepOnly(order.shards);
      const { name, description, fingerprint } = replica.backend;
      return { name, description, fingerprint } satisfies RestoreAnswer;
    }
    case 'gradient': {
      await catchUp(order, replica, context);
      const nodes = replica.gradients(order.shards);
      for (const { value } of nodes) context.metrics.rows += value.rows;
      const sums = await writeSums(nodes, `gradient:${replica.step}`, `${model}/g${order.generation}`, context);
      forget(replica, 'gradients', sums, context);
      return sums as unknown as Json;
    }
    case 'merge': {
      const merged = mergeNodes(await readSums(order.sums, context), replica.spec.plan.shards, addGradientSums);
      const sums = await writeSums(merged, `merged:${order.step}`, `${model}/g${order.generation}`, context);
      forget(replica, 'merged', sums, context);
      return sums as unknown as Json;
    }
    case 'commit': {
      await catchUp(order, replica, context);
      if (!order.write) return null;
      const state = replica.network.state();
      const scope = `${model}/state-${replica.step}`;
      return (await context.blocks.put(`state:${replica.step}`, scope, bytesOf(state))) as unknown as Json;
    }
    case 'round': {
      const member = await joinServer(order, context.signal);
      try {
        const totals = await member.runRound(replica, order, context);
        member.leave(order.generation);
        return totals as unknown as Json;
      } catch (error) {
        member.close();
        throw error;
      }
    }
  }
}

/** Brings the replica to the order's step: by the sums of the step before, or it is there already (a round's first). */
async function catchUp(order: At & { apply: readonly SumBlock[] }, replica: Replica, context: TaskContext) {
  const pending = order.apply.length > 0;
  replica.expect(order.generation, pending ? order.step - 1 : order.step);
  if (pending) replica.update(await readSums(order.apply, context));
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
