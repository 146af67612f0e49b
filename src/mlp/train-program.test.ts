import { expect, it } from 'vitest';
import { encodeValue } from '../executor/closure/index.js';
import { ResidentMap } from '../executor/residents.js';
import type { Blocks } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { Task } from '../protocol/task.js';
import { readSums, type SumBlock, writeSums } from '../ps/sum-blocks.js';
import { numericalPlan } from './numerical-plan.js';
import trainProgram from './train-program.js';
import type { TrainingSpec } from './training-spec.js';

/** A slot whose blocks are a map, by scope and id. */
function slotWith(kept: Map<string, Uint8Array>): TaskContext {
  const blocks: Blocks = {
    async put(id, scope, content) {
      const bytes = Buffer.concat(content instanceof Uint8Array ? [content] : [...content]);
      kept.set(`${scope} ${id}`, bytes);
      return { id, scope, bytes: bytes.length, crc32: 0, at: [] };
    },
    copy: async (ref) => ({ ...ref, from: 'here' }),
    async get({ scope, id }) {
      const bytes = kept.get(`${scope} ${id}`);
      if (!bytes) throw new Error(`no block ${id}`);
      return Buffer.from(Uint8Array.from(bytes).buffer);
    },
    drop: ({ scope, id }) => void kept.delete(`${scope} ${id}`),
  };
  return {
    ...{ executor: 'e0', slot: 0, blocks, residents: new ResidentMap(), directory: '/nowhere' },
    ...{ bind: '127.0.0.1', hostname: 'localhost' },
    signal: new AbortController().signal,
    metrics: { queueMs: 0, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 },
    accumulated: {},
  };
}

it('keeps the merged sums of the last steps only', async () => {
  const kept = new Map<string, Uint8Array>();
  const context = slotWith(kept);
  const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
  const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
  const plan = numericalPlan({ rows: 16, batchSize: 8, epochs: 1, seed: 0, network, optimizer, shards: 2 });
  const target = { kind: 'class', column: 'label', classes: ['a', 'b'] } as const;
  const spec: TrainingSpec = { model: 'app/fit-0', plan, backend: 'tfjs-wasm', features: 'features', target };
  const program = await trainProgram.prepare(Buffer.from(encodeValue(spec)), context);
  const run = (inputs: unknown) => program.run({ inputs } as unknown as Task, context) as Promise<Json>;
  await run({ op: 'restore', generation: 0, step: 0, shards: [], committed: { step: 0, parts: [] } });
  for (let step = 0; step < 10; step++) {
    const nodes = [0, 1].map((index) => ({
      ...{ level: 0, index },
      value: { gradient: new Float32Array([1, step]), rows: 4, weight: 4, lossSum: 1 },
    }));
    const sums = await writeSums(nodes, step, 'others', context);
    const merged = (await run({
      op: 'merge',
      generation: 0,
      step,
      sums: sums.map(({ block }) => block),
    })) as unknown as SumBlock[];
    expect([...(await readSums([merged[0]!.block], context))[0]!.value.gradient]).toEqual([2, 2 * step]);
  }
  const left = [...kept.keys()].filter((key) => key.startsWith('app/fit-0/g0 sum:'));
  expect(left).toEqual(['app/fit-0/g0 sum:8:1.0', 'app/fit-0/g0 sum:9:1.0']);
  context.residents.release('app');
});
