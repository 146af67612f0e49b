import { expect, it } from 'vitest';
import { ResidentMap } from '../executor/residents.js';
import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { Task } from '../protocol/task.js';
import { planTree } from '../ps/merge-plan.js';
import { type ShortRef, type SumBlock, sumBytes, sumId } from '../ps/sum-blocks.js';
import { mergeNodes, subtreeRoots, type TreeNode } from '../ps/tree.js';
import type { TrainOrder } from './train-program.js';
import treeStep, { type StepAnswer, type StepInputs, type TreeTemplate } from './tree-step.js';

const SCOPE = 'app/fit-0/g1';
const LENGTH = 5;
const METRICS = { queueMs: 0, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 3, bytesIn: 10, bytesOut: 1 };

function blockOf(executor: string, id: string, crc32: number): BlockRef {
  const path = `/${executor}/${SCOPE}/${encodeURIComponent(id)}`;
  return {
    id,
    scope: SCOPE,
    bytes: sumBytes(LENGTH),
    crc32,
    at: [{ holder: executor, host: executor, path, url: '' }],
  };
}
const ids = ['e0', 'e1'];
const homes = ids.map((id) => blockOf(id, 'template', 1));

/** Executor `e0` of two with two slots each, whose slots answer as told; gradients have their node's first shard as checksum. */
async function executor(shards: readonly (readonly (readonly number[])[])[], lost?: number) {
  const G = shards.flat(2).length;
  const members = (own: readonly (readonly number[])[]) => own.map((each, slot) => ({ slot, shards: each }));
  const template: TreeTemplate = {
    ...{ generation: 1, program: { module: 'mlp/train-program', parameters: homes[0]! }, bytes: sumBytes(LENGTH) },
    executors: shards.map((own, k) => ({ id: ids[k]!, members: members(own) })),
    plan: planTree(shards, G),
  };
  const orders: { slot: number; order: TrainOrder }[] = [];
  const copied: string[] = [];
  const dropped: string[] = [];
  let running = 0;
  const sum = (node: TreeNode, step: number): SumBlock => {
    const crc = node.index * 2 ** node.level;
    const lossSum = crc === 1 ? null : crc;
    return { ...node, rows: 1, weight: 1, lossSum, block: blockOf('e0', sumId(step, node), crc) };
  };
  const answer = (order: TrainOrder): unknown => {
    if (order.op === 'apply') return { square: 4 };
    if (order.op === 'gradient') {
      const sums = subtreeRoots(order.shards, G).map((node) => sum(node, order.step));
      return { sums, computeMs: 2, told: { square: 4 } };
    }
    if (order.op !== 'merge') throw new Error(order.op);
    const nodes = order.sums.map(({ id }) => {
      const [level, index] = id.split(':')[2]!.split('.').map(Number) as [number, number];
      return { level, index, value: undefined };
    });
    return mergeNodes(nodes, G, () => undefined).map(({ level, index }) => sum({ level, index }, order.step));
  };
  const context = {
    ...{ executor: 'e0', slot: -1, residents: new ResidentMap(), metrics: { ...METRICS, rows: 0 } },
    blocks: {
      copy: async (ref: BlockRef) => {
        copied.push(ref.id);
        return { ...ref, at: blockOf('e0', ref.id, 0).at, from: ref.at[0]!.holder };
      },
      drop: ({ id }: BlockRef) => void dropped.push(id),
    },
    slots: {
      async run(slot: number, _program: unknown, { inputs }: Task) {
        const order = inputs as unknown as TrainOrder;
        orders.push({ slot, order });
        running++;
        await new Promise((resolve) => setTimeout(resolve, slot === lost ? 0 : 10));
        running--;
        if (slot === lost) throw new FailureError({ kind: 'executor-lost', executor: 'e0', message: 'slot lost' });
        return { value: answer(order) as Json, metrics: METRICS };
      },
    },
  } as unknown as TaskContext;
  const program = await treeStep.prepare(Buffer.from(JSON.stringify(template)), context);
  const run = async (inputs: StepInputs) => {
    const task = { partition: 0, inputs: [homes, inputs] } as unknown as Task;
    return JSON.parse(JSON.stringify(await program.run(task, context))) as StepAnswer;
  };
  return { run, orders, copied, dropped, context, plan: template.plan, running: () => running };
}

const two = [
  [[0, 1], [2]],
  [[3, 4], [5]],
];

it('divides a step among the slots, merges what they have, and tells of what travels', async () => {
  const { run, orders, context } = await executor([
    [[0], [1]],
    [[2], [3]],
  ]);
  const answer = await run([0, []]);
  expect(orders.map(({ slot, order }) => [slot, order.op])).toEqual([
    [0, 'gradient'],
    [1, 'gradient'],
    [0, 'merge'],
  ]);
  expect(orders[2]!.order).toMatchObject({ generation: 1, step: 0, sums: [{ id: 'sum:0:0.0' }, { id: 'sum:0:0.1' }] });
  expect(answer).toMatchObject({
    sums: [{ level: 1, index: 0, ref: 0 }],
    bad: [{ level: 0, index: 1 }],
    computeMs: [2, 2],
  });
  expect(context.metrics).toMatchObject({ rows: 9, bytesIn: 40, bytesOut: 4 });
});

it('fetches the sums of another executor once for all slots, who read the same files', async () => {
  const { run, orders, copied, dropped, plan } = await executor(two);
  const sums: readonly ShortRef[] = plan.applied.map(({ index, level }) => index * 2 ** level);
  const answer = await run([8, sums]);
  const foreign = plan.applied.filter(({ executor: holder }) => holder === 1).map((node) => sumId(7, node));
  expect(foreign.length).toBeGreaterThan(0);
  expect([...copied].sort()).toEqual(foreign.sort());
  expect([...dropped].sort()).toEqual(foreign.sort());
  const gradients = orders.flatMap(({ order }) => (order.op === 'gradient' ? [order.apply] : []));
  expect(gradients[0]!.map(({ id }) => id)).toEqual(plan.applied.map((node) => sumId(7, node)));
  for (const { at, id } of gradients[0]!) expect(at[0]!.path).toBe(`/e0/${SCOPE}/${encodeURIComponent(id)}`);
  expect(gradients[1]).toEqual(gradients[0]);
  expect(answer.told).toEqual({ square: 4 });
});

it('only applies when told so', async () => {
  const { run, orders, plan } = await executor(two);
  const answer = await run([8, plan.applied.map(() => 3), 'apply']);
  expect(orders.map(({ order }) => order.op)).toEqual(['apply', 'apply']);
  expect(answer).toMatchObject({ sums: [], told: { square: 4 } });
});

it('fails with a lost slot, when all other parts have ended', async () => {
  const { run, running, dropped, copied, plan } = await executor(two, 0);
  await expect(run([8, plan.applied.map(() => 3)])).rejects.toMatchObject({ failure: { kind: 'executor-lost' } });
  expect(running()).toBe(0);
  expect(dropped).toEqual(copied);
});
