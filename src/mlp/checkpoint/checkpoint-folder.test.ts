import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlockRef, Blocks } from '../../protocol/block.js';
import { bytesOf } from '../../ps/float-bytes.js';
import { numericalPlan } from '../numerical-plan.js';
import { CheckpointFolder } from './checkpoint-folder.js';
import { type Checkpoint, obstacle } from './checkpoint-header.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'checkpoints-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const settings = { rows: 16, batchSize: 8, epochs: 3, seed: 0, network, optimizer };
const plan = numericalPlan(settings);

function memoryBlocks() {
  const kept = new Map<string, Buffer>();
  return {
    kept,
    async put(id: string, scope: string, content: Uint8Array) {
      kept.set(id, Buffer.from(content));
      return { id, scope } as BlockRef;
    },
    get: async ({ id }: BlockRef) => kept.get(id)!,
  };
}

async function written(folder: CheckpointFolder, step: number) {
  const blocks = memoryBlocks();
  const partial = { rows: 8, weight: 8, lossSum: 1 / 3 };
  const checkpoint: Checkpoint = { step, plan, input: 'rows', losses: [0.1, 0.2], partial };
  const block = await blocks.put('a', 's', bytesOf(Float32Array.of(step, 2)));
  const other = await blocks.put('b', 's', bytesOf(Float32Array.of(3, Number.NaN)));
  const parts = [
    { from: 0, to: 2, block },
    { from: 2, to: 4, block: other },
  ];
  await folder.write(checkpoint, { step, parts }, blocks as unknown as Blocks);
  return checkpoint;
}

