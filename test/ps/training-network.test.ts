import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClassifierOptions, EventBus, MLPClassifier, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, readBlobs, writeBlobs } from '../mlp/blobs.js';

let directory: string;
let data: string;
let alone: SheafContext;
let cluster: SheafContext;
const events: TimedEvent[] = [];
const environment = { ...process.env };

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-network-'));
  data = writeBlobs(join(directory, 'data'), blobs(300), 5);
  const conf = { 'sheaf.eventLog.enabled': 'false' };
  process.env.SHEAF_TEST_HOSTS = 'process';
  const bus = new EventBus();
  bus.listen((event) => void events.push(event));
  alone = await SheafContext.create({ master: 'local[1]', conf });
  cluster = await SheafContext.create({ master: 'local-cluster[2,2]', conf, bus });
});
afterAll(async () => {
  await Promise.all([alone.stop(), cluster.stop()]);
  process.env = environment;
  rmSync(directory, { recursive: true });
});

const OPTIONS = {
  hidden: [8],
  epochs: 2,
  batchSize: 32,
  seed: 5,
  shards: 8,
  clipNorm: 0.5,
  aggregation: 'allreduce',
} satisfies ClassifierOptions;
const train = (context: SheafContext, allReduce: ClassifierOptions['allReduce'] = {}) =>
  new MLPClassifier({ ...OPTIONS, allReduce }).fit(readBlobs(context, data, 4, 3));
const choices = () =>
  events.flatMap((event) => (event.event === 'plan' && /^all-reduce/.test(event.what) ? [event.choice] : []));

describe('all-reduce of two hosts with two slots each', () => {
  it('gives the weights of one slot alone, in shared memory within the hosts or through sockets only', async () => {
    const expected = await train(alone);
    for (const allReduce of [{}, { algorithm: 'sliced' }, { algorithm: 'halving-doubling' }] as const) {
      const model = await train(cluster, allReduce);
      expect(model.weightsHash).toBe(expected.weightsHash);
      expect(model.losses).toEqual(expected.losses);
    }
    expect(choices()).toEqual(['hosts', 'mesh', 'mesh']);
  });

  it('learns on a ring, and with sums that are rounded or sparse', async () => {
    const [first] = (await train(alone)).losses;
    for (const allReduce of [
      { algorithm: 'ring' },
      { wire: 'bf16' },
      { wire: { kind: 'top-k', share: 0.2 } },
      { wire: { kind: 'threshold', threshold: 0.1 } },
    ] as const) {
      const { losses } = await train(cluster, allReduce);
      expect(losses.at(-1)).toBeLessThan(first!);
    }
  });
});
