import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MLPClassifier, SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeState } from '../../src/mlp/native.js';
import type { TimedEvent } from '../../src/protocol/event.js';
import { blobs, readBlobs, writeBlobs } from '../mlp/blobs.js';
import { SheafProcess } from '../support/sheaf.js';

/** A machine with two GPUs, as far as nvidia-smi goes: they cannot compute. */
const LIST = 'GPU 0: NVIDIA H200 (UUID: GPU-aaaa)\nGPU 1: NVIDIA L4 (UUID: GPU-bbbb)';

let directory: string;
let folder: string;
const before = { ...process.env };

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-gpus-'));
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'nvidia-smi'), `#!/bin/sh\n[ "$1" = -L ] && cat <<'END'\n${LIST}\nEND\n`);
  chmodSync(join(bin, 'nvidia-smi'), 0o755);
  process.env.PATH = `${bin}:${before.PATH}`;
  delete process.env.CUDA_VISIBLE_DEVICES;
  delete process.env.SHEAF_DEVICE;
  folder = writeBlobs(join(directory, 'data'), blobs(60), 3);
});
afterAll(() => {
  process.env.PATH = before.PATH;
  rmSync(directory, { recursive: true });
});

interface Seen {
  readonly sc: SheafContext;
  readonly events: TimedEvent[];
  warnings(): string[];
}

async function withContext<T>(
  master: string,
  conf: Record<string, string>,
  act: (seen: Seen) => Promise<T>,
): Promise<T> {
  const sc = await SheafContext.create({ master, conf: { 'sheaf.eventLog.enabled': 'false', ...conf } });
  const events: TimedEvent[] = [];
  sc.bus.listen((event) => void events.push(event));
  const warnings = () => events.flatMap((event) => (event.event === 'warning' ? [event.message] : []));
  try {
    return await act({ sc, events, warnings });
  } finally {
    await sc.stop();
  }
}

/** What slots see: of each, its kind and its `CUDA_VISIBLE_DEVICES`. */
async function devicesOf(sc: SheafContext, slots: number): Promise<string[]> {
  const seen = await sc
    .parallelize([...Array(slots * 4).keys()], slots * 4)
    .map(async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      const {
        SHEAF_SLOT_DEVICE: device,
        CUDA_VISIBLE_DEVICES: visible,
        TF_FORCE_GPU_ALLOW_GROWTH: growth,
      } = process.env;
      return [device, visible, growth].join(' ').trim();
    })
    .collect();
  return [...new Set(seen)].sort();
}

const trained = (sc: SheafContext) =>
  new MLPClassifier({ hidden: [8], epochs: 2, batchSize: 16, shards: 4, seed: 2 }).fit(readBlobs(sc, folder, 4, 3));

describe('slots', () => {
  it('are GPU slots first, one a GPU, which sees its GPU alone; the others see none', async () => {
    const logs = join(directory, 'logs');
    const logged = { 'sheaf.eventLog.enabled': 'true', 'sheaf.eventLog.dir': logs };
    await withContext('local[3]', logged, async ({ sc }) => {
      expect(await devicesOf(sc, 3)).toEqual(['cpu', 'gpu GPU-aaaa true', 'gpu GPU-bbbb true']);
      expect(sc.tasks.slots().map(({ device }) => device)).toEqual(['gpu', 'gpu', 'cpu']);
      expect(sc.tasks.executors()[0]!.slots[1]).toEqual({
        ...{ index: 1, device: 'gpu' },
        gpu: { id: 'GPU-bbbb', name: 'NVIDIA L4' },
      });
    });
    const lines = readdirSync(logs).flatMap((file) => readFileSync(join(logs, file), 'utf8').trim().split('\n'));
    const events = lines.map((line) => JSON.parse(line) as TimedEvent);
    expect(events.find(({ event }) => event === 'executor-joined')).toMatchObject({
      ...{ slots: 3, gpus: ['NVIDIA H200', 'NVIDIA L4'] },
    });
  });

  it('share a GPU, or leave GPUs alone, where asked to', async () => {
    const shared = { 'sheaf.executor.gpus': 'device=1', 'sheaf.executor.slotsPerGpu': '2' };
    await withContext('local[3]', shared, async ({ sc }) => {
      expect(await devicesOf(sc, 3)).toEqual(['cpu', 'gpu GPU-bbbb true']);
      expect(sc.tasks.slots().map(({ device }) => device)).toEqual(['gpu', 'gpu', 'cpu']);
    });
    await withContext('local[2]', { 'sheaf.executor.gpus': 'none' }, async ({ sc }) => {
      expect(sc.tasks.slots().map(({ device }) => device)).toEqual(['cpu', 'cpu']);
    });
  });

  it('are refused for more GPUs than there are', async () => {
    await expect(withContext('local[4]', { 'sheaf.executor.gpus': '3' }, async () => {})).rejects.toThrow(
      '3 GPUs were asked for, and only 2 are visible here',
    );
    await expect(withContext('local[1]', { 'sheaf.executor.gpus': '2' }, async () => {})).rejects.toThrow(
      '1 slot cannot use 2 GPUs',
    );
    await withContext('local[1]', {}, async ({ sc }) => {
      expect(sc.tasks.slots().map(({ device }) => device)).toEqual(['gpu']);
    });
  });

  it('of executors of one machine have different GPUs', async () => {
    await withContext('local-cluster[2,1]', {}, async ({ sc }) => {
      expect(await devicesOf(sc, 2)).toEqual(['gpu GPU-aaaa true', 'gpu GPU-bbbb true']);
      const gpus = sc.tasks.executors().map(({ slots }) => slots[0]!.gpu?.name);
      expect(gpus.sort()).toEqual(['NVIDIA H200', 'NVIDIA L4']);
    });
  });
});

