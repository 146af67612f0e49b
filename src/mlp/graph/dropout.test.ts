import { describe, expect, it } from 'vitest';
import { dropoutKey, dropoutMask } from '../dropout.js';
import { loadLibrary, nativeState } from '../native.js';
import { dropoutMaskOps } from './dropout.js';
import { GraphBuilder } from './graph-builder.js';
import { cast, constant, placeholder } from './ops.js';
import { GraphSession } from './session.js';

describe.runIf(nativeState().installed)('dropoutMaskOps', () => {
  it.each([
    [1, 1],
    [3, 7],
    [1500, 64],
    [1001, 333],
  ])('draws in TensorFlow, bit by bit, what JavaScript draws: %i x %i', async (rows, units) => {
    const site = { seed: 123, number: 2, shard: 40, step: 70_000 };
    const rate = 0.3;
    const g = new GraphBuilder();
    const shard = placeholder(g, 'shard', 'int32', []);
    const step = placeholder(g, 'step', 'int32', []);
    const key = constant(
      g,
      'int32',
      dropoutKey(site.seed).map((word) => word | 0),
    );
    const keys = { key, shard, step, rows: cast(g, constant(g, 'int32', rows), 'float32') };
    const mask = dropoutMaskOps(g, { kind: 'dropout', rate, units, number: site.number }, keys);
    const session = new GraphSession(await loadLibrary(), g.nodes, {
      draw: { inputs: { shard, step }, outputs: { mask } },
    });
    const scalar = (value: number) => ({ values: Int32Array.of(value), shape: [] });
    const [drawn] = session.run('draw', { shard: scalar(site.shard), step: scalar(site.step) });
    session.dispose();
    // Buffers, for millions of values are compared at once.
    const expected = dropoutMask(site, rate, rows, units);
    expect(drawn).toHaveLength(rows * units);
    expect(Buffer.from(drawn!.buffer, drawn!.byteOffset, drawn!.byteLength).equals(Buffer.from(expected.buffer))).toBe(
      true,
    );
  });
});
