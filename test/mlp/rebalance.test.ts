import { type ClassifierOptions, MLPClassifier, type TimedEvent } from 'sheaf';
import { describe, expect, it } from 'vitest';
import { slotsOf, slowDown } from '../../bench/staleness/slow-down.js';
import { contextOfAllTests, directoryOfAllTests } from '../support/contexts.js';
import { blobs, readBlobs, writeBlobs } from './blobs.js';

/** How many times slower one slot is meant to be; where cores are as few as slots, who stops it is often late, and it is less. */
const FACTOR = 10;
/** Epochs that a deal must come within; one more is trained after it. */
const LIMIT = 100;

const rows = 4096;
const folder = writeBlobs(directoryOfAllTests('rebalance'), blobs(rows), 4);
/** Steps that are long beside the periods in which a slot stands still; as many epochs as make a new deal worth its while. */
const OPTIONS = {
  ...{ hidden: [1024, 512], epochs: 10_000, batchSize: 2048, shards: 8, seed: 3 },
  optimizer: { kind: 'adam', learningRate: 0.001 },
} as const satisfies ClassifierOptions;

type Deal = Extract<TimedEvent, { event: 'plan' }>;
let deals: Deal[] = [];
const listen = (event: TimedEvent) => {
  if (event.event === 'plan' && event.what.startsWith('shards of')) deals.push(event);
};

const sc = contextOfAllTests('local[2]', { listen });

/** @param enough after which epochs it ends */
async function train(aggregation: 'allreduce' | 'ps' | 'tree', enough: (epochs: number) => boolean) {
  let epochs = 0;
  const onEpoch = ({ epoch }: { epoch: number }) => {
    epochs = epoch;
    return enough(epoch) ? 'stop' : undefined;
  };
  const model = await new MLPClassifier({ ...OPTIONS, aggregation, onEpoch }).fit(readBlobs(sc(), folder));
  return { hash: model.weightsHash, epochs };
}

const hashes = new Map<number, string>();

/** What so many epochs come to where all slots are fast. */
async function undisturbed(epochs: number): Promise<string> {
  const hash = hashes.get(epochs) ?? (await train('allreduce', (epoch) => epoch === epochs)).hash;
  hashes.set(epochs, hash);
  return hash;
}

describe.each(['allreduce', 'ps', 'tree'] as const)('by %s, with a slow slot', (aggregation) => {
  it('shards move to the other slot, and the weights are those of an undisturbed training', async () => {
    deals = [];
    const restore = slowDown(slotsOf(process.pid), 'one', FACTOR);
    // An epoch is trained with the new deal, which is made after the callback of the one before.
    const slowed = await train(aggregation, (epoch) => deals.length > 0 || epoch === LIMIT).finally(restore);
    expect(deals).toHaveLength(1);
    const [deal] = deals;
    const sizes = String(deal!.choice).split(' + ').map(Number);
    expect(sizes).toHaveLength(2);
    expect(sizes[0]! + sizes[1]!).toBe(OPTIONS.shards);
    expect(Math.min(...sizes)).toBeLessThan(OPTIONS.shards / 2);
    expect(deal!.reason).toMatch(
      /^slot \S+#\d takes [\d.]+ times as long a shard as slot \S+#\d; a step about [\d.]+ ms instead of [\d.]+, which saves [\d.]+ s; /,
    );
    expect(slowed.hash).toBe(await undisturbed(slowed.epochs));
  });
});

describe('shards stay where they are', () => {
  const fixed = contextOfAllTests('local[2]', { listen, conf: { 'sheaf.train.rebalance': 'false' } });

  it.each([
    ['where that is said', {}, fixed],
    ['where the deal changes bits', { allReduce: { wire: 'bf16' } }, sc],
  ] as const)('%s', async (_, options, context) => {
    deals = [];
    const restore = slowDown(slotsOf(process.pid), 'one', FACTOR);
    const onEpoch = ({ epoch }: { epoch: number }) => (epoch === 5 ? 'stop' : undefined);
    const training = new MLPClassifier({ ...OPTIONS, ...options, onEpoch }).fit(readBlobs(context(), folder));
    await training.finally(restore);
    expect(deals).toEqual([]);
  });
});