it('an executor is told by flags, and says what it has', async () => {
  const environment = { SHEAF_SECRET: 'secret', SHEAF_MASTER: 'redis://127.0.0.1:1' };
  const wrong = await new SheafProcess(['executor', '--gpus', 'all'], environment).finished;
  expect(wrong.code).not.toBe(0);
  expect(wrong.stderr).toContain('sheaf.executor.gpus must be auto, none, a number of GPUs');
  const many = await new SheafProcess(['executor', '--slots', '4', '--gpus', '5'], environment).finished;
  expect(many.stderr).toContain('5 GPUs were asked for');
});

describe('a network in GPU slots whose GPU cannot be used', () => {
  const problem = () => {
    const native = nativeState();
    if (!native.installed) return 'TensorFlow is not linked';
    return native.device === 'cpu' ? 'is linked in its CPU build' : 'found no GPU that it can use';
  };

  it('fails, and says what is wrong and what to do', async () => {
    await withContext('local[3]', {}, async ({ sc }) => {
      const error = (await trained(sc).catch((thrown) => thrown)) as Error;
      expect(error.message).toContain('this is a GPU slot (NVIDIA');
      expect(error.message).toContain(problem());
      expect(error.message).toContain('sheaf.gpu.fallback=true');
    });
  });

  it('computes on the CPU where that is allowed, warns once, and has the weights of CPU slots', async () => {
    const hash = await withContext('local[3]', { 'sheaf.gpu.fallback': 'true' }, async ({ sc, warnings }) => {
      const model = await trained(sc);
      await trained(sc);
      await model.evaluate(readBlobs(sc, folder, 4, 3));
      expect(warnings().filter((message) => message.includes(': GPU slots compute on the CPU: '))).toHaveLength(1);
      expect(model.backend).toMatch(/ in place of a GPU$/);
      return model.weightsHash;
    });
    await withContext('local[3]', { 'sheaf.train.device': 'cpu' }, async ({ sc, warnings }) => {
      const model = await trained(sc);
      expect(model.weightsHash).toBe(hash);
      expect(model.backend).not.toContain('GPU');
      expect((await model.evaluate(readBlobs(sc, folder, 4, 3))).accuracy).toBeGreaterThan(0);
      expect(warnings()).toEqual([]);
    });
  });

  it('is waited for where there is no such slot', async () => {
    const conf = { 'sheaf.train.device': 'gpu', 'sheaf.executor.gpus': 'none', 'sheaf.executor.waitMs': '300' };
    await withContext('local[1]', conf, async ({ sc }) => {
      await expect(trained(sc)).rejects.toThrow('no executor with GPU slots joined within 0.3 s');
    });
    const cpu = { 'sheaf.train.device': 'cpu', 'sheaf.executor.waitMs': '300' };
    await withContext('local[2]', cpu, async ({ sc }) => {
      await expect(trained(sc)).rejects.toThrow('every slot is a GPU slot: give more slots, or fewer GPUs');
    });
  });
});