describe('checkpoints', () => {
  it('come back as they were written, the newest of them', async () => {
    const folder = new CheckpointFolder(join(directory, 'deep', 'down'));
    expect(await folder.latest()).toBeUndefined();
    await written(folder, 9);
    const last = await written(folder, 10);
    const stored = (await folder.latest())!;
    expect(stored.checkpoint).toEqual(last);
    const blocks = memoryBlocks();
    const { step, parts } = await stored.restore('scope', blocks as unknown as Blocks);
    expect([step, parts.map(({ from, to }) => [from, to])]).toEqual([
      10,
      [
        [0, 2],
        [2, 4],
      ],
    ]);
    expect([...blocks.kept.values()]).toEqual([
      Buffer.from(bytesOf(Float32Array.of(10, 2))),
      Buffer.from(bytesOf(Float32Array.of(3, Number.NaN))),
    ]);
  });

  it('hold what shards and members keep for themselves, in its order', async () => {
    const folder = new CheckpointFolder(directory);
    const blocks = memoryBlocks();
    const put = (id: string, value: number) => blocks.put(id, 's', bytesOf(Float32Array.of(value)));
    const parts = [{ from: 0, to: 1, block: await put('p', 0) }];
    const workers = [{ shard: 3, block: await put('w', 1) }];
    const residuals = [await put('r0', 2), await put('r1', 3)];
    const checkpoint: Checkpoint = {
      step: 5,
      plan,
      input: 'rows',
      losses: [],
      partial: { rows: 0, weight: 0, lossSum: 0 },
    };
    await folder.write(checkpoint, { step: 5, parts, workers, residuals }, blocks as unknown as Blocks);
    const into = memoryBlocks();
    const restored = await (await folder.latest())!.restore('scope', into as unknown as Blocks);
    const numberOf = ({ id }: BlockRef) => into.kept.get(id)!.readFloatLE();
    expect(restored.workers!.map(({ shard, block }) => [shard, numberOf(block)])).toEqual([[3, 1]]);
    expect(restored.residuals!.map(numberOf)).toEqual([2, 3]);
    truncateSync(join(directory, 'step-000000000005', 'residual-1.bin'), 0);
    await expect(folder.latest()).rejects.toThrow(/residual-1\.bin is not what was written/);
  });

  it('may get another cursor, and keep their state', async () => {
    const folder = new CheckpointFolder(directory);
    const checkpoint = await written(folder, 4);
    const amended = { ...checkpoint, consistency: { staleness: 2 } };
    await folder.amend(amended);
    await folder.amend({ ...checkpoint, step: 5 });
    const stored = (await folder.latest())!;
    expect(stored.checkpoint).toEqual(amended);
    expect(stored.parts).toHaveLength(2);
    expect(readdirSync(join(directory, 'step-000000000004'))).toEqual([
      ...['checkpoint.json', 'state-0.bin', 'state-2.bin'],
    ]);
  });

  it.each<[string, Partial<Checkpoint>]>([
    ['of another plan', { plan: numericalPlan({ ...settings, seed: 1 }) }],
    ['of other rows', { input: 'others' }],
    ['that went another way', { losses: [0.1, 0.3] }],
  ])('keep their cursor when a training %s is at their step', async (_, other) => {
    const folder = new CheckpointFolder(directory);
    const checkpoint = await written(folder, 4);
    await folder.amend({ ...checkpoint, ...other, consistency: { staleness: 2 } });
    expect((await folder.latest())!.checkpoint).toEqual(checkpoint);
  });

  it('are kept, as many as wanted, and nothing else is', async () => {
    const folder = new CheckpointFolder(directory, 2);
    for (const step of [1, 2, 3, 100, 3]) await written(folder, step);
    expect(readdirSync(directory)).toEqual(['step-000000000003', 'step-000000000100']);
  });

  it('are passed over when a file was cut off, and never when half written', async () => {
    const folder = new CheckpointFolder(directory);
    await written(folder, 1);
    await written(folder, 2);
    mkdirSync(join(directory, '.step-000000000003-1'));
    truncateSync(join(directory, 'step-000000000002', 'state-2.bin'), 4);
    mkdirSync(join(directory, 'step-000000000003'));
    const told: string[] = [];
    const stored = (await folder.latest(({ message }) => told.push(message)))!;
    expect(stored.checkpoint.step).toBe(1);
    expect(told).toEqual([
      expect.stringMatching(/step-0+3\/checkpoint\.json cannot be read: ENOENT/),
      expect.stringMatching(/state-2\.bin is not what was written \(4 bytes\)/),
    ]);
    writeFileSync(join(directory, 'step-000000000001', 'checkpoint.json'), '{');
    await expect(folder.latest()).rejects.toThrow(/step-0+3.* begin anew with resume: 'never'/);
  });

  it('are not kept where a driver was killed that was writing one', async () => {
    const folder = new CheckpointFolder(directory);
    const { pid } = spawnSync('true');
    mkdirSync(join(directory, `.step-000000000003-${pid}`));
    writeFileSync(join(directory, `.step-000000000003-${pid}`, 'state-0.bin'), 'half');
    mkdirSync(join(directory, `.step-000000000003-${process.pid}`));
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    await folder.prepare();
    expect(readdirSync(directory)).toEqual([`.step-000000000003-${process.pid}`, 'notes.txt']);
  });

  it('are refused for another plan or other rows, with the reason', async () => {
    const checkpoint = await written(new CheckpointFolder(directory), 1);
    expect(obstacle(checkpoint, plan, 'rows')).toBeUndefined();
    expect(obstacle(checkpoint, plan, 'others')).toContain('the training rows are not those');
    const changed = numericalPlan({ ...settings, batchSize: 4, seed: 7 });
    expect(obstacle(checkpoint, changed, 'rows')).toMatch(
      /^the numerical plan has changed: batchSize 8 became 4, seed 0 became 7; begin anew, .*; or train further: .* warmStart: model/,
    );
    const wider = numericalPlan({ ...settings, network: { ...network, inputs: 3 } });
    expect(obstacle(checkpoint, wider, 'rows')).toMatch(
      /^the numerical plan has changed: features 2 became 3; begin anew, with another path or resume: 'never'$/,
    );
  });
});
