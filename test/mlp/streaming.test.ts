import { MLPClassifier, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeState } from '../../src/mlp/native.js';
import { nativeAddon } from '../../src/native/addon.js';

const KIB = 2 ** 10;
const BUDGET = 256 * KIB;
const WIDTH = 32;
/** Features take eight times what one slot may hold. */
const ROWS = (8 * BUDGET) / (4 * WIDTH);
const SHARDS = 32;

let sc: SheafContext;
let spilled = 0;

beforeAll(async () => {
  const conf = { 'sheaf.slot.memory': String(BUDGET), 'sheaf.eventLog.enabled': 'false' };
  sc = await SheafContext.create({ master: 'local[2]', conf });
  sc.bus.listen((event: TimedEvent) => {
    if (event.event === 'task-end') spilled += event.metrics.bytesSpilled ?? 0;
  });
});
afterAll(() => sc.stop());

function table() {
  const names = Array.from({ length: WIDTH }, (_, k) => `x${k}`);
  const columns = names.map((name, k) => {
    return [name, Float32Array.from({ length: ROWS }, (_, row) => Math.sin(row * (k + 1)))] as const;
  });
  const label = Int32Array.from({ length: ROWS }, (_, row) => (Math.sin(row) > 0 ? 1 : 0));
  return sc.table({ ...Object.fromEntries(columns), label }, { partitions: 8 }).assemble(names);
}

describe.runIf(nativeState().installed && nativeAddon())('features beyond the memory of slots', () => {
  it('lie on disk as far as they are beyond half of it, and train the same network', async () => {
    const rows = table();
    const train = async (residency: 'auto' | 'memory' | 'stream') => {
      spilled = 0;
      const options = { hidden: [8], epochs: 2, batchSize: 1024, shards: SHARDS, seed: 1 };
      const { weightsHash, losses } = await new MLPClassifier({ ...options, residency }).fit(rows);
      return { weightsHash, losses, spilled };
    };
    const memory = await train('memory');
    expect(memory.losses[1]).toBeLessThan(memory.losses[0]!);
    // What shuffles spill in any case.
    const others = memory.spilled;
    const features = 4 * ROWS * WIDTH;
    expect(await train('stream')).toEqual({ ...memory, spilled: others + features });
    expect(await train('auto')).toEqual({ ...memory, spilled: others + features - 2 * (BUDGET / 2) });
  });
});
