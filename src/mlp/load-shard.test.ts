import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Field, FixedSizeList, Float32, Int32, makeData, RecordBatch, Schema, Struct } from 'apache-arrow';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nativeAddon } from '../native/addon.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { consume } from './load-shard.js';
import { nativeState } from './native.js';
import { numericalPlan } from './numerical-plan.js';
import { Replica } from './replica.js';
import { ShardChecksum } from './shard-checksum.js';
import type { Residency, TrainingSpec } from './training-spec.js';

process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

const WIDTH = 64;
const ROWS = 4096;
const BATCHES = 8;
const network = { inputs: WIDTH, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const plan = numericalPlan({ rows: ROWS, batchSize: 512, epochs: 1, seed: 1, network, optimizer, shards: 1 });
const target = { kind: 'class', column: 'label', classes: ['0', '1'] } as const;

/** Rows of the shard, in pieces as they come out of files. */
function batches(): RecordBatch[] {
  const rows = ROWS / BATCHES;
  return Array.from({ length: BATCHES }, (_, b) => {
    const values = Float32Array.from({ length: rows * WIDTH }, (_, i) => Math.sin(b * rows * WIDTH + i));
    const child = makeData({ type: new Float32(), length: rows * WIDTH, data: values });
    const type = new FixedSizeList(WIDTH, new Field('item', new Float32(), false));
    const list = makeData({ type, length: rows, nullCount: 0, child });
    const label = makeData({
      type: new Int32(),
      length: rows,
      data: Int32Array.from({ length: rows }, (_, i) => i % 2),
    });
    const schema = new Schema([new Field('features', type, false), new Field('label', new Int32(), false)]);
    const struct = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children: [list, label] });
    return new RecordBatch(schema, struct);
  });
}

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'load-shard-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

async function load(residency: Residency) {
  const spec: TrainingSpec = { model: 'fit', plan, backend: 'tensorflow', features: 'features', target, residency };
  const held = new Map<string, unknown>();
  const residents = {
    get: (id: string) => held.get(id),
    set: (id: string, _scope: string, value: unknown) => held.set(id, value) && value,
  };
  const metrics = { bytesSpilled: 0 };
  const context = { residents, directory, metrics } as unknown as TaskContext;
  const replica = await Replica.resident(spec, context);
  const loadFrom = (chunks: AsyncIterable<unknown>) => consume(chunks as never, spec as unknown as Json, context, 0);
  const checksum = await loadFrom(toAsync(batches()));
  const theta = new Float32Array(WIDTH * 2 + 2).fill(0.1);
  const sum = () => [
    ...replica.network.sums([{ theta, batches: [{ shard: 0, rows: Int32Array.of(0, 77) }] }], 0, 1)[0]![0]!.value
      .gradient,
  ];
  return { replica, checksum, metrics, sum, loadFrom };
}

async function* toAsync(all: readonly RecordBatch[]) {
  yield* all;
}

describe.runIf(nativeState().installed && nativeAddon())('a gradient shard on its way into the session', () => {
  const bytes = 4 * ROWS * WIDTH;
  const typed = Object.getPrototypeOf(Float32Array.prototype) as Float32Array;

  it('is copied once out of the buffers of Arrow, and computed with where it then lies', async () => {
    let copied = 0;
    let matrix: Float32Array | undefined;
    const { set } = typed;
    vi.spyOn(typed, 'set').mockImplementation(function (this: Float32Array, source, offset) {
      if (this instanceof Float32Array && this.length === ROWS * WIDTH) {
        copied += (source as Float32Array).byteLength;
        matrix = this;
      }
      set.call(this, source, offset);
    });
    const slice = vi.spyOn(typed, 'slice');
    const { sum, replica, metrics } = await load('memory');
    expect(copied).toBe(bytes);
    expect(slice.mock.contexts.filter((each) => (each as Float32Array).length >= ROWS * WIDTH)).toEqual([]);
    expect(metrics.bytesSpilled).toBe(0);
    const before = sum();
    matrix![77 * WIDTH] = 1000;
    expect(sum()).not.toEqual(before);
    replica.network.dispose();
  });

  it('goes into a file piece by piece, and is computed with where that is mapped', async () => {
    let mapped: Float32Array | undefined;
    const { map } = nativeAddon()!;
    vi.spyOn(nativeAddon()!, 'map').mockImplementation((path, length, lazily) => {
      const buffer = map(path, length, lazily);
      mapped = new Float32Array(buffer);
      return buffer;
    });
    const set = vi.spyOn(typed, 'set');
    const { sum, replica, metrics } = await load('stream');
    expect(set.mock.contexts.filter((each) => (each as Float32Array).length >= ROWS * WIDTH)).toEqual([]);
    expect(metrics.bytesSpilled).toBe(bytes);
    expect(mapped).toHaveLength(ROWS * WIDTH);
    const before = sum();
    mapped![77 * WIDTH] = 1000;
    expect(sum()).not.toEqual(before);
    replica.network.dispose();
  });

  it('goes into a file where there is no memory for it, unless it must not', async () => {
    const addon = nativeAddon()!;
    const { alignedMemory } = addon;
    vi.spyOn(addon, 'alignedMemory').mockImplementation((length) => {
      if (length === bytes) throw new Error(`no memory for ${bytes} bytes`);
      return alignedMemory(length);
    });
    const { replica, metrics } = await load('auto');
    expect(metrics.bytesSpilled).toBe(bytes);
    replica.network.dispose();
    await expect(load('memory')).rejects.toThrow(`there is no memory for ${bytes} bytes of features`);
  });

  it('stays where it lies when it is to be loaded again, for another generation', async () => {
    const { loadFrom, checksum, sum, replica } = await load('memory');
    const before = sum();
    const unread = { [Symbol.asyncIterator]: () => expect.unreachable('rows were read again') };
    expect(await loadFrom(unread)).toBe(checksum);
    expect(sum()).toEqual(before);
    replica.network.dispose();
  });

  it('has one checksum, and gives one gradient, wherever it lies', async () => {
    const [memory, stream] = [await load('memory'), await load('stream')];
    expect(stream.checksum).toBe(memory.checksum);
    expect(stream.sum()).toEqual(memory.sum());
    const all = new ShardChecksum();
    for (const batch of batches()) all.add(batch.getChild('features')!.data[0]!.children[0]!.values as Float32Array);
    all.add(Int32Array.from({ length: ROWS }, (_, i) => i % 2));
    expect(memory.checksum).toBe(all.value);
    for (const { replica } of [memory, stream]) replica.network.dispose();
  });
});
